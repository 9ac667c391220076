"""cocotb: identity, descriptors, records, interrupts, refusals, and the engine's way out of every fault."""

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotbext.pcie.core.tlp import CplStatus

from emulator.golden.random_program import random_program
from emulator.spec import Program
from emulator.spec.memory_map import address
from emulator.spec.packets import Opcode, Status
from emulator.spec.pcie import CONTROL_RESET, DEVICE_ID, ENGINE_MAGIC, VENDOR_ID, EngineError
from emulator.spec.registers import MAGIC, protocol_word, register_map_hash
from tests.hdl.given import GEOMETRY
from tests.hdl.pcie.hard_block import refused, untouched
from tests.hdl.pcie.host import RING_LOG2, THOROUGH, Host


def small_program(seed: int) -> Program:
    """A network that takes about 100 cycles an inference, with odd sizes."""
    return random_program(GEOMETRY, np.random.default_rng(seed), sizes=(23, 6, 5), dac_bits=8)


@cocotb.test()
async def enumeration(dut: Any) -> None:
    host = await Host.boot(dut, GEOMETRY)
    assert (host.device.vendor_id, host.device.device_id) == (VENDOR_ID, DEVICE_ID)
    words = np.frombuffer(bytes(await host.bar.read(0, 20)), "<u4")
    assert list(words) == [MAGIC, protocol_word(), 0x55667788, 0x11223344, register_map_hash()]
    assert await host.get("engine_magic") == ENGINE_MAGIC
    assert await host.get("limits") == 0x300 | 2 << 4


def some_words(host: Host) -> tuple[int, int]:
    """First and count of a run of biases."""
    first = int(host.rng.integers(0, GEOMETRY.columns))
    return first, int(host.rng.integers(1, GEOMETRY.columns - first + 1))


@cocotb.test()
@cocotb.parametrize(high=[False, True], stalls=[False, True])
async def words_both_ways(dut: Any, high: bool, stalls: bool) -> None:
    """WRITE, WRITE_SHORT and READ of random runs against a model; nothing is written beyond a result."""
    host = await Host.boot(dut, GEOMETRY, seed=20 + high, high=high, max_read=0)
    host.rc.split_on_all_rcb = host.block.shuffle = stalls
    host.block.stall, host.block.idle = (0.4, 0.4) if stalls else (0.0, 0.0)
    source, given = host.memory(4096, high=high)
    target, taken = host.memory(4096, high=high)
    model = np.zeros(GEOMETRY.columns, np.int32)
    await host.bar.write(host.offset(address("bias")), model.tobytes())
    for _ in range(20 if THOROUGH else 6):
        first, count = some_words(host)
        kind, form = [(Opcode.WRITE, "<i4"), (Opcode.WRITE_SHORT, "<i2")][int(host.rng.integers(2))]
        limits = np.iinfo(form)
        words = host.rng.integers(limits.min, limits.max + 1, count).astype(form)
        place = 8 * int(host.rng.integers(0, 16))
        given[place : place + words.nbytes] = words.tobytes()
        model[first : first + count] = words
        there = {"source": source + place, "address": address("bias", first)}
        assert (await host.run(kind, count, **there))[0] == Status.OK
        first, count = some_words(host)
        taken[:] = host.random_bytes(4096)
        before = bytes(taken)
        back = {"destination": target + place, "address": address("bias", first)}
        assert (await host.run(Opcode.READ, count, **back))[0] == Status.OK
        wanted = model[first : first + count].tobytes()
        assert bytes(taken) == before[:place] + wanted + before[place + len(wanted) :]


@cocotb.test()
async def records_wrap_and_interrupts_follow(dut: Any) -> None:
    """Several descriptors a doorbell, around the ring's end; an MSI only where asked, after its record."""
    host = await Host.boot(dut, GEOMETRY)
    seen: list[bool] = []
    last = -1

    async def interrupted() -> None:
        seen.append(host.record(last) is not None)

    host.device.msi_vectors[0].cb = [interrupted]
    for asked, burst in enumerate((3, 8, 5, 8, 1), 1):
        for i in range(burst):
            last = host.post(Opcode.CHECK, 1 + i, address=0, interrupt=i == burst - 1)
        await host.ring_bell()
        assert (await host.wait(last))[0] == Status.OK
        await host.cycles(60)
        assert len(seen) == asked, "one MSI for a burst"
    assert all(seen), "an MSI came before its record"
    assert await host.get("consumer") == host.producer > 2 << RING_LOG2
    writes = [t for t in host.block.sent if t.has_data() and not t.is_completion()]
    assert len(writes) == host.producer


@cocotb.test()
async def refused_jobs(dut: Any) -> None:
    """What cannot be done ends with its status, moves no data and halts nothing."""
    host = await Host.boot(dut, GEOMETRY)
    base, memory = host.memory(4096)
    program = small_program(8)
    shape = {"inputs": program.inputs, "outputs": program.outputs, "source": base, "destination": base}
    end = address("layers", 8 * GEOMETRY.layers)
    await host.program(program)
    await host.set_register("program_tag", 0)
    assert (await host.run(Opcode.INFER, 1, **shape))[0] == Status.NOT_PROGRAMMED
    await host.set_register("program_tag", program.tag)
    for status, opcode, count, fields in (
        (Status.BAD_OPCODE, 99, 1, {}),
        (Status.BAD_OPCODE, Opcode.SYNC, 1, {}),
        (Status.BAD_LENGTH, Opcode.READ, 0, {}),
        (Status.BAD_LENGTH, Opcode.WRITE, 1 << 24, {}),
        (Status.BAD_LENGTH, Opcode.INFER, 1, shape | {"inputs": program.inputs + 1}),
        (Status.BAD_LENGTH, Opcode.INFER, 1, shape | {"outputs": 0}),
        (Status.BAD_LENGTH, Opcode.INFER, 1, shape | {"outputs": GEOMETRY.max_outputs + 1}),
        (Status.BAD_ADDRESS, Opcode.WRITE, 1, {"source": base + 4}),
        (Status.BAD_ADDRESS, Opcode.READ, 1, {"destination": base + 1}),
        (Status.BAD_ADDRESS, Opcode.CHECK, 1, {"address": end}),
        (Status.BAD_ADDRESS, Opcode.WRITE, 3, {"address": end - 2, "source": base}),
        (Status.BAD_ADDRESS, Opcode.READ, 3, {"address": end - 2, "destination": base}),
    ):
        before = bytes(memory)
        got = await host.run(opcode, count, **fields)
        assert got[0] == status, f"{opcode} {count} {fields}: {got}"
        if opcode != Opcode.READ or status == Status.BAD_LENGTH:
            assert bytes(memory) == before
    assert await host.get("state") == 0
    await host.infers_as_golden(program, 2)


@cocotb.test()
async def memories_are_closed_while_a_job_runs(dut: Any) -> None:
    """Meanwhile registers answer, memories are refused with CA, writes to them are dropped and counted."""
    host = await Host.boot(dut, GEOMETRY)
    index = host.post(Opcode.CHECK, 400, address=address("weights"))
    await host.bar.write_dword(host.offset(address("bias")), 0x77)
    await host.ring_bell()
    await host.cycles(300)
    assert await host.get("state") == 1
    await host.bar.write_dword(host.offset(address("bias")), 0x55)
    await host.set_register("scratch", 0x99)
    assert await host.register("scratch") == 0x99
    with pytest.raises(Exception, match="Unsuccessful completion"):
        await host.bar.read_dword(host.offset(address("bias")))
    assert [t.status for t in host.block.sent if t.is_completion()][-1] == CplStatus.CA
    assert host.record(index) is None, "the job ended too early for this test"
    assert (await host.wait(index))[0] == Status.OK
    assert await host.bar.read_dword(host.offset(address("bias"))) == 0x77
    assert await host.get("bad_posted") == await host.get("bad_nonposted") == 1


FAULTS = {
    "refused": EngineError.COMPLETION,
    "lost": EngineError.TIMEOUT,
    "bus master": EngineError.BUS_MASTER,
    "reset": EngineError.NONE,
}


@cocotb.test()
@cocotb.parametrize(fault=list(FAULTS), moment=[0, 1, 3] if THOROUGH else [3])
async def faults(dut: Any, fault: str, moment: int) -> None:
    """The engine halts, says why, interrupts, and after a reset programs and infers as ever.

    ``moment`` counts good completions before the fault: of the descriptor, then of its inputs.
    """
    host = await Host.boot(dut, GEOMETRY, max_read=0)
    block = host.block
    program = small_program(9)
    await host.program(program)
    await host.infers_as_golden(program, 2)
    await host.set("read_timeout", 2000)
    count = 60
    source, _ = host.memory(count * program.inputs)
    destination, _ = host.memory(4 * count * program.outputs)
    await host.cycles(100)  # the last job's interrupt follows its record
    before = host.interrupts
    shape = {"inputs": program.inputs, "outputs": program.outputs}
    index = host.post(Opcode.INFER, count, source=source, destination=destination, **shape)
    if fault in ("refused", "lost"):
        block.tamper_once(refused if fault == "refused" else lambda _: [], moment)
    await host.ring_bell()
    if fault in ("bus master", "reset"):
        await host.cycles(60 + 500 * moment)
    if fault == "bus master":
        await host.device.set_master(False)
    if fault == "reset":
        await host.set("control", CONTROL_RESET)
    else:
        for _ in range(400):
            state = await host.get("state")
            if state & 2:
                break
            await host.cycles(20)
        assert state == 2 | FAULTS[fault] << 8, f"state {state:#x}"
        await host.cycles(20)
        if fault != "bus master":  # without bus mastering there is no MSI either
            assert host.interrupts == before + 1
    assert host.record(index) is None
    block.tamper = untouched
    await host.device.set_master()
    await host.cycles(20)
    await host.start()
    await host.program(program)
    await host.infers_as_golden(program, 3, first=7)
    assert await host.register("program_tag") == program.tag
    assert await host.get("timeouts") == (fault == "lost")
    assert await host.get("failed_reads") == (fault == "refused")


@cocotb.test()
@cocotb.parametrize(halted=[False, True])
async def interrupt_never_taken(dut: Any, halted: bool) -> None:
    """It blocks no reset; afterwards each job has its one interrupt."""
    host = await Host.boot(dut, GEOMETRY, max_read=0)
    await host.set("read_timeout", 2000)
    host.block.deaf = True
    if halted:
        host.block.tamper_once(refused)
        host.post(Opcode.CHECK, 1)
        await host.ring_bell()
    else:
        assert (await host.run(Opcode.CHECK, 1))[0] == Status.OK
    await host.cycles(300)
    assert int(dut.msi.value)
    assert await host.get("state") & 1
    host.block.tamper = untouched
    await host.start()
    assert not int(dut.msi.value)
    host.block.deaf = False
    assert host.interrupts == await host.get("interrupts") == 0
    for _ in range(3):
        assert (await host.run(Opcode.CHECK, 1))[0] == Status.OK
        await host.cycles(60)
    assert host.interrupts == await host.get("interrupts") == 3

"""cocotb: identity, descriptors, records, interrupts, refusals, and the engine's way
out of every fault."""

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotbext.pcie.core.tlp import CplStatus

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.memory_map import address
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.pcie import CONTROL_RESET, DEVICE_ID, ENGINE_MAGIC, VENDOR_ID, EngineError
from ndrite.emulator.spec.registers import MAGIC, protocol_word, register_map_hash
from tests.hdl.given import GEOMETRY
from tests.hdl.pcie.hard_block import refused, untouched
from tests.hdl.pcie.host import RING_LOG2, THOROUGH, Host
from tests.stimulus import random_inputs


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


@cocotb.test()
@cocotb.parametrize(high=[False, True], stalls=[False, True])
async def samples_both_ways(dut: Any, high: bool, stalls: bool) -> None:
    """Samples from anywhere, results to anywhere; nothing is written beyond a result."""
    host = await Host.boot(dut, GEOMETRY, seed=20 + high, high=high, max_read=0)
    program = small_program(7)
    await host.program(program)
    host.rc.split_on_all_rcb = host.block.shuffle = stalls
    host.block.stall, host.block.idle = (0.4, 0.4) if stalls else (0.0, 0.0)
    source, given = host.memory(4096, high=high)
    target, taken = host.memory(4096, high=high)
    for first in range(12 if THOROUGH else 4):
        x = random_inputs(program, host.rng, int(host.rng.integers(1, 20)))
        place = 8 * int(host.rng.integers(0, 16))
        given[place : place + x.size] = x.tobytes()
        taken[:] = host.random_bytes(4096)
        before = bytes(taken)
        where = {"source": source + place, "destination": target + place, "first_index": first}
        assert await host.run(len(x), **where, **host.shape) == Status.OK
        wanted = Core(program).infer(x, noise=False).astype("<i4").tobytes()
        assert bytes(taken) == before[:place] + wanted + before[place + len(wanted) :]


@cocotb.test()
async def records_wrap_and_interrupts_follow(dut: Any) -> None:
    """Several descriptors a doorbell, around the ring's end; an MSI only where asked,
    after its record."""
    host = await Host.boot(dut, GEOMETRY)
    await host.program(small_program(6))
    seen: list[bool] = []
    last = -1

    async def interrupted() -> None:
        seen.append(host.record(last) is not None)

    host.device.msi_vectors[0].cb = [interrupted]
    for asked, burst in enumerate((3, 8, 5, 8, 1), 1):
        for i in range(burst):
            last = host.job(1 + i, interrupt=i == burst - 1)
        await host.ring_bell()
        assert await host.wait(last) == Status.OK
        await host.cycles(60)
        assert len(seen) == asked, "one MSI for a burst"
    assert all(seen), "an MSI came before its record"
    assert await host.get("consumer") == host.producer > 2 << RING_LOG2
    writes = [t for t in host.block.sent if t.has_data() and not t.is_completion()]
    assert sum(0 <= t.address - host.records[0] < 16 << RING_LOG2 for t in writes) == host.producer


@cocotb.test()
async def refused_jobs(dut: Any) -> None:
    """What cannot be done ends with its status, moves no data and halts nothing."""
    host = await Host.boot(dut, GEOMETRY)
    base, memory = host.memory(4096)
    program = small_program(8)
    await host.program(program)
    job = host.shape | {"source": base, "destination": base}
    await host.set_register("program_tag", 0)
    assert await host.run(1, **job) == Status.NOT_PROGRAMMED
    await host.set_register("program_tag", program.tag)
    before = bytes(memory)
    for status, count, fields in (
        (Status.BAD_LENGTH, 0, {}),
        (Status.BAD_LENGTH, 1 << 24, {}),
        (Status.BAD_LENGTH, 1, {"inputs": program.inputs + 1}),
        (Status.BAD_LENGTH, 1, {"outputs": 0}),
        (Status.BAD_LENGTH, 1, {"outputs": GEOMETRY.max_outputs + 1}),
        # More or fewer than the program has, its first inference included.
        (Status.BAD_LENGTH, 1, {"outputs": program.outputs + 1}),
        (Status.BAD_LENGTH, 9, {"outputs": program.outputs - 1}),
        (Status.BAD_ADDRESS, 1, {"source": base + 4}),
        (Status.BAD_ADDRESS, 1, {"destination": base + 1}),
    ):
        got = await host.run(count, **job | fields)
        assert got == status, f"{count} {fields}: {got}"
    assert bytes(memory) == before
    assert await host.get("state") == 0
    await host.infers_as_golden(program, 2)


@cocotb.test()
async def memories_are_closed_while_a_job_runs(dut: Any) -> None:
    """Meanwhile registers answer, memories are refused with CA, writes to them are
    dropped and counted."""
    host = await Host.boot(dut, GEOMETRY)
    await host.program(small_program(5))
    index = host.job(40)
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
    assert await host.wait(index) == Status.OK
    assert await host.bar.read_dword(host.offset(address("bias"))) == 0x77
    assert await host.get("bad_posted") == await host.get("bad_nonposted") == 1


@cocotb.test()
@cocotb.parametrize(job_count=[2, 60], first_word=[None, 0x77])
async def a_program_with_refused_words_is_none(dut: Any, job_count: int, first_word: int | None) -> None:
    """The job ends while the new program is written, or after it; ``first_word`` goes
    before the tag of 0."""
    host = await Host.boot(dut, GEOMETRY)
    old, new = small_program(3), small_program(4)
    await host.program(old)
    index = host.job(job_count)
    await host.ring_bell()
    await host.cycles(150)
    if first_word is not None:
        await host.bar.write_dword(host.offset(address("bias")), first_word)
    await host.set_register("program_tag", 0)
    for section in lay_out(new, GEOMETRY):
        await host.bar.write(host.offset(section.address), section.words.astype("<i4").tobytes())
    refused_words = await host.get("bad_posted")
    assert refused_words > 0, "the job ended too early for this test"
    await host.set_register("program_tag", new.tag)
    assert await host.wait(index) == Status.OK
    assert await host.register("program_tag") == 0
    assert await host.get("bad_posted") == refused_words + 1
    assert await host.run(1, **host.shape) == Status.NOT_PROGRAMMED
    await host.program(new)
    await host.infers_as_golden(new, 2)


@cocotb.test()
@cocotb.parametrize(ahead=[-1, (1 << RING_LOG2) + 1, 1 << 31])
async def a_producer_outside_of_the_ring_halts(dut: Any, ahead: int) -> None:
    """No descriptor of before is carried out again, and none that the ring cannot hold."""
    host = await Host.boot(dut, GEOMETRY)
    await host.program(small_program(7))
    for _ in range(3):
        host.job(1)
    await host.ring_bell()
    assert await host.wait(2) == Status.OK
    await host.cycles(60)
    for memory in host.targets:
        memory[:] = b"\xa5" * len(memory)
    records = bytes(host.records[1])
    await host.set("producer", (host.producer + ahead) & 0xFFFFFFFF)
    await host.cycles(3000)
    assert all(bytes(memory) == b"\xa5" * len(memory) for memory in host.targets)
    assert bytes(host.records[1]) == records
    assert await host.get("state") == 2 | EngineError.PRODUCER << 8
    assert await host.get("consumer") == 3
    await host.start()
    index = host.job(1)
    await host.ring_bell()
    assert await host.wait(index) == Status.OK


@cocotb.test()
async def a_ring_longer_than_the_longest_halts(dut: Any) -> None:
    host = await Host.boot(dut, GEOMETRY)
    await host.program(small_program(7))
    await host.set("ring_log2", 13)
    host.job(1)
    await host.ring_bell()
    await host.cycles(300)
    assert await host.get("state") == 2 | EngineError.PRODUCER << 8


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
    index = host.post(count, source=source, destination=destination, **host.shape)
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
    await host.program(small_program(4))
    await host.set("read_timeout", 2000)
    host.block.deaf = True
    if halted:
        host.block.tamper_once(refused)
    index = host.job(1)
    await host.ring_bell()
    if not halted:
        assert await host.wait(index) == Status.OK
    await host.cycles(300)
    assert int(dut.msi.value)
    assert await host.get("state") & 1
    host.block.tamper = untouched
    await host.start()
    # A hard block's request stays up until it is taken: its MSI comes late, and
    # counts for no job.
    late = int(dut.msi.value)
    assert late == host.behind
    host.block.deaf = False
    assert host.interrupts == await host.get("interrupts") == 0
    for _ in range(3):
        index = host.job(1)
        await host.ring_bell()
        assert await host.wait(index) == Status.OK
        await host.drain()
    assert host.interrupts - late == await host.get("interrupts") == 3

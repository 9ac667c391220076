"""cocotb: BAR0 against a memory model: lengths, byte enables, completion splits, refusals, drops."""

from typing import Any

import cocotb
import numpy as np
from cocotbext.pcie.core.tlp import CplStatus, Tlp, TlpType

from emulator.spec.memory_map import address
from emulator.spec.pcie import bar_bytes, engine_offset, region_bytes
from emulator.spec.registers import BY_NAME, MAGIC
from tests.hdl.given import GEOMETRY
from tests.hdl.pcie.host import THOROUGH, Host

WORDS = GEOMETRY.columns
"""Words of region bias, plain 32-bit memory."""


def request(host: Host, kind: TlpType, offset: int, length: int, *, first: int = 15, last: int = 15) -> Tlp:
    """A request of ``length`` double words to byte ``offset`` of BAR0."""
    tlp = Tlp()
    tlp.fmt_type = kind
    tlp.address = host.device.bar_addr[0] + offset
    tlp.length = length
    tlp.first_be, tlp.last_be = first, last if length > 1 else 0
    if tlp.has_data():
        tlp.set_data(host.random_bytes(4 * length))
    return tlp


def kinds(host: Host) -> tuple[TlpType, TlpType]:
    """Read and write as BAR0's address wants them."""
    wide = host.device.bar_addr[0] >> 32
    return (TlpType.MEM_READ_64, TlpType.MEM_WRITE_64) if wide else (TlpType.MEM_READ, TlpType.MEM_WRITE)


async def ask(host: Host, tlp: Tlp) -> list[Tlp]:
    """Completions of a request sent by the root complex."""
    tlp.requester_id = (0, 0, 0)
    return list(await host.rc.perform_nonposted_operation(tlp, 100, "us"))


@cocotb.test()
@cocotb.parametrize(stalls=[False, True])
async def random_accesses(dut: Any, stalls: bool) -> None:
    """Reads and writes of any length and byte enables of a memory, against a model of it."""
    host = await Host.boot(dut, GEOMETRY, seed=4 + stalls)
    if stalls:
        host.block.stall, host.block.idle = 0.5, 0.4
    base = host.offset(address("bias"))
    model = bytearray(host.random_bytes(4 * WORDS))
    await host.bar.write(base, bytes(model))
    assert bytes(await host.bar.read(base, len(model))) == bytes(model)
    for _ in range(150 if THOROUGH else 40):
        start = int(host.rng.integers(0, 4 * WORDS))
        length = int(host.rng.integers(1, min(4 * WORDS - start, 9 if host.rng.random() < 0.5 else 256) + 1))
        if host.rng.random() < 0.5:
            data = host.random_bytes(length)
            await host.bar.write(base + start, data)
            model[start : start + length] = data
        else:
            assert bytes(await host.bar.read(base + start, length)) == bytes(model[start : start + length])
    assert await host.get("bad_posted") == await host.get("bad_nonposted") == 0


@cocotb.test()
async def scattered_byte_enables(dut: Any) -> None:
    """Enables with holes, which the library's own accesses never have."""
    host = await Host.boot(dut, GEOMETRY, seed=6)
    _, write = kinds(host)
    base = host.offset(address("bias"))
    model = bytearray(host.random_bytes(64))
    await host.bar.write(base, bytes(model))
    for first in range(16):
        for length, last in ((1, 0), (2, 0b1010), (2, 0b0110), (5, 0b1001)):
            tlp = request(host, write, base + 8, length, first=first, last=last)
            enables = [first] + [15] * (length - 2) + [last] * (length > 1)
            for i, byte in enumerate(tlp.data):
                if enables[i // 4] >> i % 4 & 1:
                    model[8 + i] = byte
            await host.rc.perform_posted_operation(tlp)
    assert bytes(await host.bar.read(base, 64)) == bytes(model)


@cocotb.test()
async def completion_splits(dut: Any) -> None:
    """Completions end at multiples of 128 bytes and tell the bytes still to come."""
    host = await Host.boot(dut, GEOMETRY, max_payload=2)
    read, _ = kinds(host)
    base = host.offset(address("weights"))
    for start, length in ((0, 256), (4, 255), (124, 2), (120, 100), (128, 32), (132, 1), (96, 8)):
        tlp = request(host, read, base + start, length)
        parts = await ask(host, tlp)
        left, place = 4 * length, start
        for part in parts:
            assert (part.status, part.byte_count, part.lower_address) == (CplStatus.SC, left, place & 0x7F)
            assert part.length == min(left, 128 - place % 128) // 4
            left -= 4 * part.length
            place += 4 * part.length
        assert left == 0


@cocotb.test()
async def partial_reads(dut: Any) -> None:
    """Byte count and lower address follow the byte enables; a read of no bytes is answered."""
    host = await Host.boot(dut, GEOMETRY)
    read, _ = kinds(host)
    for first, count, lower in (
        (0b1111, 4, 0), (0b1110, 3, 1), (0b0110, 2, 1), (0b1000, 1, 3), (0b0101, 3, 0), (0b0000, 1, 0)
    ):  # fmt: skip
        (part,) = await ask(host, request(host, read, 4, 1, first=first))
        assert (part.status, part.byte_count, part.lower_address, part.length) == (0, count, 4 + lower, 1)
    (part,) = await ask(host, request(host, read, 0, 2, first=0b1100, last=0b0001))
    assert (part.byte_count, part.lower_address) == (3, 2)
    assert int.from_bytes(part.data[:4], "little") == MAGIC


@cocotb.test()
async def refusals(dut: Any) -> None:
    """Bad non-posted requests get UR, bad posted ones are counted; then all works as before."""
    host = await Host.boot(dut, GEOMETRY)
    read, write = kinds(host)
    nowhere = (
        region_bytes(GEOMETRY) * 15,  # no such region
        bar_bytes(GEOMETRY) - 16,
        host.offset(address("layers")) + 4 * 8 * GEOMETRY.layers,  # behind a memory's end
        4 * 200,  # behind the last register
        engine_offset("interrupts") + 4,
    )
    for number, offset in enumerate(nowhere, 1):
        (part,) = await ask(host, request(host, read, offset, 1))
        assert part.status == CplStatus.UR
        assert not part.has_data()
        assert await host.get("bad_nonposted") == number
        await host.rc.perform_posted_operation(request(host, write, offset, 3))
        assert await host.get("bad_posted") == number
    # The end of a memory within a read: what was good is not completed, the rest refused.
    edge = host.offset(address("layers")) + 4 * 8 * GEOMETRY.layers - 8
    parts = await ask(host, request(host, read, edge, 4))
    assert [(p.status, p.byte_count) for p in parts] == [(CplStatus.SC, 16), (CplStatus.UR, 8)]
    others = [TlpType.MEM_READ_LOCKED_64, TlpType.IO_READ, TlpType.IO_WRITE, TlpType.SWAP_64]
    for kind in others:
        tlp = request(host, kind, 0, 1)
        tlp.address &= 0xFFFFFFFF if kind in (TlpType.IO_READ, TlpType.IO_WRITE) else (1 << 64) - 1
        before = await host.get("bad_nonposted")
        host.block.sent.clear()
        tlp.tag = 77
        host.block.function.inbound.put_nowait(tlp)
        await host.cycles(100)
        (part,) = [t for t in host.block.sent if t.is_completion() and t.tag == 77]
        assert part.status == CplStatus.UR
        assert (part.fmt_type == TlpType.CPL_LOCKED) == (kind == TlpType.MEM_READ_LOCKED_64)
        assert await host.get("bad_nonposted") == before + 1
    poisoned = request(host, write, 4 * BY_NAME["scratch"].address, 1)
    poisoned.ep = True
    await host.set_register("scratch", 0x1234)
    before = await host.get("bad_posted")
    await host.rc.perform_posted_operation(poisoned)
    assert await host.register("scratch") == 0x1234
    assert await host.get("bad_posted") == before + 1


@cocotb.test(skip=not THOROUGH)
async def many_writes_in_a_row(dut: Any) -> None:
    """More posted data than the queue holds: flow control, not loss."""
    host = await Host.boot(dut, GEOMETRY, max_payload=1)
    base = host.offset(address("weights"))
    data = (host.rng.integers(0, 256, 4 * GEOMETRY.weight_depth) - 128).astype("<i4")
    await host.bar.write(base, data.tobytes())
    got = np.frombuffer(bytes(await host.bar.read(base, data.nbytes)), "<i4")
    np.testing.assert_array_equal(got, data)

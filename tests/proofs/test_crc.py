"""CRC: eight bits a step against one bit at a time, for every register value and byte."""

import types

import pytest
from amaranth import Const, Mux, Signal

import hdl.link.crc
from emulator.spec.packets import CRC_POLYNOMIAL
from tests.proofs.prover import Claim, holds, mutated


def claim(crc: types.ModuleType) -> Claim:
    c = Claim()
    state, byte = c.free(32, "state"), c.free(8, "byte")
    serial = state ^ byte
    for i in range(8):
        after = Signal(32, name=f"after_{i}")
        c.module.d.comb += after.eq(Mux(serial[0], (serial >> 1) ^ CRC_POLYNOMIAL, serial >> 1))
        serial = after
    c.always(crc.crc32_step(state, byte) == serial)
    c.always(crc.crc32_step(state, Const(0, 8)) ^ crc.crc32_of_byte(byte) == serial)
    return c


@pytest.mark.long
def test_step_equals_eight_serial_steps() -> None:
    assert holds(claim(hdl.link.crc))


@pytest.mark.parametrize(
    ("old", "new"),
    [("for _ in range(8):", "for _ in range(7):"), ("result = state >> 8", "result = state >> 7")],
)
def test_injected_bug_is_found(old: str, new: str) -> None:
    assert not holds(claim(mutated("hdl.link.crc", old, new)))

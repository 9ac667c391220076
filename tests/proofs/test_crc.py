"""CRC: eight bits a step against one bit at a time, for every register value and byte."""

import types

from amaranth import Const, Mux, Signal

from emulator.spec.packets import CRC_POLYNOMIAL
from tests.proofs.proof import proof, test_holds, test_injected_bug_is_found  # noqa: F401
from tests.proofs.prover import Claim, Verdict, prove


@proof("hdl.link.crc", long=True)
def steps(crc: types.ModuleType) -> Verdict:
    """A step is eight serial ones."""
    c = Claim()
    state, byte = c.free(32, "state"), c.free(8, "byte")
    serial = state ^ byte
    for i in range(8):
        after = Signal(32, name=f"after_{i}")
        c.module.d.comb += after.eq(Mux(serial[0], (serial >> 1) ^ CRC_POLYNOMIAL, serial >> 1))
        serial = after
    c.always(crc.crc32_step(state, byte) == serial)
    c.always(crc.crc32_step(state, Const(0, 8)) ^ crc.crc32_of_byte(byte) == serial)
    return prove(c)


BUGS = [
    (steps, "for _ in range(8):", "for _ in range(7):"),
    (steps, "result = state >> 8", "result = state >> 7"),
]

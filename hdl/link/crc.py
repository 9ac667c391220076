"""crc: CRC-32 of bytes, eight bits a cycle."""

from amaranth import Const, Signal
from amaranth.hdl import Value

from ndrite.emulator.spec.packets import CRC_POLYNOMIAL

CRC_INIT = 0xFFFFFFFF


def crc32_step(state: Value, byte: Value) -> Value:
    """CRC register after one more byte (reflected; start from ``CRC_INIT``, invert at the end).

    Combinational, an XOR of at most 15 bits in each of 32 outputs: about 90 LUTs.
    """
    rows = [_row(i) for i in range(8)]
    result = state >> 8
    low = state[:8] ^ byte
    for i, row in enumerate(rows):
        result = result ^ (low[i].replicate(32) & row)
    return result


def crc32_of_byte(byte: Value) -> Value:
    """Contribution of ``byte`` to a step: ``crc32_step(s, b) == crc32_step(s, Const(0, 8)) ^
    crc32_of_byte(b)``.

    A step is linear: kept in a register, this takes half of the XOR out of the loop.
    """
    return crc32_step(Const(0, 32), byte)


def _row(bit: int) -> int:
    """Contribution of bit ``bit`` of the byte after eight shifts."""
    value = 1 << bit
    for _ in range(8):
        value = (value >> 1) ^ (CRC_POLYNOMIAL if value & 1 else 0)
    return value


def crc_register(name: str) -> Signal:
    """A 32-bit CRC register in its initial state."""
    return Signal(32, init=CRC_INIT, name=name)

"""banks: the parts of the core's memories that inferences take in turn."""

from amaranth import Cat, Const, Signal
from amaranth.hdl import Value
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry


def bank_bits(g: Geometry) -> int:
    """Bits of a bank's number."""
    return exact_log2(g.banks)


def next_bank(bank: Signal) -> Value:
    """The bank whose turn is after ``bank``'s."""
    return ~bank if len(bank) == 1 else bank + 1


def bank_address(index: Value, bank: Value, size: int) -> Value:
    """Address of ``index`` in ``bank`` of a memory of banks of ``size`` (a power of two) entries."""
    bits = exact_log2(size)
    padded = Cat(index, Const(0, bits))[:bits]
    return Cat(padded, bank)

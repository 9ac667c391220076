"""clipped: a signed value to fewer bits."""

from amaranth import Cat, Mux
from amaranth.hdl import Value


def clipped(value: Value, bits: int) -> Value:
    """``value`` in ``bits`` signed bits, or the end of their range that it lies beyond.

    Without comparing, which takes a carry chain over all of a wide value. Resources: a LUT for every four
    bits above, and one for each below.
    """
    sign, rest = value[-1], value[bits - 1 : -1]
    beyond = Mux(sign, ~rest.all(), rest.any())
    return Cat(Mux(beyond, (~sign).replicate(bits - 1), value[: bits - 1]), sign).as_signed()

"""loading: input codes on their way into the core's banks, one a cycle or a word of eight."""

from amaranth import Cat
from amaranth.hdl import Value
from amaranth.lib.wiring import Flow, Member
from amaranth.utils import bits_for, exact_log2

from emulator.spec.geometry import Geometry


def load_members(g: Geometry, flow: Flow) -> dict[str, Member]:
    """The ports that load codes. ``load``: which codes of the word at ``load_address`` are taken from
    ``load_data``; a word is as many as the geometry loads in a cycle. Addresses have the bank above.
    """
    return {
        "load": flow(g.load_codes),
        "load_address": flow(bits_for(g.banks * g.max_inputs // g.load_codes - 1)),
        "load_data": flow(8 * g.load_codes),
    }


def load_one(
    g: Geometry, *, valid: Value, index: Value, bank: Value, code: Value
) -> tuple[Value, Value, Value]:
    """``load``, ``load_address`` and ``load_data`` for one code, the ``index``-th of ``bank``'s inputs."""
    low = exact_log2(g.load_codes)
    where = Cat(index[low : exact_log2(g.max_inputs)], bank)
    if low == 0:
        return valid, where, code
    return valid << index[:low], where, code.replicate(g.load_codes)

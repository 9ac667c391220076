"""broadcast: copies, one for a few lane groups, of what the whole array hears of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth import Const, Module, Signal
from amaranth.hdl import Value

from hdl.parts.layouts import peek_layout, poke_layout
from hdl.parts.unmerged import unmerged
from hdl.parts.waiting_sums import waiting_sums

REGION_GROUPS = 4
"""Lane groups that share a copy, where sums may wait."""


@dataclass
class Heard:
    """What some lane groups hear of; of accesses to their memories also a cycle early."""

    peek: Signal
    poke: Signal
    peek_early: Signal
    poke_early: Signal
    shift: Signal
    close: Value


def hear(m: Module, platform: object, array: Any, first: int) -> Heard:
    """What the lanes ``first`` up hear of the ports of ``array``.

    Where sums may wait nothing is heard without a register of the region's own, so that no wire spans the
    chip; otherwise one copy is enough for all.
    """
    g = array.geometry
    peek, poke = peek_layout(g), poke_layout(g)
    if waiting_sums(g):
        peek_early = unmerged(m, platform, array.peek, f"peek_early_{first}")
        poke_early = unmerged(m, platform, array.poke, f"poke_early_{first}")
        return Heard(
            unmerged(m, platform, peek_early, f"peek_entry_{first}"),
            unmerged(m, platform, poke_early, f"poke_entry_{first}"),
            peek_early,
            poke_early,
            unmerged(m, platform, array.shift_next, f"shift_{first}"),
            unmerged(m, platform, array.close_next, f"close_{first}"),
        )
    heard = Heard(Signal(peek), Signal(poke), Signal(peek), Signal(poke), array.shift, Const(0))
    m.d.sync += [heard.peek_early.eq(array.peek), heard.peek.eq(heard.peek_early)]
    m.d.sync += [heard.poke_early.eq(array.poke), heard.poke.eq(heard.poke_early)]
    return heard

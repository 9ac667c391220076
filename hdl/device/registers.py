"""registers: registers for identity, control and counters, built from the register table."""

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import TypeVar

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.registers import COUNTERS, REGISTERS, identity
from ndrite.hdl.core.ports import EVENT_LAYOUT
from ndrite.hdl.link.receiver import LINK_EVENT_LAYOUT
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import members, next_bank
from ndrite.hdl.parts.target import is_small

Item = TypeVar("Item")

READ_LATENCY = 4
"""Cycles from ``address`` to ``read_data``."""

SEED = ("seed_low", "seed_high")
STUCK = ("stuck_low", "stuck_high", "stuck_codes")
RUN = ("first_chip", "chips", "samples", "trials", "first_index")
"""Settings of a campaign, in registers called ``campaign_*``."""
CAMPAIGN = (*STUCK, *(f"campaign_{name}" for name in RUN))
BUSINESS = ("busy_cycles", "stall_cycles", "passes", "last_cycles")
"""Counters that measure how busy the array is; the smallest boards leave them out."""
CONTROL = ("program_tag", "host_mark", "noise_enable", *SEED, *CAMPAIGN)


class Registers(wiring.Component):
    """Implements every register that ``ndrite.emulator.spec.registers.REGISTERS``
    lists; counters wrap at 2^32.

    Latency: a read takes READ_LATENCY cycles from ``address``; a write shows 2 cycles
    after it, a clearing of the counters 3; an event is counted 3 cycles after it, a
    link's 2. ``more_done``: a sample has ended that is walked together with others, and
    is not the last of them. Resources: 48 flip-flops for each counter and control
    register. Beside the small core the read multiplexer has no registers of its own,
    and those of campaigns, noise and BUSINESS read as 0.
    """

    def __init__(self, geometry: Geometry, build_id: int) -> None:
        self.geometry = geometry
        self.constants = identity(geometry, build_id)
        super().__init__(
            {name: Out(32) for name in CONTROL}
            | {
                "window": In(WindowSignature()),
                "events": In(EVENT_LAYOUT),
                "more_done": In(1),
                "link": In(LINK_EVENT_LAYOUT),
                "sequence_error": In(1),
                "campaign_control": Out(2),
                "campaign_busy": In(1),
                "campaign_chips_done": In(9),
                "redrawing": In(1),
                "hung": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        window = self.window
        self.small = is_small(platform)
        left_out: tuple[str, ...] = ()
        if self.small:
            left_out += () if self.geometry.redraw else CAMPAIGN
            left_out += () if self.geometry.noise else SEED
        # The decoder rejects addresses above the last register, so the upper address
        # bits can be ignored.
        address = window.address[: bits_for(len(REGISTERS) - 1)]
        # The address is decoded once, for reads and writes: one flip-flop for each register.
        write = Signal()
        m.d.sync += write.eq(window.write)
        self.chosen: dict[str, Signal] = {}
        values: dict[str, Value] = {name: Const(value, 32) for name, value in self.constants.items()}
        values |= members(self, CONTROL)
        for register in REGISTERS:
            if self.small and register.name in self.constants:
                continue
            chosen = self.chosen[register.name] = Signal(name=f"chosen_{register.name}")
            m.d.sync += chosen.eq(address == register.address)
            if register.access == "rw" and register.name not in left_out:
                held = values.setdefault(register.name, Signal(32, name=register.name))
                with m.If(write & chosen):
                    m.d.sync += held.eq(window.write_data)
        # A core that was reset may contain the weights of a half-drawn virtual chip, so
        # the program no longer counts as loaded.
        with m.If(self.hung):
            m.d.sync += self.program_tag.eq(0)
        values["campaign_busy"] = self.campaign_busy
        values["campaign_chips_done"] = self.campaign_chips_done
        m.d.sync += self.campaign_control.eq(0)
        with m.If(write & self.chosen["campaign_control"]):
            m.d.sync += self.campaign_control.eq(window.write_data)
        clear = Signal()
        m.d.sync += clear.eq(write & self.chosen["counter_clear"])
        values |= self._counters(m, clear)
        self._read(m, values)
        return m

    def _read(self, m: Module, values: dict[str, Value]) -> None:
        """Build the read multiplexer: gated register values, then an OR tree with a
        register after each level.

        Two gated registers are one look-up table a bit, an OR of four too. The
        constants are gated at once: a bit of theirs only says which of them have it.
        """
        window, step = self.window, "comb" if self.small else "sync"
        read = [register for register in REGISTERS if register.access != "wo"]
        fixed = [register for register in read if register.name in self.constants]
        moving = [register for register in read if register.name not in self.constants]
        words = []
        for i, group in enumerate([*_groups(moving, 2), fixed]):
            gated = Signal(32, name=f"gated_{i}")
            if self.small and group is fixed:
                self._constant(m, gated)
                words.append(gated)
                continue
            m.d[step] += gated.eq(_any(values[r.name] & self.chosen[r.name].replicate(32) for r in group))
            words.append(gated)
        merged = [Signal(32, name=f"merged_{i}") for i in range(-(-len(words) // 4))]
        m.d[step] += [word.eq(_any(group)) for word, group in zip(merged, _groups(words, 4), strict=True)]
        m.d.sync += window.read_data.eq(_any(merged))

    def _constant(self, m: Module, word: Signal) -> None:
        """Drive ``word`` with the constant register at the bus address, or with 0
        if there is none."""
        address = self.window.address[: bits_for(len(REGISTERS) - 1)]
        with m.Switch(address):
            for register in REGISTERS:
                if register.name in self.constants:
                    with m.Case(register.address):
                        m.d.comb += word.eq(self.constants[register.name])

    def _counters(self, m: Module, clear: Signal) -> dict[str, Signal]:
        """Build the performance counters and the link counters, which are cleared together."""
        counters = {name: Signal(32, name=name) for name in COUNTERS}
        # Events come from all over the chip, some over long combinational paths: they
        # are registered first.
        link = self.link
        events, hung = Signal(EVENT_LAYOUT), Signal()
        more_done = Signal()
        m.d.sync += [events.eq(self.events), more_done.eq(self.more_done), hung.eq(self.hung)]
        under_way = Signal(4)
        running = (under_way != 0) | events.started
        m.d.sync += under_way.eq(Mux(hung, 0, under_way + events.started - events.done))
        steps = {
            "inferences": events.done | more_done,
            "inference_cycles": running,
            "busy_cycles": events.emit,
            "stall_cycles": running & ~events.emit,
            "passes": events.passed,
            "redraw_cycles": self.redrawing,
            "campaign_cycles": self.campaign_busy,
            "watchdog_resets": hung,
            "frames_good": link.good,
            "errors_framing": link.framing,
            "errors_crc": link.crc,
            "errors_overflow": link.overflow,
            "errors_sequence": self.sequence_error,
        }
        for name in BUSINESS if self.small else ():
            steps.pop(name, None)
        for name, step in steps.items():
            # One more register between the decision to count and the counter.
            counted = Signal(name=f"count_{name}")
            m.d.sync += [counted.eq(step), counters[name].eq(counters[name] + counted)]
        if not self.small:
            self._lasting(m, events, hung, counters["last_cycles"])
        with m.If(clear):
            m.d.sync += [counter.eq(0) for counter in counters.values()]
        return counters

    def _lasting(self, m: Module, events: Signal, hung: Signal, last_cycles: Signal) -> None:
        """Measure the number of cycles that the latest inference took."""
        # Start times are stored per bank, since one inference per bank may be under way.
        banks = self.geometry.banks
        now = Signal(32)
        began = [Signal(32, name=f"began_{i}") for i in range(banks)]
        start_turn, end_turn = Signal(range(banks)), Signal(range(banks))
        m.d.sync += now.eq(now + 1)
        with m.If(events.started):
            m.d.sync += start_turn.eq(next_bank(start_turn))
        with m.If(events.done):
            m.d.sync += end_turn.eq(next_bank(end_turn))
        with m.If(hung):
            m.d.sync += [start_turn.eq(0), end_turn.eq(0)]
        for i in range(banks):
            starts, ends, took = (Signal(name=f"{n}_{i}") for n in ("starts", "ends", "took"))
            lasted = Signal(32, name=f"lasted_{i}")
            m.d.sync += [
                starts.eq(events.started & (start_turn == i)),
                ends.eq(events.done & (end_turn == i)),
            ]
            m.d.sync += [lasted.eq(now - began[i] + 1), took.eq(ends)]
            with m.If(starts):
                m.d.sync += began[i].eq(now)
            with m.If(took):
                m.d.sync += last_cycles.eq(lasted)


def _groups(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _any(words: Iterable[Value]) -> Value:
    return functools.reduce(operator.or_, words)

"""registers: identity, control and counters, decoded from the register table."""

from __future__ import annotations

from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from emulator.spec.registers import BY_NAME, COUNTERS, REGISTERS, identity
from hdl.bus import WindowSignature
from hdl.core import event_layout
from hdl.link.receiver import link_event_layout

CONTROL = (
    "program_tag",
    "host_mark",
    "noise_enable",
    "seed_low",
    "seed_high",
    "stuck_low",
    "stuck_high",
    "stuck_codes",
    "campaign_first_chip",
    "campaign_chips",
    "campaign_images",
    "campaign_draws",
    "campaign_first_index",
)


class Registers(wiring.Component):
    """Every register of ``emulator.spec.registers.REGISTERS``; counters wrap at 2^32.

    Latency: reads 2 cycles behind ``address``. Resources: 32 flip-flops for each counter and control
    register.
    """

    def __init__(self, geometry: Geometry, build_id: int) -> None:
        self.constants = identity(geometry, build_id)
        super().__init__(
            {name: Out(32) for name in CONTROL}
            | {
                "window": In(WindowSignature()),
                "events": In(event_layout()),
                "link": In(link_event_layout()),
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
        # The decoder lets nothing through beyond the last register.
        address = self.address = window.address[: bits_for(len(REGISTERS) - 1)]
        values: dict[str, Any] = {name: Const(value, 32) for name, value in self.constants.items()}
        values |= {name: getattr(self, name) for name in CONTROL}
        for register in REGISTERS:
            if register.access == "rw":
                held = values.setdefault(register.name, Signal(32, name=register.name))
                hit = Signal(name=f"write_{register.name}")
                m.d.sync += hit.eq(window.write & (address == register.address))
                with m.If(hit):
                    m.d.sync += held.eq(window.write_data)
        # A core that was reset may hold weights of a virtual chip, half drawn.
        with m.If(self.hung):
            m.d.sync += self.program_tag.eq(0)
        values["campaign_busy"] = self.campaign_busy
        values["campaign_chips_done"] = self.campaign_chips_done
        control = BY_NAME["campaign_control"].address
        m.d.sync += self.campaign_control.eq(0)
        with m.If(window.write & (address == control)):
            m.d.sync += self.campaign_control.eq(window.write_data)
        values |= self._counters(m)
        self._read(m, values)
        return m

    def _read(self, m: Module, values: dict[str, Any]) -> None:
        """The read multiplexer, in two registered steps: within eights of registers, then between them."""
        window, address = self.window, self.address
        near = [Signal(32, name=f"eight_{i}") for i in range(-(-len(REGISTERS) // 8))]
        for i, eight in enumerate(near):
            with m.Switch(address[:3]):
                for register in REGISTERS[8 * i : 8 * i + 8]:
                    with m.Case(register.address % 8):
                        m.d.sync += eight.eq(0 if register.access == "wo" else values[register.name])
        with m.Switch(address[3:]):
            for i, eight in enumerate(near):
                with m.Case(i):
                    m.d.sync += window.read_data.eq(eight)

    def _counters(self, m: Module) -> dict[str, Signal]:
        """Performance and link counters, all cleared together."""
        counters = {name: Signal(32, name=name) for name in COUNTERS}
        events, link = self.events, self.link
        under_way = Signal(4)
        running = (under_way != 0) | events.started
        m.d.sync += under_way.eq(Mux(self.hung, 0, under_way + events.started - events.done))
        steps = {
            "inferences": events.done,
            "inference_cycles": running,
            "busy_cycles": events.emit,
            "stall_cycles": running & ~events.emit,
            "passes": events.passed,
            "redraw_cycles": self.redrawing,
            "campaign_cycles": self.campaign_busy,
            "watchdog_resets": self.hung,
            "frames_good": link.good,
            "errors_framing": link.framing,
            "errors_crc": link.crc,
            "errors_overflow": link.overflow,
            "errors_sequence": self.sequence_error,
        }
        for name, step in steps.items():
            # Events come from all over the chip: a register before each counter.
            counted = Signal(name=f"count_{name}")
            m.d.sync += [counted.eq(step), counters[name].eq(counters[name] + counted)]
        # Inferences alternate between two start times, since two may overlap.
        now = Signal(32)
        began = [Signal(32, name=f"began_{i}") for i in range(2)]
        start_turn, end_turn = Signal(), Signal()
        m.d.sync += now.eq(now + 1)
        with m.If(events.started):
            m.d.sync += start_turn.eq(~start_turn)
        with m.If(events.done):
            m.d.sync += end_turn.eq(~end_turn)
        with m.If(self.hung):
            m.d.sync += [start_turn.eq(0), end_turn.eq(0)]
        for i in range(2):
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
                m.d.sync += counters["last_cycles"].eq(lasted)
        clear, address = BY_NAME["counter_clear"].address, self.address
        with m.If(self.window.write & (address == clear)):
            m.d.sync += [counter.eq(0) for counter in counters.values()]
        return counters

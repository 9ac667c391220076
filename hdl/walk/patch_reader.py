"""patch_reader: walks a kernel over a map and reads its patches, up to eight codes a cycle."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import WORD_ROWS, Geometry
from hdl.parts.delay import delayed
from hdl.walk.countdown import Countdown
from hdl.walk.layouts import chunk_layout, step_layout
from hdl.walk.map_memory import MAP_LATENCY

CHUNK_LATENCY = MAP_LATENCY + 1
"""Cycles from a request that is ``granted`` to its ``chunk``."""
COORDINATE = signed(18)


class PatchReader(wiring.Component):
    """Patches row by row of the grid; each in the order channel, kernel row, run of a row.

    ``begin`` starts with the patches of ``step``, which then holds still. A patch begins (``began``) when it
    ``may``; a cycle is left out behind each group of a product. ``request`` stays with its ``address`` until
    ``granted``. Codes beside the map are the step's ``border``. ``done`` when the last chunk was granted.
    Latency: CHUNK_LATENCY. Throughput: a chunk a cycle. Resources: about 700 LUTs.
    """

    def __init__(self, geometry: Geometry) -> None:
        if not geometry.map_codes:
            raise ValueError("map_codes is 0; a walk needs a map memory")
        self.address_bits = bits_for(geometry.map_codes - 1)
        super().__init__(
            {
                "step": In(step_layout()),
                "begin": In(1),
                "may": In(1),
                "began": Out(1),
                "request": Out(1),
                "address": Out(self.address_bits),
                "granted": In(1),
                "data": In(8 * WORD_ROWS),
                "chunk": Out(chunk_layout()),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step, bits = self.step, self.address_bits
        running, fresh, gap = Signal(), Signal(), Signal()
        # Where the chunk lies, and where its kernel row, channel, patch and row of patches begin.
        spot, row_at, channel_at, patch_at, line_at = (
            Signal(bits, name=n) for n in ("spot", "row_at", "channel_at", "patch_at", "line_at")
        )
        x, patch_x, y, patch_y = (Signal(COORDINATE, name=n) for n in ("x", "patch_x", "y", "patch_y"))
        left, run_last, single_run = Signal(16), Signal(), Signal()
        names = ("kernel_rows", "channels", "share", "grid_columns", "grid_rows")
        rows, channels, share, columns, lines = (Countdown(m, step[name], name) for name in names)
        waiting = Signal(
            StructLayout(
                {"address": bits, "x": COORDINATE, "y": COORDINATE, "count": 4}
                | {"channel_end": 1, "group_end": 1, "patch_end": 1}
            )
        )
        held, move = Signal(), Signal()
        m.d.comb += [
            move.eq(running & ~gap & (~held | self.granted) & (~fresh | self.may)),
            self.began.eq(move & fresh),
            self.request.eq(held),
            self.address.eq(waiting.address),
            self.done.eq(~running & ~held),
        ]
        # As many codes as there are in a chunk, or one where they are not neighbours.
        dense, hop = Signal(), Signal(8)
        m.d.sync += [
            dense.eq(step.hop == 1),
            hop.eq(Mux(step.hop == 1, WORD_ROWS, step.hop)),
            single_run.eq(Mux(step.hop == 1, step.run <= WORD_ROWS, step.run == 1)),
        ]
        run_end, channel_end, group_end, patch_end = run_last, Signal(), Signal(), Signal()
        m.d.comb += [
            channel_end.eq(run_end & rows.last),
            group_end.eq(channel_end & share.last),
            patch_end.eq(channel_end & channels.last),
        ]
        with m.If(self.granted):
            m.d.sync += held.eq(0)
        with m.If(move):
            m.d.sync += [
                held.eq(1),
                waiting.address.eq(spot),
                waiting.x.eq(x),
                waiting.y.eq(y),
                waiting.count.eq(Mux(dense, Mux(run_end, left[:4], WORD_ROWS), 1)),
                waiting.channel_end.eq(channel_end),
                waiting.group_end.eq(group_end),
                waiting.patch_end.eq(patch_end),
                fresh.eq(0),
                spot.eq(spot + hop),
                x.eq(x + hop),
                left.eq(left - Mux(dense, WORD_ROWS, 1)),
                run_last.eq(Mux(dense, left <= 2 * WORD_ROWS, left == 2)),
            ]
            with m.If(run_end):
                m.d.sync += [
                    left.eq(step.run),
                    run_last.eq(single_run),
                    x.eq(patch_x),
                    y.eq(y + step.row_hop),
                    *rows.down(),
                    *self._moved((row_at, spot), row_at + step.line),
                ]
            with m.If(channel_end):
                m.d.sync += [
                    *rows.again(),
                    y.eq(patch_y),
                    *channels.down(),
                    *share.down(),
                    *self._moved((channel_at, row_at, spot), channel_at + step.plane),
                ]
            with m.If(group_end):
                m.d.sync += share.again()
            m.d.sync += gap.eq(group_end & (step.kind == 0))
            with m.If(patch_end):
                m.d.sync += [
                    fresh.eq(1),
                    *channels.again(),
                    *columns.down(),
                    *self._moved((patch_at, channel_at, row_at, spot), patch_at + step.stride_columns),
                    *self._moved((patch_x, x), patch_x + step.stride_columns),
                ]
            with m.If(patch_end & columns.last):
                m.d.sync += [
                    *columns.again(),
                    *lines.down(),
                    running.eq(~lines.last),
                    *self._moved((line_at, patch_at, channel_at, row_at, spot), line_at + step.stride_line),
                    *self._moved((patch_x, x), step.first_column.as_signed()),
                    *self._moved((patch_y, y), patch_y + step.stride_rows),
                ]
        with m.Else():
            m.d.sync += gap.eq(0)
        with m.If(self.begin):
            m.d.sync += [
                running.eq(1),
                fresh.eq(1),
                *self._moved((line_at, patch_at, channel_at, row_at, spot), step.start),
                *self._moved((patch_x, x), step.first_column.as_signed()),
                *self._moved((patch_y, y), step.first_row.as_signed()),
                left.eq(step.run),
                run_last.eq(single_run),
                *(count.again() for count in (rows, channels, share, columns, lines)),
            ]
        self._chunks(m, waiting)
        return m

    @staticmethod
    def _moved(these: tuple[Signal, ...], to: object) -> list[object]:
        return [one.eq(to) for one in these]

    def _chunks(self, m: Module, waiting: Signal) -> None:
        """While the memory answers: which of the eight codes lie on the map, and which are asked for."""
        step = self.step
        before, ahead = Signal(4), Signal(4)
        beside = step.columns - waiting.x
        inside = Signal()
        m.d.sync += [
            # The map's codes among the eight are those from ``before`` on, below ``ahead``.
            before.eq(Mux(waiting.x >= 0, 0, Mux(waiting.x > -WORD_ROWS, -waiting.x, WORD_ROWS))),
            ahead.eq(Mux(beside < 0, 0, Mux(beside < WORD_ROWS, beside, WORD_ROWS))),
            inside.eq((waiting.y >= 0) & (waiting.y < step.rows)),
        ]
        on_map = Signal(WORD_ROWS)
        m.d.sync += on_map.eq(Cat(inside & (before <= i) & (ahead > i) for i in range(WORD_ROWS)))
        on_map = delayed(m, on_map, MAP_LATENCY - 2, "on_map")
        taken, names = Signal(), ("count", "channel_end", "group_end", "patch_end")
        m.d.comb += taken.eq(self.request & self.granted)
        valid = delayed(m, taken, MAP_LATENCY, "taken")
        now = {name: delayed(m, waiting[name], MAP_LATENCY, name) for name in names}
        m.d.sync += [self.chunk.valid.eq(valid), *(self.chunk[name].eq(now[name]) for name in names)]
        for i in range(WORD_ROWS):
            code = Mux(on_map[i], self.data.word_select(i, 8), step.border)
            m.d.sync += self.chunk.codes[i].eq(Mux(now["count"] > i, code, 0))

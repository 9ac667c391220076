"""places: computes the addresses at which the codes of a map are written, by counters
that need no comparator."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.layouts import Ports, Sized


class Countdown:
    """Counts the iterations (``turns``) of a loop down; ``turns`` must not change while
    it counts. ``last`` is set in the last iteration.

    ``again`` restarts the count; ``down`` ends an iteration that is not the last. There
    is no comparator between the count and the logic that depends on ``last``.
    """

    def __init__(self, m: Module, turns: Value, name: str) -> None:
        self.turns = turns
        self.left, self.last = Signal(len(turns), name=f"{name}_left"), Signal(name=f"{name}_last")
        self._single = Signal(name=f"{name}_single")
        m.d.sync += self._single.eq(turns == 1)

    def again(self) -> list[Any]:
        """Return the assignments that restart the countdown from ``turns``; not allowed
        in the two cycles after ``turns`` changed."""
        return [self.left.eq(self.turns), self.last.eq(self._single)]

    def down(self) -> list[Any]:
        """Return the assignments that finish one iteration."""
        return [self.left.eq(self.left - 1), self.last.eq(self.left == 2)]


PLACES_LATENCY = 2
"""Cycles from ``next`` to the map address of the column that it requests."""
FIELD_LAYOUT = StructLayout(
    {
        "base": 24,
        "plane": 24,
        "line": 24,
        "pixel": 24,
        "rows": 16,
        "columns": 16,
        "channels": 16,
        "groups": 8,
        "grid_rows": 16,
        "grid_columns": 16,
        "block_rows": 8,
        "block_columns": 8,
        "pool_rows": 4,
        "pool_columns": 4,
        "samples": 16,
        "span": 24,
    }
)
"""A map to be written, and how columns are placed in it: by blocks of positions, and by
the pooling window around each position. There is such a map for each of ``samples``
samples, ``span`` codes apart."""


class Places(Sized):
    """Computes, for each column of a matrix product, the address of its output code in
    the map. The columns come in this nested order, outermost first: sample, grid row,
    grid column, group of channels, row of the block, column of the block, channel.

    ``begin`` starts with ``field``, which must not change meanwhile. ``next`` requests
    the next column's position. ``address`` is that of the pooling window that the
    position falls into. ``first``: it is the window's first position. ``inside``: the
    map has such a window. ``again``, one cycle before these two: the map has the
    window, and this is not its first position. ``over``: the last column has passed.
    ``turn``: it is the last column of a patch. Both are valid together with ``next``.
    Latency: PLACES_LATENCY. Throughput: a column a cycle. Resources: about 350 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "field": In(FIELD_LAYOUT),
            "begin": In(1),
            "next": In(1),
            "over": Out(1),
            "turn": Out(1),
            "address": Out(bits_for(g.map_codes - 1)),
            "first": Out(1),
            "inside": Out(1),
            "again": Out(1),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        field, bits = self.field, len(self.address)
        # Position in a pooling window: ``number`` and address (``base``) of the window,
        # the position ``into`` it, and whether that is its last (``ends``).
        shape = StructLayout({"number": 16, "into": 4, "ends": 1, "base": bits})
        column, first_column = Signal(shape), Signal(shape)
        row, first_row = Signal(shape), Signal(shape)
        channel, first_channel, next_channel = (
            Signal(bits, name=n) for n in ("channel", "first_channel", "next_channel")
        )
        names = ("channels", "block_columns", "block_rows", "groups", "grid_columns", "grid_rows", "samples")
        counts = {name: Countdown(m, field[name], name) for name in names}
        end = {name: count.last for name, count in counts.items()}
        next_column, next_row = Signal(shape), Signal(shape)
        # Address of the map of the present sample and of the next one.
        base, next_base = Signal(bits), Signal(bits)
        m.d.comb += next_base.eq(base + field.span)
        single = {}
        for now, after, name, hop in (
            (column, next_column, "pool_columns", field.pixel),
            (row, next_row, "pool_rows", field.line),
        ):
            single[name] = Signal(name=f"single_{name}")
            m.d.sync += single[name].eq(field[name] == 1)
            m.d.comb += [
                after.number.eq(now.number + now.ends),
                after.into.eq(Mux(now.ends, 0, now.into + 1)),
                after.ends.eq(Mux(now.ends, single[name], now.into + 2 == field[name])),
                after.base.eq(Mux(now.ends, now.base + hop, now.base)),
            ]
        line_end, group_end = end["channels"] & end["block_columns"], Signal()
        m.d.comb += [
            group_end.eq(line_end & end["block_rows"]),
            self.turn.eq(group_end & end["groups"]),
            next_channel.eq(channel + field.plane),
        ]
        with m.If(self.next):
            m.d.sync += [*counts["channels"].down(), channel.eq(next_channel)]
            with m.If(end["channels"]):
                m.d.sync += [*counts["channels"].again(), channel.eq(first_channel)]
                m.d.sync += [column.eq(next_column), *counts["block_columns"].down()]
            with m.If(line_end):
                m.d.sync += [*counts["block_columns"].again(), column.eq(first_column)]
                m.d.sync += [row.eq(next_row), *counts["block_rows"].down()]
            with m.If(group_end):
                m.d.sync += [*counts["block_rows"].again(), *counts["groups"].down(), row.eq(first_row)]
                m.d.sync += [channel.eq(next_channel), first_channel.eq(next_channel)]
            with m.If(self.turn):
                m.d.sync += [*counts["groups"].again(), *counts["grid_columns"].down()]
                m.d.sync += [channel.eq(0), first_channel.eq(0)]
                m.d.sync += [column.eq(next_column), first_column.eq(next_column)]
            with m.If(self.turn & end["grid_columns"]):
                m.d.sync += [*counts["grid_columns"].again(), *counts["grid_rows"].down()]
                m.d.sync += [*self._at_edge(column, single), *self._at_edge(first_column, single)]
                m.d.sync += [row.eq(next_row), first_row.eq(next_row)]
            with m.If(self.turn & end["grid_columns"] & end["grid_rows"]):
                m.d.sync += [*counts["grid_rows"].again(), *counts["samples"].down(), base.eq(next_base)]
                m.d.sync += [
                    *self._at_top(row, single, next_base),
                    *self._at_top(first_row, single, next_base),
                ]
                m.d.sync += self.over.eq(end["samples"])
        with m.If(self.begin):
            m.d.sync += [count.again() for count in counts.values()]
            m.d.sync += [self.over.eq(0), channel.eq(0), first_channel.eq(0)]
            m.d.sync += [*self._at_edge(column, single), *self._at_edge(first_column, single)]
            m.d.sync += [*self._at_top(row, single, field.base), *self._at_top(first_row, single, field.base)]
            m.d.sync += base.eq(field.base)

        # Two pipeline stages: the map address of the window's first channel, then the
        # map address of the channel that this column of the array reads.
        place, channel_1, first_1, inside_1 = Signal(bits), Signal(bits), Signal(), Signal()
        m.d.sync += [
            place.eq(row.base + column.base),
            channel_1.eq(channel),
            first_1.eq((row.into == 0) & (column.into == 0)),
            inside_1.eq((row.number < field.rows) & (column.number < field.columns)),
            self.address.eq(place + channel_1),
            self.first.eq(first_1),
            self.inside.eq(inside_1),
        ]
        m.d.comb += self.again.eq(inside_1 & ~first_1)
        return m

    @staticmethod
    def _at_edge(column: Any, single: dict[str, Signal]) -> list[Any]:
        """Return the assignments that move a position to the map's first column.
        ``single["pool_columns"]`` says whether a pooling window has a single column."""
        ends = column.ends.eq(single["pool_columns"])
        return [column.number.eq(0), column.base.eq(0), column.into.eq(0), ends]

    @staticmethod
    def _at_top(row: Any, single: dict[str, Signal], base: Value) -> list[Any]:
        """Return the assignments that move a position to the first row of the map at
        address ``base``."""
        return [row.number.eq(0), row.into.eq(0), row.ends.eq(single["pool_rows"]), row.base.eq(base)]

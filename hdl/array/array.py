"""array: the lanes of the crossbar in groups, copies of the ports that feed them, and
bus access to cells."""

import functools
import operator
from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.array.lane import X_STAGE, Lane, flag_stage
from ndrite.hdl.parts.bus import STREAM_LATENCY, WindowSignature
from ndrite.hdl.parts.layouts import (
    GROUP_LANES,
    LINE_DEPTH,
    Line,
    cell_layout,
    cells_at_once,
    column_shape,
    in_line,
    members,
    peek_layout,
    poke_layout,
    row_layout,
    waiting_sums,
)
from ndrite.hdl.parts.memory import READ_LATENCY
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import unmerged

REGION_GROUPS = 4
"""Lane groups that share a copy of the array's ports, if sums may wait."""


class Broadcast(wiring.Component):
    """Registers copies of the array's ports for some lane groups. A memory access is on
    the ``*_early`` copies one cycle before it is on the ``*_heard`` copies.

    Where sums may wait, every region has registers of its own, so that no wire spans
    the chip: ``shift`` and ``close`` are announced a cycle ahead. Otherwise one copy
    serves all groups. Latency: a cycle to ``_early``, two to ``_heard``. Resources: two
    registers of an access.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        peek, poke = peek_layout(geometry), poke_layout(geometry)
        waits = waiting_sums(geometry)
        super().__init__(
            {
                "peek": In(peek),
                "poke": In(poke),
                "peek_early": Out(peek),
                "poke_early": Out(poke),
                "peek_heard": Out(peek),
                "poke_heard": Out(poke),
                "shift": Out(1),
            }
            | ({"shift_next": In(1), "close_next": In(1), "close": Out(1)} if waits else {"shift_now": In(1)})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, port, early, heard in (
            ("peek", self.peek, self.peek_early, self.peek_heard),
            ("poke", self.poke, self.poke_early, self.poke_heard),
        ):
            if waiting_sums(self.geometry):
                m.d.comb += early.eq(unmerged(m, platform, port, f"{name}_1"))
                m.d.comb += heard.eq(unmerged(m, platform, early, f"{name}_2"))
            else:
                m.d.sync += [early.eq(port), heard.eq(early)]
        if waiting_sums(self.geometry):
            m.d.comb += self.shift.eq(unmerged(m, platform, self.shift_next, "shift_1"))
            m.d.comb += self.close.eq(unmerged(m, platform, self.close_next, "close_1"))
        else:
            m.d.comb += self.shift.eq(self.shift_now)
        return m


PEEK_LATENCY = READ_LATENCY + 7
"""Cycles from ``peek`` to ``peeked``."""
MOVING_LANES = 2
"""Lanes that share a copy of their input and of the signals that shift their
column registers."""


def capture_latency(geometry: Geometry) -> int:
    """Return the number of cycles from a pass's last row on ``row`` until the first
    group's column registers take the sums."""
    return flag_stage(geometry) + 3


def row_names(geometry: Geometry) -> tuple[str, ...]:
    """Return the names of the row ports: one for each set of lanes that can be fed
    other rows than the remaining lanes."""
    return "row", *(f"row_{u}" for u in range(1, geometry.lane_groups))


def added_latency(geometry: Geometry) -> int:
    """Return the number of cycles that it takes to add the column sums over groups of lanes."""
    return exact_log2(geometry.lane_groups)


def hop_groups(geometry: Geometry) -> int:
    """Return the number of neighbouring lane groups that share a register for the row."""
    return 2 if geometry.overlap else 1


@dataclass
class _Moves:
    """One copy of the signals that shift the column registers: ``capture``; ``any``,
    which is high when sums are captured or columns are shifted; and ``line``, the queue
    between sums and column registers (None if sums never wait)."""

    capture: Signal
    any: Signal
    line: Line | None = None


@dataclass
class _Group:
    """The lanes of one lane group, with the registered copies of the broadcast signals
    that belong to this group alone."""

    lanes: list[Lane]
    moves: list[_Moves]
    near: list[Signal]


class Array(wiring.Component):
    """Computes a[m] = sum over the rows k of a pass of x[k] * w[k, m], for all lanes m at once.

    One row per cycle, or two (``lane_rows``), is passed on from lane group to lane
    group, so that no wire spans the chip. ``capture`` is high when the last group's
    column registers take their sums. Each cycle with ``shift`` high consumes P columns,
    which are on ``columns`` one cycle later, first columns first. The next pass may
    begin at once; its last row must come no earlier than ``capture_latency`` cycles
    before the last ``shift``.

    If sums may wait (``waiting_sums``), as many more passes may end before that
    ``shift``. Their sums wait in a queue in front of the column registers, and move
    there in the cycle after the last ``shift`` of the previous sums. ``capture`` is
    then high when a pass's sums enter the queue, and their first ``shift`` may come
    three cycles later. ``shift_next`` and ``close_next`` announce, one cycle ahead, a
    ``shift`` and a pass's last ``shift``.

    The lanes are divided into ``lane_groups`` units. A unit that ``leads`` a group
    takes rows of its own; any other unit takes the rows of the unit before it.
    ``columns`` are then sums over the groups and come ``added_latency`` cycles later.
    ``capture`` has one bit for each unit's last lanes. ``leads`` changes only when the
    pipeline is empty.

    ``peek`` reads the memories of ``cells_at_once`` neighbouring lanes and ``poke``
    writes them, one access each per cycle, only while no inference is under way.

    Latency: ``capture_latency``, and one for each hop, from the last row to
    ``capture``. Resources: N lanes (``Lane``), N * accumulator_bits flip-flops
    with a 2:1 multiplexer (and LUT memory of as many bits, 16 deep, if sums may
    wait), about 110 flip-flops a lane group, a read-back multiplexer from N cells
    to those read at once.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                **{name: In(row_layout(geometry)) for name in row_names(geometry)},
                "capture": Out(geometry.lane_groups),
                "columns": Out(ArrayLayout(column_shape(geometry), geometry.readouts)),
                "peek": In(peek_layout(geometry)),
                "peeked": Out(ArrayLayout(cell_layout(geometry), cells_at_once(geometry))),
                "poke": In(poke_layout(geometry)),
            }
            | ({"shift_next": In(1), "close_next": In(1)} if waiting_sums(geometry) else {"shift": In(1)})
            | ({"leads": In(geometry.lane_groups)} if geometry.lane_groups > 1 else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        unit = g.lanes // g.lane_groups
        # Low bits of an accessed slot's number: its position in the lane group; high
        # bits: the lane group.
        self.inner = exact_log2(GROUP_LANES // cells_at_once(g))
        groups: list[_Group] = []
        row_ports = list(members(self, row_names(g)).values())
        row: Value = self.row
        region = REGION_GROUPS if waiting_sums(g) else g.lanes
        for first in range(0, g.lanes, GROUP_LANES):
            if len(groups) % region == 0:
                heard = self._broadcast(m, first)
            number, begins = divmod(first, unit)
            if begins == 0 or len(groups) % hop_groups(g) == 0:
                hop = Signal(row_layout(g), name=f"row_{first}", reset_less=True)
                if number and begins == 0:
                    # A unit that leads a group of lanes takes the rows of its own port;
                    # any other unit takes those of the unit before it.
                    row = Mux(self.leads[number], row_ports[number], row)
                m.d.sync += hop.eq(row)
                row = hop
            groups.append(self._group(m, platform, row, heard, first))
            if begins + GROUP_LANES >= unit:
                last = groups[-1].moves[-1]
                m.d.comb += self.capture[number].eq(last.capture if last.line is None else last.line.put)
        lanes = [lane for group in groups for lane in group.lanes]
        self._columns(m, platform, groups, lanes)
        if waiting_sums(g):
            # Lane groups that are not read drive 0 for their cells, so an OR over all
            # groups yields the cells read.
            for out, cells in zip(
                self.peeked, zip(*(group.near for group in groups), strict=True), strict=True
            ):
                m.d.sync += out.eq(functools.reduce(operator.or_, (Value.cast(cell) for cell in cells)))
            return m
        number = delayed(m, self.peek.slot[self.inner :], PEEK_LATENCY - 1, "peek_group")
        with m.Switch(number):
            for i, group in enumerate(groups):
                with m.Case(i):
                    m.d.sync += [out.eq(near) for out, near in zip(self.peeked, group.near, strict=True)]
        return m

    def _broadcast(self, m: Module, first: int) -> Broadcast:
        """Return a registered copy of the array's ports, for the lane groups from
        lane ``first`` up."""
        m.submodules[f"broadcast_{first}"] = heard = Broadcast(self.geometry)
        m.d.comb += [heard.peek.eq(self.peek), heard.poke.eq(self.poke)]
        if waiting_sums(self.geometry):
            m.d.comb += [heard.shift_next.eq(self.shift_next), heard.close_next.eq(self.close_next)]
        else:
            m.d.comb += heard.shift_now.eq(self.shift)
        return heard

    def _group(self, m: Module, platform: object, row: Signal, heard: Broadcast, first: int) -> _Group:
        """Build the lane group that begins at lane ``first``, with local registers for
        the row, its flags and the memory accesses.

        The first stage of every delay line is a register of this group alone, so that
        synthesis cannot merge the line with another group's.
        """
        g = self.geometry
        at_once, inner, number = cells_at_once(g), self.inner, first // GROUP_LANES
        # Only accesses to this lane group change these registers, so synthesis cannot
        # merge them with those of another group. They have no reset, which would come
        # over a long route through another LUT.
        peek, poke = (
            Signal(peek_layout(g), name=f"peek_{first}", reset_less=True),
            Signal(poke_layout(g), name=f"poke_{first}", reset_less=True),
        )
        selected = Signal(2, name=f"here_{first}", reset_less=True)
        m.d.sync += selected.eq(
            Cat(heard.peek_early.slot[inner:] == number, heard.poke_early.slot[inner:] == number)
        )
        m.d.sync += [peek.select.eq(heard.peek_heard.select & selected[0]), poke.lanes.eq(0)]
        with m.If(selected[0]):
            m.d.sync += [peek.slot.eq(heard.peek_heard.slot), peek.address.eq(heard.peek_heard.address)]
        with m.If(selected[1]):
            m.d.sync += poke.eq(heard.poke_heard)
        address = Signal(row.address.shape(), name=f"address_{first}", reset_less=True)
        m.d.sync += address.eq(Mux(peek.select, peek.address, row.address))
        flags = unmerged(m, platform, Cat(row.valid, row.first & row.valid, row.last), f"flags_{first}")
        flags = delayed(m, flags, flag_stage(g) - 1, f"flags_{first}")
        x = unmerged(m, platform, row.x, f"x_{first}")
        x = delayed(m, x, X_STAGE - 1, f"x_{first}")
        write_address = poke.address
        if g.lane_rows > 1:
            # A lane reads the weight of its second row through the write port of its memory.
            write_address = Signal(row.address.shape(), name=f"address_other_{first}", reset_less=True)
            m.d.sync += write_address.eq(Mux(poke.lanes.any(), poke.address, row.address_other))
            poke = delayed(m, poke, 1, f"poke_{first}")
            x_other = unmerged(m, platform, row.x_other, f"x_other_{first}")
            x_other = delayed(m, x_other, X_STAGE, f"x_other_{first}")
        count = min(GROUP_LANES, g.lanes - first)
        ends = Signal(name=f"ends_{first}")
        m.d.sync += ends.eq(flags[0] & flags[2])
        capture, line = in_line(m, ends, heard.close, str(first)) if waiting_sums(g) else (ends, None)
        moves = []
        for i in range(first, first + count, MOVING_LANES):
            move = unmerged(m, platform, Cat(capture, capture | heard.shift), f"moves_{i}")
            of_line = [] if line is None else [(f"{n}_{i}", v) for n, v in vars(line).items()]
            copies = [unmerged(m, platform, value, name) for name, value in of_line]
            moves.append(_Moves(move[0], move[1], Line(*copies) if copies else None))
        lanes: list[Lane] = []
        for i in range(first, min(first + GROUP_LANES, g.lanes)):
            m.submodules[f"lane_{i}"] = lane = Lane(g)
            valid, load = unmerged(m, platform, flags[:2], f"flags_of_{i}")
            if (i - first) % MOVING_LANES == 0:
                x_here = unmerged(m, platform, x, f"x_of_{i}")
                if g.lane_rows > 1:
                    x_other_here = unmerged(m, platform, x_other, f"x_other_of_{i}")
            write = Signal(name=f"write_{i}")
            place = (i - first) // at_once
            m.d.comb += [
                write.eq(poke.lanes[i % at_once] & (poke.slot[:inner] == place)),
                lane.address.eq(address),
                lane.x.eq(x_here),
                lane.load.eq(load),
                lane.gate.eq(valid),
                lane.write.eq(Cat(write, write & poke.target)[: lane.parts]),
                lane.write_address.eq(write_address),
                lane.write_data.eq(poke.weights[i % at_once]),
            ]
            if g.lane_rows > 1:
                m.d.comb += lane.x_other.eq(x_other_here)
            lanes.append(lane)
        near = [Signal(cell_layout(g), name=f"near_{first}_{n}", reset_less=True) for n in range(at_once)]
        place = delayed(m, peek.slot[:inner], READ_LATENCY + 2, f"place_{first}")
        with m.Switch(place):
            for i in range(0, len(lanes), at_once):
                with m.Case(i // at_once):
                    m.d.sync += [out.eq(lane.cell) for out, lane in zip(near, lanes[i:], strict=False)]
        if waiting_sums(g):
            peek_read = delayed(m, peek.select, READ_LATENCY + 2, f"asked_{first}")
            with m.If(~peek_read):
                m.d.sync += [Value.cast(out).eq(0) for out in near]
        return _Group(lanes, moves, near)

    def _columns(self, m: Module, platform: object, groups: list[_Group], lanes: list[Lane]) -> None:
        """Build the column registers: P shift chains, with lane i in chain i mod P. The
        values at the ends of the chains are added over groups of lanes."""
        g = self.geometry
        unit = g.lanes // g.lane_groups
        column_sums = [Signal(column_shape(g), name=f"held_{i}_0", reset_less=True) for i in range(g.lanes)]
        for i, lane in enumerate(lanes):
            move = groups[i // GROUP_LANES].moves[i % GROUP_LANES // MOVING_LANES]
            sums = lane.accumulator
            if move.line is not None:
                m.submodules[f"line_{i}"] = line = Memory(shape=column_shape(g), depth=LINE_DEPTH, init=[])
                write, read = line.write_port(), line.read_port(domain="comb")
                m.d.comb += [
                    write.en.eq(move.line.put),
                    write.addr.eq(move.line.to),
                    write.data.eq(sums),
                    read.addr.eq(move.line.source),
                ]
                sums = read.data
            with m.If(move.any):
                before = column_sums[i + g.readouts] if i + g.readouts < g.lanes else column_sums[i]
                m.d.sync += column_sums[i].eq(Mux(move.capture, sums, before))
        for i, column in enumerate(self.columns):
            sums = [column_sums[u * unit + i] for u in range(g.lane_groups)]
            if g.lane_groups > 1:
                # With two ``lane_rows`` the design fills the chip: a register for each
                # sum shortens wires.
                full = g.lane_rows > 1
                leads = unmerged(m, platform, self.leads, f"leads_{i}") if full else self.leads
                sums = [Mux(leads[u], one, 0) if u else one for u, one in enumerate(sums)]
            m.d.comb += column.eq(self._added(m, sums, str(i)))

    def _added(self, m: Module, sums: list[Value], name: str) -> Value:
        """Sum ``sums`` in a binary tree with a register after each level."""
        step = 0
        while len(sums) > 1:
            pairs = [
                Signal(column_shape(self.geometry), name=f"added_{name}_{step}_{i}", reset_less=True)
                for i in range(len(sums) // 2)
            ]
            m.d.sync += [pair.eq(sums[2 * i] + sums[2 * i + 1]) for i, pair in enumerate(pairs)]
            sums, step = pairs, step + 1
        return sums[0]


class Cells(wiring.Component):
    """Bus access to the weight memories: the word at offset lane * weight_depth + row
    address is the weight of that lane in that row.

    A write through the window sets the cell's target too; ``draw`` hands the memories
    to ``draw_peek`` and ``draw_poke``. Latency: a window read STREAM_LATENCY cycles,
    one in every cycle. Resources: two multiplexers of an address and a word.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "window": In(WindowSignature()),
                "draw": In(1),
                "draw_peek": In(peek_layout(geometry)),
                "draw_poke": In(poke_layout(geometry)),
                "peek": Out(peek_layout(geometry)),
                "poke": Out(poke_layout(geometry)),
                "peeked": In(ArrayLayout(cell_layout(geometry), cells_at_once(geometry))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        assert PEEK_LATENCY + 1 == STREAM_LATENCY
        m = Module()
        g, window = self.geometry, self.window
        row_bits = bits_for(g.weight_depth - 1)
        place_bits = exact_log2(cells_at_once(g))
        row, lane = window.address[:row_bits], window.address[row_bits:]
        place = Signal(place_bits)
        m.d.comb += place.eq(lane[:place_bits])
        with m.If(self.draw):
            m.d.comb += [self.peek.eq(self.draw_peek), self.poke.eq(self.draw_poke)]
        with m.Else():
            m.d.comb += [
                self.peek.select.eq(window.select),
                self.peek.slot.eq(lane[place_bits:]),
                self.peek.address.eq(row),
                self.poke.lanes.eq(Cat(window.write, Const(0, cells_at_once(g) - 1)) << place),
                self.poke.target.eq(1),
                self.poke.slot.eq(lane[place_bits:]),
                self.poke.address.eq(row),
            ]
            m.d.comb += [weight.eq(window.write_data) for weight in self.poke.weights]
        m.d.sync += window.read_data.eq(self.peeked[delayed(m, place, PEEK_LATENCY, "place")].weight)
        return m

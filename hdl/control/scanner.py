"""scanner: reads input words ahead of the array, slices them and sums their energy."""

from typing import Any, NamedTuple

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.layouts import (
    bank_bits,
    ends,
    energy_shape,
    feed_layout,
    numbered,
    unit_rows,
    word_layout,
)
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.parts.set_bits import at_most_set, first_set, outer_two, second_last_set

WORD_DEPTH = 32
"""Number of words that the scanner may be ahead of the array: two tiles of 128 rows."""
ISSUE_MARGIN = 8
"""Number of words that may be in the pipeline, and not yet in the queue, when the
queue's level is read."""
HOPS = 24
"""Cycles after which a word that was read, or a row that was emitted, has passed the
last unit of lanes."""


class InputWord(NamedTuple):
    """A word of eight input codes: whether there is one, whether it is the last of its
    pass, its address, its codes, and which of its rows are visited."""

    valid: Value
    last: Value
    address: Value
    codes: Signal
    rows: Value


class Scanner(wiring.Component):
    """Reads the inputs of a pass, eight rows per cycle. It computes the input slices
    x_j[k] = (x[k] >> j*d) & (2^d - 1), and the sum S of x_j[k]^2 over the pass.

    Reads the input buffer or the previous layer's activations, the latter no
    further than ``written[bank]`` words have been completed, so a layer starts
    while the one before still finishes. ``clear`` asks for the count of the layer's
    own activation bank to restart. Without rows to visit (``skip``) a pass still
    ends with one row of value 0.

    Where lanes divide into groups each unit of lanes that leads a group (``leads``) has
    ``words`` of its own rows. A pass in other groups than those before it waits until
    all are ``idle``, and HOPS more.

    Latency: 6 cycles from buffer read to ``words`` (with ``skip`` 7), 15 to
    ``energy``. Resources: eight multipliers when the geometry has noise, a 32-word
    queue for each unit.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        word_bits = bits_for(geometry.max_inputs // WORD_ROWS - 1)
        super().__init__(
            {
                "feed": In(stream.Signature(feed_layout(geometry))),
                "read_address": Out(word_bits + bank_bits(geometry)),
                "input_data": In(8 * WORD_ROWS),
                "activation_data": In(8 * WORD_ROWS),
                "written": In(ArrayLayout(unsigned(word_bits + 1), geometry.banks)),
                "clear": Out(geometry.banks),
                "input_done": Out(1),
                "energy": Out(energy_shape(geometry)),
                "energy_valid": Out(1),
                "energy_room": In(1),
            }
            | {
                f"words_{u}": Out(stream.Signature(word_layout(geometry, unit_rows(geometry, u))))
                for u in range(geometry.lane_groups)
            }
            | (
                {"leads": Out(geometry.lane_groups, init=1), "idle": In(geometry.lane_groups)}
                if geometry.lane_groups > 1
                else {}
            )
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        feed = self.feed.payload
        self.queues = []
        for u, words in enumerate(numbered(self, "words", range(g.lane_groups))):
            m.submodules[f"queue_{u}"] = queue = Queue(word_layout(g, unit_rows(g, u)), WORD_DEPTH)
            wiring.connect(m, queue.o, wiring.flipped(words))
            self.queues.append(queue)

        # A pass leaves its queue while the previous pass is scanned. If the pass reads
        # the codes of a sample, it follows at once. If it reads activations, they must
        # all be present first, which is known two cycles later.
        coming, now = Signal(feed_layout(g), name="coming"), Signal(feed_layout(g))
        word, following = Signal.like(feed.word), Signal(len(feed.word) + 1)
        address = Signal.like(feed.address)
        rows_left = Signal.like(feed.rows)
        waits, begun, settling, scanning = Signal(), Signal(), Signal(), Signal()
        issue, ending, begin, free = Signal(), Signal(), Signal(), Signal()
        written = Signal.like(self.written[0])
        m.d.sync += written.eq(
            self.written[now.bank] if g.overlap else Mux(now.bank, self.written[1], self.written[0])
        )
        # ``present``: the input word number ``word`` may be read. It is computed a
        # cycle ahead; after a word has been issued, the next word must be present too.
        present = Signal()
        m.d.sync += present.eq(now.from_input | (written > following) | ((written > word) & ~issue))
        room = Signal()
        m.d.sync += room.eq(Cat(queue.level < WORD_DEPTH - ISSUE_MARGIN - 1 for queue in self.queues).all())
        m.d.comb += [
            free.eq(~(begun | settling | scanning)),
            issue.eq(scanning & (present | now.from_input) & room),
            begin.eq(waits & (free | (issue & ending))),
            self.read_address.eq(Cat(word, now.bank)),
            self.feed.ready.eq(~waits & self.energy_room & self._settled(m, feed, free & ~waits)),
        ]
        m.d.sync += self.input_done.eq(issue & ending & now.input_done)
        sinks = Cat(coming.sink == i for i in range(g.banks)) if g.overlap else Cat(~coming.sink, coming.sink)
        m.d.sync += self.clear.eq((begin & coming.layer_first).replicate(g.banks) & sinks)
        m.d.sync += [begun.eq(0), settling.eq(begun)]
        with m.If(settling):
            # From the next cycle on, ``written`` and ``present`` refer to the bank and
            # word of this pass.
            m.d.sync += scanning.eq(1)
        with m.If(issue):
            m.d.sync += [
                word.eq(following),
                following.eq(following + 1),
                address.eq(address + self._step(now)),
                rows_left.eq(rows_left - WORD_ROWS),
                ending.eq(rows_left <= 2 * WORD_ROWS),
            ]
            with m.If(ending):
                m.d.sync += scanning.eq(0)
        with m.If(begin):
            m.d.sync += [
                now.eq(coming),
                waits.eq(0),
                begun.eq(~coming.from_input),
                scanning.eq(coming.from_input),
                word.eq(coming.word),
                following.eq(coming.word + 1),
                address.eq(coming.address),
                rows_left.eq(coming.rows),
                ending.eq(coming.rows <= WORD_ROWS),
            ]
        with m.If(self.feed.valid & self.feed.ready):
            m.d.sync += [coming.eq(feed), waits.eq(1)]

        # Pipeline stages: the buffer's data arrives (2), is chosen (3) and sliced (4);
        # zero rows are known and the word is queued (5).
        valid_1, last_1, from_input_1, start_1 = Signal(), Signal(), Signal(), Signal()
        address_1 = Signal.like(address)
        rows_1 = Signal(WORD_ROWS)
        slice_1 = Signal.like(feed.slice)
        dac_1 = Signal.like(feed.dac_log2)
        flags = delayed(m, Cat(issue, ending, word == now.word, now.from_input), 2, "flags")
        m.d.comb += Cat(valid_1, last_1, start_1, from_input_1).eq(flags)
        m.d.comb += [
            address_1.eq(delayed(m, address, 2, "address")),
            slice_1.eq(delayed(m, now.slice, 2, "slice")),
            dac_1.eq(delayed(m, now.dac_log2, 2, "dac")),
            rows_1.eq(delayed(m, Cat(rows_left > i for i in range(WORD_ROWS)), 2, "rows")),
        ]

        data = Signal(8 * WORD_ROWS)
        mask, shift = Signal(8), Signal(3)
        valid_m, last_m, start_m = Signal(), Signal(), Signal()
        address_m = Signal.like(address)
        rows_m = Signal(WORD_ROWS)
        m.d.sync += [
            data.eq(Mux(from_input_1, self.input_data, self.activation_data)),
            shift.eq(slice_1 << dac_1),
            valid_m.eq(valid_1),
            last_m.eq(last_1),
            start_m.eq(start_1),
            address_m.eq(address_1),
            rows_m.eq(rows_1),
        ]
        with m.Switch(dac_1):
            for log2 in range(4):
                with m.Case(log2):
                    m.d.sync += mask.eq((1 << (1 << log2)) - 1)
        valid_2, last_2, start_2 = Signal(), Signal(), Signal()
        address_2 = Signal.like(address)
        rows_2 = Signal(WORD_ROWS)
        x_2 = Signal(ArrayLayout(unsigned(8), WORD_ROWS))
        m.d.sync += [valid_2.eq(valid_m), last_2.eq(last_m), start_2.eq(start_m)]
        m.d.sync += [address_2.eq(address_m), rows_2.eq(rows_m)]
        for i in range(WORD_ROWS):
            row_mask = mask & rows_m[i].replicate(8)
            m.d.sync += x_2[i].eq((data.word_select(i, 8) >> shift) & row_mask)

        if g.skip:
            # Finding the rows that are not zero takes a pipeline stage of its own.
            x, nonzero = Signal.like(x_2, name="x_3"), Signal(WORD_ROWS, name="nonzero_3", reset_less=True)
            m.d.sync += [x.eq(x_2), nonzero.eq(Cat(x_2[i].any() for i in range(WORD_ROWS)))]
            flags = delayed(m, Cat(valid_2, last_2, address_2), 1, "word_3")
            valid, last, at = flags[0], flags[1], flags[2:]
        else:
            x, valid, last, at, nonzero = x_2, valid_2, last_2, address_2, None
        for u, queue in enumerate(self.queues):
            rows = rows_2 if nonzero is None else nonzero
            self._word(m, u, queue, InputWord(valid, last, at, x, rows))
        if g.noise:
            self._energy(m, Cat(valid_2, start_2, last_2), x_2)
        return m

    def _word(self, m: Module, unit: int, queue: Queue, word: InputWord) -> None:
        """Queue the rows of an input word that one unit of lanes takes."""
        valid, last, address, x, rows = word
        g, count = self.geometry, unit_rows(self.geometry, unit)
        first = unit * WORD_ROWS // g.lane_groups
        out = Signal(word_layout(g, count), name=f"word_{unit}", reset_less=True)
        queued = Signal(name=f"queued_{unit}")
        mine: Value = rows[first : first + count]
        if g.lane_groups > 1:
            mine &= self._masks[unit]
        eight = Cat(mine, Const(0, WORD_ROWS - count))
        visit, single = mine, at_most_set(eight, g.lane_rows)
        picks = [pick[:count] for pick in (outer_two(eight) if g.lane_rows > 1 else [first_set(eight)])]
        if g.skip:
            # A pass must end with a row: if all rows of its last word are 0, the word's
            # first row is visited anyway.
            alone = last & ~mine.any()
            visit, picks[0] = mine | alone, picks[0] | alone
        else:
            picks, single = [Const(1, count)], ~rows[1]
        leads = self.leads[unit] if g.lane_groups > 1 else Const(1)
        m.d.sync += [
            *(out.x[i].eq(x[first + i]) for i in range(count)),
            out.visit.eq(visit),
            *(out[f"pick{end}"].eq(pick) for end, pick in zip(ends(g), picks, strict=True)),
            out.single.eq(single),
            out.last.eq(last),
            out.address.eq(address),
            queued.eq(valid & visit.any() & leads),
        ]
        if g.lane_rows > 1:
            m.d.sync += [
                out.pick_before.eq(second_last_set(eight)),
                out.more.eq(~at_most_set(eight, 1)),
                out.few.eq(at_most_set(eight, 3)),
            ]
        m.d.comb += [queue.i.payload.eq(out), queue.i.valid.eq(queued)]

    def _settled(self, m: Module, feed: Any, quiet: Value) -> Value:
        """Return a signal that says whether the lanes already form the groups that the
        offered pass needs. The grouping changes only when the pipeline is empty."""
        g = self.geometry
        if g.lane_groups == 1:
            return Const(1)
        units = g.lane_groups
        now, still = Signal(2), Signal(range(HOPS + 1))
        # The number of lane groups decides which units of lanes lead a group and which
        # of a unit's rows belong to that group.
        self._masks = [Signal(unit_rows(g, u), name=f"mask_{u}", init=-1) for u in range(units)]
        with m.Switch(now):
            for log2 in range(units.bit_length()):
                with m.Case(log2):
                    together, words_per_unit = units >> log2, WORD_ROWS >> log2
                    m.d.sync += self.leads.eq(sum(1 << u for u in range(0, units, together)))
                    m.d.sync += [mask.eq((1 << words_per_unit) - 1) for mask in self._masks]
        empty = Cat(queue.level == 0 for queue in self.queues).all() & self.idle.all()
        with m.If(~empty | ~quiet):
            m.d.sync += still.eq(HOPS)
        with m.Elif(still != 0):
            m.d.sync += still.eq(still - 1)
        with m.Elif(self.feed.valid):
            m.d.sync += now.eq(feed.lane_groups)
        settled = Signal()
        # A pass that is offered for the first time has not yet been compared with the
        # present grouping.
        m.d.sync += settled.eq(self.feed.valid & ~self.feed.ready & (feed.lane_groups == now))
        return settled

    def _step(self, now: Any) -> Value:
        """Return by how many weight addresses a lane advances for eight rows of input."""
        if self.geometry.lane_groups == 1:
            return Const(WORD_ROWS)
        return Const(WORD_ROWS) >> now.lane_groups

    def _energy(self, m: Module, flags: Any, x: Signal) -> None:
        """Compute the pass's energy S: squares of the inputs, an adder tree and a
        running total, with a register after each."""
        sums = []
        for i in range(WORD_ROWS):
            m.submodules[f"square_{i}"] = square = Multiplier(unsigned(8), unsigned(8))
            m.d.comb += [square.a.eq(x[i]), square.b.eq(x[i])]
            # A multiplier's output register is slow: one more register before the adder.
            sums.append(delayed(m, square.product[:16], 1, f"square_{i}"))
        depth = MULTIPLY_LATENCY + 1
        while len(sums) > 1:
            level = []
            for i in range(0, len(sums), 2):
                pair = Signal(len(sums[0]) + 1, name=f"energy_{depth}_{i}")
                m.d.sync += pair.eq(sums[i] + sums[i + 1])
                level.append(pair)
            sums = level
            depth += 1
        flags = delayed(m, flags, depth, "energy_flags")
        m.d.sync += self.energy_valid.eq(flags[0] & flags[2])
        with m.If(flags[0]):
            m.d.sync += self.energy.eq(Mux(flags[1], 0, self.energy) + sums[0])

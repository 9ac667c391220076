"""updater: computes a device's state after the pulses of one update, one device per cycle."""

from collections.abc import Callable

from amaranth import Array, Const, Module, Mux, Signal, signed, unsigned
from amaranth.hdl import ShapeLike, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import (
    BOUND_SHIFT,
    COUNT_SHIFT,
    FACTOR_MAX,
    FACTOR_ONE,
    LEVELS,
    ROOTS,
    SLOPE_SHIFT,
    SLOTS_MAX,
    STATE_MAX,
    STATE_MIN,
    STEP_MAX,
)
from ndrite.emulator.spec.learning_map import TABLES
from ndrite.hdl.learn.step_tables import STEP_LATENCY, StepTables, step_access_layout, step_layout
from ndrite.hdl.learn.words import INDEX_BITS, STATE_SHAPE, TABLE_SHAPE, WORDS_LATENCY, Words
from ndrite.hdl.parts.multiplier import FAR, MULTIPLY_LATENCY, WIDEST
from ndrite.hdl.parts.pipeline import adder_tree, delayed, delayed_in_memory

LENT_LATENCY = FAR + MULTIPLY_LATENCY
"""Cycles from ``factors`` to ``products``."""
PRODUCT_LATENCY = LENT_LATENCY + FAR
"""Cycles from operands to products; the lanes that lend their multipliers are
spread over the chip."""
UPDATE_LATENCY = WORDS_LATENCY + 2 * PRODUCT_LATENCY + 8
"""Cycles from an event to ``state``."""
PRODUCTS = FALL, NOW, SCATTER, MOVED = range(4)
"""Indices of the multiplications in the pipeline."""


def event_layout() -> StructLayout:
    """Layout of a request to pulse a device: its row and column, the number of pulses,
    their direction, and the device's state."""
    return StructLayout(
        {
            "row": INDEX_BITS,
            "column": INDEX_BITS,
            "count": range(SLOTS_MAX + 1),
            "up": 1,
            "state": STATE_SHAPE,
        }
    )


def table_write_layout() -> StructLayout:
    """Layout of a write of one entry into every copy of a layer's device tables."""
    entries = ArrayLayout(TABLE_SHAPE, len(TABLES))
    return StructLayout({"write": 1, "level": range(LEVELS), "entries": entries})


def factors_layout() -> ArrayLayout:
    """Layout of the operands of the multiplications named in PRODUCTS."""
    return ArrayLayout(StructLayout({"a": signed(WIDEST), "b": signed(WIDEST)}), len(PRODUCTS))


def products_layout() -> ArrayLayout:
    """Layout of the results of the multiplications named in PRODUCTS."""
    return ArrayLayout(signed(2 * WIDEST), len(PRODUCTS))


class Updater(wiring.Component):
    """Computes a device's state after ``count`` >= 1 pulses, as
    ``ndrite.emulator.golden.learn.devices`` does.

    The constants of the device are drawn in the pipeline, under ``device_key``; the
    deviation of pulses and the rounding under ``cycle_key``. Keys and slopes must not
    change meanwhile, nor the device tables, which are those of one layer and are
    written by ``table``. The lanes lend their multipliers: ``products`` are the
    products of ``factors``, LENT_LATENCY cycles later.

    In a geometry with step tables, the steps of a ``tabled`` law follow those of
    ``record``, which must not change meanwhile either; ``step_access`` and ``step`` are
    those of ``StepTables``.

    Latency: UPDATE_LATENCY cycles, one device per cycle. Resources: two ``Words``,
    ten readers of tables of 16 words of 13 bits; about 1,700 LUTs in all. With step
    tables about 220 LUTs, 270 flip-flops and the block RAM of ``StepTables`` more
    (counted by Yosys).
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        tables = {
            "tabled": In(1),
            "record": In(range(geometry.layers)),
            "step_access": In(step_access_layout(geometry)),
            "step": Out(step_layout()),
        }
        super().__init__(
            {
                "event": In(event_layout()),
                "device_key": In(64),
                "cycle_key": In(64),
                "slope_up": In(signed(18)),
                "slope_down": In(signed(18)),
                "step_shift": In(5),
                "table": In(table_write_layout()),
                "factors": Out(factors_layout()),
                "products": In(products_layout()),
                "state": Out(STATE_SHAPE),
            }
            | (tables if geometry.step_tables else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        event = self.event
        m.submodules.own = own = Words()
        m.submodules.drawn = drawn = Words()
        for words, key in ((own, self.device_key), (drawn, self.cycle_key)):
            m.d.comb += [words.key.eq(key), words.row.eq(event.row), words.column.eq(event.column)]
        w, p = WORDS_LATENCY, PRODUCT_LATENCY
        products = delayed(m, self.products, FAR, "products")

        def multiply(which: int, a: ValueLike, b: ValueLike) -> None:
            m.d.comb += [self.factors[which].a.eq(a), self.factors[which].b.eq(b)]

        def register(shape: ShapeLike, name: str) -> Signal:
            return Signal(shape, name=name, reset_less=True)

        # Stage w: the factor 256 - rshift_round(slope * s, 24) by which a step
        # shrinks at state s.
        slope, size = Mux(event.up, self.slope_up, self.slope_down), register(12, "size")
        word = self._step_word(m) if self.geometry.step_tables else None
        if word is None:
            multiply(FALL, slope, event.state)
        else:
            # A tabled law has no slope: its multiplier computes the step that the
            # deviation is relative to.
            tabled = self.tabled
            multiply(FALL, Mux(tabled, size, slope), Mux(tabled, word.deviation, event.state))
        fallen = register(signed(13), "fallen")
        m.d.sync += fallen.eq((products[FALL] + (1 << (SLOPE_SHIFT - 1))) >> SLOPE_SHIFT)
        left = register(signed(14), "left")
        m.d.sync += left.eq(FACTOR_ONE - fallen)
        factor_6 = register(unsigned(9), "factor_6")
        m.d.sync += factor_6.eq(Mux(left < 0, 0, Mux(left > FACTOR_MAX, FACTOR_MAX, left)))
        factor = delayed(m, factor_6, w + 2 - (p + 3), "factor")

        # The constants of a device: sums of two table entries at stage w + 1, limited
        # to their ranges at stage w + 2.
        read = self._tables(m)
        step, asymmetry = read("step", own.y, 0), read("asymmetry", own.y, 2)
        upper, lower = read("upper", own.x, 0), read("lower", own.x, 2)
        deviation = read("cycle", drawn.y, 0)
        up = delayed(m, event.up, w + 1, "up")
        high, low = register(STATE_SHAPE, "high"), register(STATE_SHAPE, "low")
        wide = register(signed(15), "wide")
        m.d.comb += wide.eq(step + Mux(up, asymmetry, -asymmetry))
        m.d.sync += [
            size.eq(Mux(wide < 0, 0, Mux(wide > STEP_MAX, STEP_MAX, wide))),
            high.eq(_cut(upper << BOUND_SHIFT, 0, STATE_MAX)),
            low.eq(_cut(lower << BOUND_SHIFT, STATE_MIN, 0)),
        ]

        # Stage w + p + 3: the size of a step at the present state.
        multiply(NOW, size, factor if word is None else Mux(self.tabled, word.mean, factor))
        step_now = register(unsigned(13), "step_now")
        m.d.sync += step_now.eq((products[NOW] + 128) >> 8)

        # Stage w + p + 3 too: the number of pulses including its random deviation,
        # in units of 1/64.
        count = delayed(m, event.count, w + 1, "count")
        roots = Array(Const(int(root), 11) for root in ROOTS)
        multiply(SCATTER, roots[count], deviation)
        scattered = register(signed(17), "scattered")
        m.d.sync += scattered.eq((products[SCATTER] + 128) >> 8)
        steps: ValueLike = 0
        if word is None:
            pulses, noise_step = register(signed(17), "pulses"), step_now
            m.d.sync += pulses.eq((delayed(m, count, p + 1, "count_late") << COUNT_SHIFT) + scattered)
        else:
            # The deviation of pulses is relative to a step of its own, so their mean is
            # computed beside it.
            pulses, noise_step = delayed(m, scattered, 1, "scattered"), register(unsigned(13), "noise_step")
            m.d.sync += noise_step.eq((Mux(self.tabled, products[FALL], products[NOW]) + 128) >> 8)
            bits = delayed(m, count, p + 2, "count_late")
            steps = adder_tree(m, [Mux(bit, step_now << i, 0) for i, bit in enumerate(bits)], "steps")
            steps = delayed(m, steps, p - 1 - bits_for(len(bits) - 1), "steps") << COUNT_SHIFT

        # Stage w + 2 p + 5: pulses times step, rounded stochastically.
        multiply(MOVED, pulses, noise_step)
        fraction = register(16 if word is None else 25, "fraction")
        unused = Signal(5)
        m.d.sync += unused.eq(16 - self.step_shift)
        rounding = delayed_in_memory(m, drawn.x, 2 * p + 2, "drawn") >> unused
        m.d.sync += fraction.eq(rounding if word is None else steps + rounding)
        # Cannot overflow: at most 13,373 / 64 pulses of size 8,174 and a
        # fraction, below 2^27. With step tables 1,984 / 64 of these pulses are
        # part of ``fraction``.
        product = register(signed(28), "product")
        m.d.sync += product.eq(products[MOVED] + fraction)
        change = register(signed(28), "change")
        m.d.sync += change.eq(product >> self.step_shift)

        state = delayed_in_memory(m, event.state, w + 2 * p + 5, "state")
        rises = delayed(m, up, 2 * p + 4, "rises")
        new = register(signed(29), "new")
        m.d.sync += new.eq(state + Mux(rises, change, -change))
        below, above = register(1, "below"), register(1, "above")
        bounds = [
            delayed_in_memory(m, bound, 2 * p + 4, name)
            for bound, name in ((low, "low_late"), (high, "high_late"))
        ]
        kept = register(STATE_SHAPE, "kept")
        m.d.sync += [below.eq(new < bounds[0]), above.eq(new > bounds[1]), kept.eq(new)]
        # The bounds are applied in the same order as in the golden model: first the
        # lower bound, then the upper.
        ends = [
            delayed(m, bound, 1, name) for bound, name in zip(bounds, ("low_end", "high_end"), strict=True)
        ]
        out = register(STATE_SHAPE, "out")
        m.d.sync += out.eq(Mux(above, ends[1], Mux(below, ends[0], kept)))
        m.d.comb += self.state.eq(out)
        return m

    def _step_word(self, m: Module) -> Value:
        """Return the step-table word that applies to the event, at stage w + 2."""
        m.submodules.step_tables = tables = StepTables(self.geometry)
        m.d.comb += [
            tables.state.eq(self.event.state),
            tables.up.eq(self.event.up),
            tables.record.eq(self.record),
            tables.access.eq(self.step_access),
            self.step.eq(tables.step),
        ]
        return delayed(m, tables.step, WORDS_LATENCY + 2 - STEP_LATENCY, "step_word")

    def _tables(self, m: Module) -> Callable[[str, Value, int], Signal]:
        """Build the readers of the device tables; each reader returns the sum of two
        table entries, one cycle after the pseudo-random word that selects them."""
        write = self.table
        memories = {}
        for i, name in enumerate(TABLES):
            m.submodules[f"table_{name}"] = memory = Memory(shape=TABLE_SHAPE, depth=LEVELS, init=[])
            port = memory.write_port()
            m.d.comb += [port.en.eq(write.write), port.addr.eq(write.level), port.data.eq(write.entries[i])]
            memories[name] = memory

        def read(name: str, word: Value, nibble: int) -> Signal:
            total = Signal(signed(14), name=f"sum_{name}", reset_less=True)
            parts = []
            for i in (nibble, nibble + 1):
                port = memories[name].read_port(domain="comb")
                m.d.comb += port.addr.eq(word.word_select(i, 4))
                parts.append(port.data)
            m.d.sync += total.eq(parts[0] + parts[1])
            return total

        return read


def _cut(value: Value, low: int, high: int) -> Value:
    return Mux(value < low, low, Mux(value > high, high, value))

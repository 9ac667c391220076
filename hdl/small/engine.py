"""engine: readout and neuron for one column after the other, by one
multiplier and one shifter."""

import itertools

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Value, ValueLike
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.neuron.neuron import logit_layout
from ndrite.hdl.neuron.neuron_pipe import TABLE_BITS
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import Ports, Sized, activation_layout, column_shape, members, readout_layout
from ndrite.hdl.parts.memory import RegisteredMemory, share
from ndrite.hdl.readout.readout import SETTINGS_BITS

FACTOR_BITS = 16
"""Bits of a product's second factor, and of each half of its first factor."""
WORK_BITS = 34 + FACTOR_BITS
WINDOWS = {
    "readout": SETTINGS_BITS,
    "bias": 32,
    "neuron": 32,
    "curve_base": TABLE_BITS,
    "curve_slope": TABLE_BITS,
}
"""Memory region -> number of bits of a word in it."""
STRIDE = 4
"""Number of bits that the shifter drops per cycle as long as so many are left to drop."""
NEAR_BITS = 13
"""Number of low bits of a rounded value that are compared with the ends of a range
of at most 12 bits."""


class Engine(Sized):
    """Converts and adds up the column sums of each pass, without noise: p[m] +=
    adc(a[m]). After a column group's last pass it computes z, v and y of each column.

    adc(a) = clip(rshift_round(a * gain, shift) + offset) << lshift, and z = p + bias.
    In an output layer z is the ``logit``. In other layers v = clip(rshift_round(z *
    scale, vshift)), and y = clip(rshift_round((base << f) + slope * r, f + h), 0, 255)
    of v's segment, on ``activation``.

    ``start`` hands over ``sums`` and ``settings`` of a pass while ``busy`` is low.
    Latency: a column takes 12 cycles and about a third of its shift; after a group's
    last pass 17 more and about a third of vshift, f and h. Resources: registers of 50
    and 32 bits, N stored sums, three adders, two multipliers of 16 by 16 bits; memory
    of 32 bits a lane, 92 a column and 36 a table entry.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "start": In(1),
            "sums": In(ArrayLayout(column_shape(g), g.lanes)),
            "settings": In(readout_layout(g)),
            "busy": Out(1),
            "step": Out(1),
            "column": Out(column_shape(g)),
            "added": Out(1),
            "increment": Out(signed(32)),
            "passed": Out(1),
            "logit": Out(logit_layout(g)),
            "activation": Out(activation_layout(g)),
        } | {f"{name}_window": In(WindowSignature()) for name in WINDOWS}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, settings, group = self.geometry, self.settings, self.settings.group
        column_sums = [Signal(column_shape(g), name=f"held_{i}", reset_less=True) for i in range(g.lanes)]
        m.submodules.partials = partials = Memory(shape=signed(32), depth=max(g.lanes, 2), init=[])
        write_port, read = partials.write_port(), partials.read_port()
        number = Signal(range(g.lanes))
        self.work, self.dropped = Signal(signed(WORK_BITS)), Signal()
        work, term, count = self.work, Signal(signed(32)), Signal(6)
        # ``converting``: the value is being rounded for the converter; ``scaling``: it
        # is being rounded for the neuron's scale.
        converting, scaling = Signal(), Signal()
        voltage = Signal(V_BITS)
        memories = self._memories(m, number, voltage)
        gains, bias, neuron = memories["readout"], memories["bias"], memories["neuron"]
        total, factor = Signal(signed(33)), Signal(FACTOR_BITS)
        product = self._product(m, factor)
        m.d.comb += [
            read.addr.eq(number),
            write_port.addr.eq(number),
            write_port.data.eq(total),
            total.eq(work[:32].as_signed() + term),
            self.column.eq(column_sums[0]),
            self.increment.eq(work),
            self.logit.z.eq(total),
            self.logit.column.eq(group.first_column + number),
            self.activation.column.eq(group.first_column + number),
            self.activation.sink.eq(group.sink),
        ]
        clipped, y = self._clipped(converting, gains[16:].as_signed()), Signal(8)
        m.d.comb += y.eq(self._unsigned())
        last_column = Signal()
        m.d.comb += last_column.eq(number + 1 == group.columns)
        m.d.comb += [
            self.logit.final.eq(last_column & group.layer_end),
            self.activation.last.eq(last_column & group.layer_end),
        ]

        def multiply(by: Value, then: str) -> None:
            m.d.comb += factor.eq(by)
            m.d.sync += work.eq(product)
            m.next = then

        def round_off(bits: ValueLike) -> None:
            m.d.sync += [count.eq(bits), self.dropped.eq(0)]
            m.next = "round"

        f = group.segment_bits
        with m.FSM():
            with m.State("idle"):
                with m.If(self.start):
                    m.d.sync += [number.eq(0), self.busy.eq(1)]
                    m.d.sync += [
                        hold.eq(column_sum) for hold, column_sum in zip(column_sums, self.sums, strict=True)
                    ]
                    m.next = "column"
            with m.State("column"):
                m.d.comb += self.step.eq(1)
                m.d.sync += [work.eq(column_sums[0]), converting.eq(1), scaling.eq(0)]
                m.next = "fetch"
            with m.State("fetch"):
                m.next = "gain"
            with m.State("gain"):
                multiply(gains[:16], "round")
                round_off(settings.shift)
            with m.State("round"):
                with m.If(count == 0):
                    m.next = "rounded"
                with m.Elif(count >= STRIDE):
                    m.d.sync += [
                        count.eq(count - STRIDE),
                        self.dropped.eq(work[STRIDE - 1]),
                        work.eq(work >> STRIDE),
                    ]
                with m.Else():
                    m.d.sync += [count.eq(count - 1), self.dropped.eq(work[0]), work.eq(work >> 1)]
            with m.State("rounded"):
                m.d.sync += [work.eq(clipped), term.eq(0)]
                # The curve table's address counts voltage codes from the lowest code.
                m.d.sync += voltage.eq(Cat(clipped[: V_BITS - 1], ~clipped[V_BITS - 1]))
                with m.If(converting):
                    m.next = "raise"
                with m.Elif(scaling):
                    m.next = "segment"
                with m.Else():
                    m.d.comb += [self.activation.valid.eq(1), self.activation.y.eq(y)]
                    m.next = "next"
            with m.State("raise"):
                multiply(Const(1, 1) << settings.lshift, "add")
                with m.If(~settings.first):
                    m.d.sync += term.eq(read.data)
            with m.State("add"):
                m.d.comb += [self.added.eq(1), write_port.en.eq(1)]
                m.d.sync += [work.eq(total), term.eq(bias.as_signed())]
                m.next = "next"
                with m.If(settings.last):
                    m.next = "sum"
            with m.State("sum"):
                m.d.sync += [work.eq(total), converting.eq(0), scaling.eq(1)]
                m.next = "scale"
                with m.If(group.output):
                    m.d.comb += self.logit.valid.eq(1)
                    m.next = "next"
            with m.State("scale"):
                multiply(neuron[:16], "round")
                round_off(group.vshift)
            with m.State("segment"):
                m.next = "look"
            with m.State("look"):
                m.next = "base"
            with m.State("base"):
                m.d.sync += [work.eq(memories["curve_base"].as_signed()), scaling.eq(0)]
                m.next = "lift"
            with m.State("lift"):
                multiply(Const(1, 1) << f, "slope")
            with m.State("slope"):
                m.d.sync += [term.eq(work), work.eq(memories["curve_slope"].as_signed())]
                m.next = "line"
            with m.State("line"):
                multiply(voltage & ~(Const(-1, signed(V_BITS)) << f)[:V_BITS], "join")
            with m.State("join"):
                m.d.sync += work.eq(total)
                round_off(f + group.table_bits)
            with m.State("next"):
                m.d.sync += number.eq(number + 1)
                m.d.sync += [hold.eq(late) for hold, late in itertools.pairwise(column_sums)]
                m.next = "column"
                with m.If(last_column):
                    m.d.comb += self.passed.eq(1)
                    m.d.sync += self.busy.eq(0)
                    m.next = "idle"
        return m

    def _product(self, m: Module, factor: Signal) -> Value:
        """Return the product of two numbers, ``factor`` and the lower 32
        bits of ``work``. Two 16 x 16 multipliers compute it, one for each
        half of those 32 bits."""
        low, high = Signal(2 * FACTOR_BITS, name="low"), Signal(2 * FACTOR_BITS, name="high")
        term = self.work[: 2 * FACTOR_BITS]
        m.d.comb += [low.eq(term[:FACTOR_BITS] * factor), high.eq(term[FACTOR_BITS:] * factor)]
        # In two's complement, the value of a negative number is 2^32 below its
        # unsigned reading.
        upper = Cat(
            high[:FACTOR_BITS], (high[FACTOR_BITS:] - (factor & term[-1].replicate(FACTOR_BITS)))[:18]
        )
        return Cat(low[:FACTOR_BITS], (upper.as_signed() + low[FACTOR_BITS:])).as_signed()

    def _clipped(self, converting: Value, offset: Value) -> Value:
        """Return ``work``, rounded by the last bit that was shifted out of it, plus
        ``offset``, saturated to the range of the converter (if ``converting``) or of
        the voltage code v.

        A value of more than NEAR_BITS is outside every range, whatever the offset.
        """
        # ``top`` is the largest value of the output range, written bit by bit;
        # its sign bit is 0.
        top = Cat(~converting | (self.settings.adc_bits > bit + 1) for bit in range(V_BITS - 1))
        top = Cat(top, Const(0, 1)).as_signed()
        negative, low_bits = self.work[-1], self.work[NEAR_BITS - 1 : -1]
        near = self.work[:NEAR_BITS].as_signed() + Mux(converting, offset, 0) + self.dropped
        above = (~negative & low_bits.any()) | (~(negative & ~low_bits.all()) & (near > top))
        below = (negative & ~low_bits.all()) | (~(~negative & low_bits.any()) & (near < ~top))
        return Mux(above, top, Mux(below, ~top, near))[:V_BITS].as_signed()

    def _unsigned(self) -> Value:
        """Return ``work``, rounded by the last bit that was shifted out of it,
        saturated to 0..255."""
        sum_ = self.work[:8] + self.dropped
        return Mux(self.work[-1], 0, Mux(self.work[8:].any() | sum_[8], INPUT_MAX, sum_[:8]))

    def _memories(self, m: Module, number: Signal, voltage: Signal) -> dict[str, Value]:
        """Build the column memories and curve tables, and return the word that each
        reads: that of the current column, for curve tables that of the segment in which
        ``voltage`` lies, or the word that the bus requests."""
        g, group = self.geometry, self.settings.group
        column = Signal(bits_for(g.columns - 1))
        m.d.comb += column.eq(self.settings.column + number)
        words: dict[str, Value] = {}
        segment = Cat((voltage >> group.segment_bits)[: exact_log2(g.segments)])
        windows = members(self, [f"{name}_window" for name in WINDOWS])
        for name, width in WINDOWS.items():
            curves = name.startswith("curve")
            depth = g.curves * g.segments if curves else g.columns
            address = Cat(segment, words["neuron"][16 : 16 + exact_log2(g.curves)]) if curves else column
            window = windows[f"{name}_window"]
            memory = RegisteredMemory(width, depth, early=True)
            m.submodules[name] = memory
            share(m, memory, window, address)
            m.d.comb += window.read_data.eq(memory.data.as_signed() if curves else memory.data)
            words[name] = memory.data
        return words

"""answers: computes a neuron's output from its sum, and its error from the label or
from the next layer."""

from typing import NamedTuple

from amaranth import Cat, Const, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import ERROR_BITS, ERROR_MAX
from ndrite.hdl.learn.words import (
    CHANGE_SHAPE,
    CODE_SHAPE,
    ERROR_SHAPE,
    EXPONENT_SHAPE,
    INDEX_BITS,
    MOVED_SHAPE,
    address_bits,
    answer_layout,
    column_layout,
    error_layout,
    layer_layout,
)
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import column_shape, energy_shape
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier, WideMultiplier
from ndrite.hdl.parts.pipeline import delayed


def clipped(value: Value, bits: int) -> Value:
    """Return ``value`` saturated to ``bits`` signed bits.

    Without comparing, which takes a carry chain over all of a wide value. Resources: a
    LUT for every four bits above, and one for each below.
    """
    sign, low_bits = value[-1], value[bits - 1 : -1]
    beyond = Mux(sign, ~low_bits.all(), low_bits.any())
    return Cat(Mux(beyond, (~sign).replicate(bits - 1), value[: bits - 1]), sign).as_signed()


COLUMN_STAGE = 2
SUM_STAGE = 3
"""Cycles after ``read`` at which ``column`` and ``p`` are taken."""
Z_STAGE = 6
ANSWER_LATENCY = 25
"""Cycles from ``read`` to ``y``, ``change`` and ``moved``."""
TABLE_SHAPE = signed(18)


class Answers(wiring.Component):
    """Computes a neuron's output and derivatives from its column sum p, one column per
    cycle: z = p + bias + rshift_round(w * bias_gain, bias_shift), the output code
    ``y``, the slope ``change`` of the neuron's curve at z times its scale, and
    ``moved``, how far ``y`` moves on the curve of the next ECRAM state. The last two
    are ``derivative`` and ``state_change`` of ``ndrite.emulator.golden.learn.errors``.

    The low 9 bits of ``read`` are w. The other bits are the code of the neuron's ECRAM,
    which selects one of 2^tuned_bits curves, starting at the column's own curve.
    ``layer`` must not change meanwhile. Latency: Z_STAGE and ANSWER_LATENCY cycles.
    Resources: six multipliers, and 36 bits a table entry, with two readers.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "layer": In(layer_layout(g)),
                "read": In(column_shape(geometry)),
                "p": In(signed(32)),
                "column": In(column_layout()),
                "curve_base": In(WindowSignature()),
                "curve_slope": In(WindowSignature()),
                "z": Out(signed(32)),
                "y": Out(8),
                "change": Out(CHANGE_SHAPE),
                "moved": Out(MOVED_SHAPE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, layer = self.geometry, self.layer

        def register(shape: ShapeLike, name: str) -> Signal:
            return Signal(shape, name=name, reset_less=True)

        def half(shift: Value, bits: int, name: str) -> Signal:
            rounding = register(bits, name)
            m.d.sync += rounding.eq((Const(1, bits) << shift) >> 1)
            return rounding

        m.submodules.row = row = Multiplier(CODE_SHAPE, unsigned(17))
        m.d.comb += [row.a.eq(self.read[: CODE_SHAPE.width].as_signed()), row.b.eq(layer.bias_gain)]
        raised_4, bias_5 = register(signed(49), "raised_4"), register(signed(32), "bias_5")
        m.d.sync += [
            raised_4.eq(row.product + half(layer.bias_shift, 48, "half_bias")),
            bias_5.eq(raised_4 >> layer.bias_shift),
        ]
        rest_4, z_6 = register(signed(32), "rest_4"), register(signed(32), "z_6")
        m.d.sync += [
            rest_4.eq(self.p + delayed(m, self.column.bias, 1, "bias")),
            z_6.eq(delayed(m, rest_4, 1, "rest") + bias_5),
        ]
        m.d.comb += self.z.eq(z_6)

        scale_6 = delayed(m, self.column.scale, 4, "scale")
        m.submodules.scaler = scaler = WideMultiplier(32, 16)
        m.d.comb += [scaler.a.eq(z_6), scaler.b.eq(scale_6)]
        raised_12, fine_13 = register(signed(50), "raised_12"), register(signed(50), "fine_13")
        v_14 = register(V_BITS, "v_14")
        m.d.sync += [
            raised_12.eq(scaler.product + half(layer.vshift, 48, "half_v")),
            fine_13.eq(raised_12 >> layer.vshift),
            v_14.eq(clipped(fine_13, V_BITS) ^ (1 << (V_BITS - 1))),
        ]

        segments = exact_log2(g.segments)
        # Two neighbouring curves of the table: the curve that the neuron's ECRAM
        # selects and the next one; for the last curve, the one before it.
        level_1, level_2 = (register(CODE_SHAPE.width, f"level_{i}") for i in (1, 2))
        curve_3, last_3 = register(len(self.column.curve), "curve_3"), register(1, "last_3")
        next_4 = register(len(self.column.curve), "next_4")
        coarse = Signal(range(CODE_SHAPE.width + 1))
        m.d.sync += [
            coarse.eq(CODE_SHAPE.width - layer.tuned_bits),
            level_1.eq((self.read + (1 << (CODE_SHAPE.width - 1))) >> CODE_SHAPE.width),
            level_2.eq((level_1 ^ (1 << (CODE_SHAPE.width - 1))) >> coarse),
            curve_3.eq(self.column.curve + level_2),
            last_3.eq(((level_2 + 1) >> layer.tuned_bits) != 0),
            next_4.eq(Mux(last_3, curve_3 - 1, curve_3 + 1)),
        ]
        own_14, next_14 = delayed(m, curve_3, 11, "curve"), delayed(m, next_4, 10, "next_curve")
        own_15, next_15 = (register(bits_for(g.curves * g.segments - 1), f"{n}_15") for n in ("own", "next"))
        rest_15 = register(V_BITS - 1, "rest_15")
        mask = (Const(1, V_BITS) << layer.segment_bits) - 1
        segment = (v_14 >> layer.segment_bits)[:segments]
        m.d.sync += [
            own_15.eq(Cat(segment, own_14)),
            next_15.eq(Cat(segment, next_14)),
            rest_15.eq(v_14 & mask),
        ]
        tables = []
        for name, window in (("base", self.curve_base), ("slope", self.curve_slope)):
            m.submodules[name] = memory = RegisteredMemory(TABLE_SHAPE, g.curves * g.segments, second=True)
            share(m, memory, window, own_15)
            m.d.comb += memory.write_address.eq(Mux(window.write, window.address, next_15))
            m.d.sync += window.read_data.eq(memory.data)
            tables.append(memory)
        base, slope = tables
        rest_17 = delayed(m, rest_15, 2, "rest_v")
        places = Signal(5)
        m.d.sync += places.eq(layer.segment_bits + layer.table_bits)
        half_line = half(places, 24, "half_line")

        def line(of: str, base_17: Value, slope_17: Value) -> tuple[Signal, Value]:
            """Return the code of one curve of the table at stage 23, and, at stage 22,
            whether the code was clipped."""
            m.submodules[f"{of}_line"] = multiplier = Multiplier(TABLE_SHAPE, unsigned(V_BITS - 1))
            m.d.comb += [multiplier.a.eq(slope_17), multiplier.b.eq(rest_17)]
            base_18, base_19, line_21, line_22 = (
                register(signed(34), f"{of}_{name}") for name in ("base_18", "base_19", "line_21", "line_22")
            )
            y_23 = register(8, f"{of}_y_23")
            negative, above = line_22[-1], line_22[len(y_23) : -1].any()
            m.d.sync += [
                base_18.eq(base_17 << layer.segment_bits),
                base_19.eq(base_18 + half_line),
                line_21.eq(delayed(m, base_19, 1, f"{of}_base") + multiplier.product),
                line_22.eq(line_21 >> places),
                y_23.eq(Mux(negative, 0, line_22[: len(y_23)] | above.replicate(len(y_23)))),
            ]
            return y_23, negative | above

        (y_23, clipped_22), (next_23, _) = (
            line("own", base.data, slope.data),
            line("next", base.also, slope.also),
        )
        flat_23, moved_24 = register(1, "flat_23"), register(MOVED_SHAPE, "moved_24")
        v_22 = delayed(m, v_14, 8, "v")
        m.d.sync += [
            flat_23.eq((v_22 == 0) | v_22.all() | clipped_22),
            moved_24.eq(Mux(delayed(m, last_3, 20, "last"), y_23 - next_23, next_23 - y_23)),
        ]

        m.submodules.steep = steep = WideMultiplier(18, 16)
        m.d.comb += [steep.a.eq(slope.data), steep.b.eq(delayed(m, scale_6, 11, "scale_late"))]
        raised_23, fine_24 = register(signed(50), "raised_23"), register(signed(50), "fine_24")
        change_25 = register(CHANGE_SHAPE, "change_25")
        m.d.sync += [
            raised_23.eq(steep.product + half(layer.slope_shift, 48, "half_slope")),
            fine_24.eq(raised_23 >> layer.slope_shift),
            change_25.eq(Mux(delayed(m, flat_23, 1, "flat"), 0, clipped(fine_24, CHANGE_SHAPE.width))),
        ]
        m.d.comb += [
            self.change.eq(change_25),
            self.moved.eq(delayed(m, moved_24, 1, "moved")),
            self.y.eq(delayed(m, y_23, 2, "y")),
        ]
        return m


LARGEST_LATENCY = READ_LATENCY + MULTIPLY_LATENCY + 3
"""Cycles from a row's converted sum until ``power`` takes its products into account."""
NORMAL_LATENCY = READ_LATENCY + 3
"""Cycles from the read of a neuron's product to its error."""
ENERGY_LATENCY = MULTIPLY_LATENCY + 1
"""Cycles from an error until ``energy`` includes it."""


class Products(NamedTuple):
    """A memory for the error products of a layer: for each row, the ADC code of
    the backward read times the neuron's ``change`` (for weights) or ``moved``
    (for the neuron's ECRAM). ``power`` is the power of two of the largest
    product since ``clear``."""

    data: Value
    address: Signal
    power: Signal
    clear: Signal


class Errors(wiring.Component):
    """Computes the errors of a layer's columns, one per cycle on ``error``; ``energy``
    is the sum of their squares.

    - Output layer: each ``answer`` with ``final`` gives the error of its ``column``,
      the target from ``label`` minus the code ``y``.
    - Hidden layer, forward: the ``change`` and ``moved`` of each ``answer`` are
      stored at ``place``.
    - Hidden layer, backward: ``code`` is the converted sum of row ``index`` of the
      layer whose first row is at ``at_state``. Its products with the stored ``change``
      and ``moved`` are stored.
    - ``normalise`` starts the conversion of all ``count`` products to errors, scaled by
      a power of two so that the largest has ERROR_BITS bits. The power is added to
      ``exponent``, which ``begin`` sets to 0.
    - With ``ecrams``, the errors of the ECRAMs are computed, from the products
      with ``moved``. They come before the errors of the layer, whose exponent does
      not include theirs.

    Latency: NORMAL_LATENCY + 1, then one error per cycle; ``done`` with the last one.
    Resources: three multipliers; 27 bits a row of states, 53 a lane.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "begin": In(1),
                "label": In(INDEX_BITS),
                "answer": In(answer_layout(g)),
                "at_state": In(INDEX_BITS),
                "code": In(StructLayout({"valid": 1, "index": INDEX_BITS, "value": signed(13)})),
                "normalise": In(1),
                "ecrams": In(1),
                "count": In(INDEX_BITS),
                "done": Out(1),
                "error": Out(error_layout(g)),
                "energy": Out(energy_shape(g)),
                "exponent": Out(EXPONENT_SHAPE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        answer = self.answer
        changes = self._products(m, "change", CHANGE_SHAPE, answer.change)
        moves = self._products(m, "moved", MOVED_SHAPE, answer.moved)
        running, index, left = Signal(), Signal(INDEX_BITS), Signal(INDEX_BITS)
        more, up, down, half = Signal(EXPONENT_SHAPE), Signal(4), Signal(5), Signal(30)
        ecrams, before = Signal(), Signal(EXPONENT_SHAPE)
        data, power = Mux(ecrams, moves.data, changes.data), Mux(self.ecrams, moves.power, changes.power)
        with m.If(self.begin | self.normalise):
            m.d.sync += [index.eq(0), left.eq(self.count), more.eq(power), ecrams.eq(self.ecrams)]
            m.d.sync += self.exponent.eq(Mux(self.begin, 0, before + power))
            m.d.sync += running.eq(self.normalise)
            with m.If(self.begin | ~self.ecrams):
                m.d.comb += [changes.clear.eq(1), moves.clear.eq(1)]
                m.d.sync += before.eq(Mux(self.begin, 0, before + power))
        with m.Else():
            m.d.sync += [index.eq(index + 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += running.eq(0)
        m.d.sync += [
            up.eq(Mux(more < 0, -more, 0)),
            down.eq(Mux(more < 0, 0, more)),
            half.eq((Const(1, 30) << down) >> 1),
        ]
        raised, shifted = Signal(signed(40), reset_less=True), Signal(signed(40), reset_less=True)
        normal = Signal(ERROR_SHAPE, reset_less=True)
        m.d.comb += [changes.address.eq(index), moves.address.eq(index)]
        m.d.sync += [
            raised.eq((data << up) + half),
            shifted.eq(raised >> down),
            normal.eq(Mux(shifted > ERROR_MAX, ERROR_MAX, Mux(shifted < -ERROR_MAX, -ERROR_MAX, shifted))),
        ]
        normal_valid = delayed(m, running, NORMAL_LATENCY, "normal")
        normal_at = delayed(m, index, NORMAL_LATENCY, "normal_at")
        error = self.error
        with m.If(normal_valid):
            m.d.sync += [error.valid.eq(1), error.lane.eq(normal_at), error.value.eq(normal)]
        with m.Else():
            m.d.sync += [error.valid.eq(answer.valid & answer.final), error.lane.eq(answer.column)]
            m.d.sync += error.value.eq(Mux(answer.column == self.label, INPUT_MAX, 0) - answer.y)
        m.d.comb += self.done.eq(normal_valid & ~delayed(m, running, NORMAL_LATENCY - 1, "going"))

        m.submodules.square = square = Multiplier(ERROR_SHAPE, ERROR_SHAPE)
        m.d.comb += [square.a.eq(error.value), square.b.eq(error.value)]
        squared = delayed(m, error.valid, MULTIPLY_LATENCY, "squared")
        with m.If(self.begin | self.normalise):
            m.d.sync += self.energy.eq(0)
        with m.Elif(squared):
            m.d.sync += self.energy.eq(self.energy + square.product)
        return m

    def _products(self, m: Module, name: str, shape: Shape, change: Value) -> Products:
        """Build two memories: one stores ``change`` (``change`` or ``moved`` of
        each neuron's answer), the other stores its products with the codes that
        are read backward."""
        g, answer, code = self.geometry, self.answer, self.code
        lanes = max(g.lanes, 2)
        m.submodules[f"{name}s"] = changes = RegisteredMemory(shape, g.weight_depth)
        m.submodules[f"{name}_times"] = times = Multiplier(signed(13), shape)
        m.submodules[f"{name}_products"] = products = RegisteredMemory(signed(13 + shape.width), lanes)
        product_latency = READ_LATENCY + MULTIPLY_LATENCY
        valid, product_index = (
            delayed(m, code.valid, product_latency, f"{name}_made"),
            delayed(m, code.index, product_latency, f"{name}_made_at"),
        )
        m.d.comb += [
            changes.write.eq(answer.valid & ~answer.final),
            changes.write_address.eq(answer.place),
            changes.write_data.eq(change),
            changes.address.eq((self.at_state + code.index)[: address_bits(g)]),
            times.a.eq(delayed(m, code.value, READ_LATENCY, f"{name}_code")),
            times.b.eq(changes.data),
            products.write.eq(valid),
            products.write_address.eq(product_index[: len(products.address)]),
            products.write_data.eq(times.product),
        ]
        # The highest set bit of the OR of all products is the highest set bit of
        # the largest product.
        size, sized = Signal(12 + shape.width, name=f"{name}_size", reset_less=True), Signal()
        top, power = Signal.like(size, name=f"{name}_top"), Signal(EXPONENT_SHAPE, name=f"{name}_power")
        clear = Signal(name=f"{name}_clear")
        m.d.sync += [size.eq(Mux(times.product < 0, -times.product, times.product)), sized.eq(valid)]
        with m.If(clear):
            m.d.sync += top.eq(0)
        with m.Elif(sized):
            m.d.sync += top.eq(top | size)
        m.d.sync += power.eq(0)
        for i in range(len(top)):
            with m.If(top[i]):
                m.d.sync += power.eq(i + 1 - ERROR_BITS)
        return Products(products.data, products.address, power, clear)

"""errors: of outputs as they come, of hidden neurons by the slopes of their curves, and their largest."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.geometry import Geometry
from emulator.spec.learning import ERROR_BITS, ERROR_MAX
from hdl.learn.layouts import (
    CHANGE_SHAPE,
    ERROR_SHAPE,
    EXPONENT_SHAPE,
    INDEX_BITS,
    address_bits,
    answer_layout,
    error_layout,
)
from hdl.parts.delay import delayed
from hdl.parts.layouts import energy_shape
from hdl.parts.memory import READ_LATENCY, RegisteredMemory
from hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier

SCALED_SHAPE = signed(31)
"""An error times a derivative."""
LARGEST_LATENCY = READ_LATENCY + MULTIPLY_LATENCY + 3
"""Cycles from a row's converted sum until the power of the largest product knows of it."""
NORMAL_LATENCY = READ_LATENCY + 3
"""Cycles from a neuron's turn to its error."""
ENERGY_LATENCY = MULTIPLY_LATENCY + 1
"""Cycles from an error until ``energy`` has it."""


class Errors(wiring.Component):
    """Errors of a layer's columns, one a cycle as ``error``; ``energy`` is their squares' sum.

    Outputs: ``answer`` with ``final``, its ``column``'s code ``y`` against ``label``. A hidden neuron's
    ``change`` is kept at ``place``. Backward: ``code`` is the converted sum of row ``index`` of the layer
    whose first row is at ``at_state``; its product with the neuron's change is kept. ``normalise`` then makes
    errors of all ``count`` products: as many bits as ERROR_BITS for the largest, and its power of two in
    ``exponent``, which ``begin`` sets to 0. Latency: NORMAL_LATENCY + 1, and a cycle an error; ``done`` with
    the last one. Resources: two multipliers; 18 bits a row of states, 31 a lane.
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
                "count": In(INDEX_BITS),
                "done": Out(1),
                "error": Out(error_layout(g)),
                "energy": Out(energy_shape(g)),
                "exponent": Out(EXPONENT_SHAPE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, answer, code = self.geometry, self.answer, self.code
        m.submodules.changes = changes = RegisteredMemory(CHANGE_SHAPE, g.weight_depth)
        m.submodules.products = products = RegisteredMemory(SCALED_SHAPE, max(g.lanes, 2))
        m.submodules.slope = slope = Multiplier(signed(13), CHANGE_SHAPE)
        rows, lanes = address_bits(g), len(products.address)
        m.d.comb += [
            changes.write.eq(answer.valid & ~answer.final),
            changes.write_address.eq(answer.place),
            changes.write_data.eq(answer.change),
            changes.address.eq((self.at_state + code.index)[:rows]),
            slope.a.eq(delayed(m, code.value, READ_LATENCY, "code")),
            slope.b.eq(changes.data),
        ]
        made = READ_LATENCY + MULTIPLY_LATENCY
        valid, at = delayed(m, code.valid, made, "made"), delayed(m, code.index, made, "made_at")
        size, sized = Signal(30, reset_less=True), Signal()
        # The highest bit of all products together is that of the largest.
        top, power = Signal(30), Signal(EXPONENT_SHAPE)
        m.d.sync += [size.eq(Mux(slope.product < 0, -slope.product, slope.product)), sized.eq(valid)]
        m.d.comb += [
            products.write.eq(valid),
            products.write_address.eq(at[:lanes]),
            products.write_data.eq(slope.product),
        ]
        m.d.sync += power.eq(0)
        for i in range(len(top)):
            with m.If(top[i]):
                m.d.sync += power.eq(i + 1 - ERROR_BITS)

        running, index, left = Signal(), Signal(INDEX_BITS), Signal(INDEX_BITS)
        more, up, down, half = Signal(EXPONENT_SHAPE), Signal(4), Signal(5), Signal(30)
        with m.If(self.begin | self.normalise):
            m.d.sync += [top.eq(0), index.eq(0), left.eq(self.count), more.eq(power)]
            m.d.sync += self.exponent.eq(Mux(self.begin, 0, self.exponent + power))
            m.d.sync += running.eq(self.normalise)
        with m.Else():
            with m.If(sized):
                m.d.sync += top.eq(top | size)
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
        m.d.comb += products.address.eq(index[:lanes])
        m.d.sync += [
            raised.eq((products.data << up) + half),
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

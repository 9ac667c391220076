"""errors: of outputs as they come, of hidden neurons by what their curves do, and their largest."""

from typing import NamedTuple

from amaranth import Const, Module, Mux, Shape, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import ERROR_BITS, ERROR_MAX
from ndrite.hdl.learn.layouts import (
    CHANGE_SHAPE,
    ERROR_SHAPE,
    EXPONENT_SHAPE,
    INDEX_BITS,
    MOVED_SHAPE,
    address_bits,
    answer_layout,
    error_layout,
)
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.layouts import energy_shape
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.multiplier import MULTIPLY_LATENCY, Multiplier

LARGEST_LATENCY = READ_LATENCY + MULTIPLY_LATENCY + 3
"""Cycles from a row's converted sum until the power of the largest product knows of it."""
NORMAL_LATENCY = READ_LATENCY + 3
"""Cycles from a neuron's turn to its error."""
ENERGY_LATENCY = MULTIPLY_LATENCY + 1
"""Cycles from an error until ``energy`` has it."""


class Products(NamedTuple):
    """Codes of a layer's rows times what their neurons' ``changes`` are, and the power of two of the largest,
    of those since ``clear``."""

    data: Value
    address: Signal
    power: Signal
    clear: Signal


class Errors(wiring.Component):
    """Errors of a layer's columns, one a cycle as ``error``; ``energy`` is their squares' sum.

    Outputs: ``answer`` with ``final``, its ``column``'s code ``y`` against ``label``. A hidden neuron's
    ``change`` and ``moved`` are kept at ``place``. Backward: ``code`` is the converted sum of row ``index``
    of the layer whose first row is at ``at_state``; its products with both are kept. ``normalise`` then makes
    errors of all ``count`` products: as many bits as ERROR_BITS for the largest, and its power of two in
    ``exponent``, which ``begin`` sets to 0. Errors of ``ecrams``, of the products with ``moved``, come before
    those of the layer itself, from which the exponent goes on. Latency: NORMAL_LATENCY + 1, and a cycle an
    error; ``done`` with the last one. Resources: three multipliers; 27 bits a row of states, 53 a lane.
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
        """Store ``change``, computed from ``answer``, for each row, and its product with the row's code for
        each lane."""
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
        # The highest bit of all products together is that of the largest.
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

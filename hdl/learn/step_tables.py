"""step_tables: tables of a step and its deviation against a device's state, steps
up and down apart."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import PART_SHIFT, STATE_ONE, STATE_PARTS
from ndrite.emulator.spec.learning_map import FACTOR_BITS, STEP_WORDS
from ndrite.hdl.learn.words import STATE_SHAPE
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory

STEP_LATENCY = READ_LATENCY + 1
"""Cycles from a device's state to the entries that apply to it."""


def step_layout() -> StructLayout:
    """Layout of a word of the step tables: the mean of a step and its deviation, each
    in 1/256 of the device's own step."""
    return StructLayout({"mean": FACTOR_BITS, "deviation": FACTOR_BITS})


def step_access_layout(g: Geometry) -> StructLayout:
    """Layout of an access of the bus to the step tables: ``select`` while the word at
    ``address`` is read, ``write`` for one cycle with its ``data``."""
    address = bits_for(g.layers * STEP_WORDS - 1)
    return StructLayout({"select": 1, "write": 1, "address": address, "data": step_layout()})


class StepTables(wiring.Component):
    """Memory of the step tables of all records. ``step`` is the word of ``record`` that
    applies to a pulse in direction ``up`` at ``state``, STEP_LATENCY cycles later;
    while ``access.select`` is high it is the word at ``access.address``.

    Every updater has a copy with all records: copying the tables of one layer before
    its pulses would take 64 cycles, and a memory for them would be a block RAM too.

    Latency: STEP_LATENCY cycles, a word a cycle. Resources: 2,304 bits a record; one
    block RAM of an ECP5 holds eight records.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "state": In(STATE_SHAPE),
                "up": In(1),
                "record": In(range(geometry.layers)),
                "access": In(step_access_layout(geometry)),
                "step": Out(step_layout()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access = self.access
        m.submodules.words = words = RegisteredMemory(2 * FACTOR_BITS, self.geometry.layers * STEP_WORDS)
        part, up = Signal(range(STATE_PARTS), reset_less=True), Signal(reset_less=True)
        number: Value = (self.state + STATE_ONE) >> PART_SHIFT
        last = STATE_PARTS - 1
        m.d.sync += [part.eq(Mux(number < 0, 0, Mux(number > last, last, number))), up.eq(self.up)]
        m.d.comb += [
            words.address.eq(Mux(access.select, access.address, Cat(part, up, self.record))),
            words.write.eq(access.write),
            words.write_address.eq(access.address),
            words.write_data.eq(access.data),
            self.step.eq(words.data),
        ]
        return m

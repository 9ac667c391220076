"""slice_lane: a crossbar column whose input slices of one bit are all added at once, without a multiplier."""

from __future__ import annotations

from amaranth import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.array.gated_accumulator import GatedAccumulator
from hdl.array.lane import SLICE_STAGE, X_STAGE
from hdl.parts.delay import delayed
from hdl.parts.layouts import cell_layout, column_shape
from hdl.parts.memory import RegisteredMemory


class SliceLane(wiring.Component):
    """``accumulators``[j] <= (``load`` ? 0 : ``accumulators``[j]) + (``x``[j] ? w[address] : 0).

    ``load`` and ``x`` are taken SLICE_STAGE cycles after ``address``; both 0 leave the sums as they are.
    Latency: SLICE_STAGE + 1 cycles from ``address`` to ``accumulators``; the word read is in ``cell`` after
    X_STAGE. Resources: one memory of weight_depth cells, a ``GatedAccumulator`` a slice, no multiplier.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.parts = 2 if geometry.redraw else 1
        address = bits_for(geometry.weight_depth - 1)
        super().__init__(
            {
                "address": In(address),
                "x": In(unsigned(geometry.slices)),
                "load": In(1),
                "write": In(self.parts),
                "write_address": In(address),
                "write_data": In(signed(geometry.weight_bits)),
                "cell": Out(cell_layout(geometry)),
                "accumulators": Out(ArrayLayout(column_shape(geometry), geometry.slices)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.memory = memory = RegisteredMemory(
            signed(g.weight_bits), g.weight_depth, parts=self.parts
        )
        m.d.comb += [
            memory.address.eq(self.address),
            memory.write.eq(self.write),
            memory.write_address.eq(self.write_address),
            memory.write_data.eq(self.write_data.replicate(self.parts)),
            self.cell.eq(delayed(m, memory.data, 1, "cell")),
        ]
        weight = delayed(m, self.cell.weight, SLICE_STAGE - X_STAGE, "weight")
        for j in range(g.slices):
            m.submodules[f"slice_{j}"] = one = GatedAccumulator(g.weight_bits, g.accumulator_bits)
            m.d.comb += [
                one.load.eq(self.load),
                one.gate.eq(self.x[j]),
                one.addend.eq(weight),
                self.accumulators[j].eq(one.sum),
            ]
        return m

"""columns: sums of columns converted and added up, and sums of rows converted, by the same converters."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.converter import CONVERT_LATENCY, SETTING_STAGE, VALUE_STAGE, Converter
from ndrite.hdl.learn.layouts import INDEX_BITS, layer_layout
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.layouts import column_shape, energy_shape
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory

ADDED_LATENCY = CONVERT_LATENCY + 1
"""Cycles from a column's turn until its sum is written."""
SUM_LATENCY = READ_LATENCY + 1
"""Cycles from ``address`` to ``partial``."""
GAIN_BITS = 28
"""Gain and offset of a column."""


class Columns(wiring.Component):
    """Forward: a cycle after ``turn`` the conversion of all columns of a layer begins, as many a cycle as the
    geometry has readouts. ``values`` are taken VALUE_STAGE cycles after each, and ``shift`` asks for the next
    ones a cycle before. ADDED_LATENCY after a column's turn its code is in ``partial``, from 0 in a ``first``
    pass, shifted left by ``low``; that of column ``address`` comes SUM_LATENCY later. The next ``turn`` may
    come when all columns have begun.

    ``backward``: the sum of row ``index`` (``valid``), taken VALUE_STAGE later as ``total``, is ``code``
    CONVERT_LATENCY later. ``start`` with the ``energy`` of errors or inputs as the ``Converter`` has it.
    Resources: a ``Converter``; 28 bits a column for gains, and twice 32 for sums.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "layer": In(layer_layout()),
                "noisy": In(1),
                "start": In(1),
                "energy": In(energy_shape(g)),
                "key": In(64),
                "turn": In(1),
                "low": In(3),
                "first": In(1),
                "values": In(ArrayLayout(column_shape(g), g.readouts)),
                "shift": Out(1),
                "address": In(INDEX_BITS),
                "partial": Out(signed(32)),
                "backward": In(1),
                "row": In(StructLayout({"valid": 1, "index": INDEX_BITS})),
                "total": In(column_shape(g)),
                "code": Out(StructLayout({"valid": 1, "index": INDEX_BITS, "value": signed(13)})),
                "readout": In(WindowSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, layer = self.geometry, self.layer
        count, bits = g.readouts, exact_log2(g.readouts)
        m.submodules.converter = converter = Converter(g)
        running, column = Signal(), Signal(INDEX_BITS)
        low, first = Signal(3), Signal()
        # The turn that is the last one, worked out before: a layer's record is there long before its sums.
        last, ended = Signal(INDEX_BITS), Signal()
        m.d.sync += last.eq(((layer.outputs + (count - 1)) >> bits) - 1)
        m.d.comb += ended.eq(column == last)
        with m.If(self.turn):
            m.d.sync += [running.eq(1), column.eq(0), low.eq(self.low), first.eq(self.first)]
        with m.Else():
            m.d.sync += column.eq(column + 1)
            with m.If(ended):
                m.d.sync += running.eq(0)

        back, totals = self.backward, Signal.like(self.values)
        m.d.comb += totals.eq(self.values)
        gains = self._gains(
            m, layer.at_column[bits:] + delayed(m, column, SETTING_STAGE - READ_LATENCY, "at")
        )
        with m.If(back):
            m.d.comb += totals[0].eq(self.total)
        m.d.comb += [
            self.shift.eq(delayed(m, running, VALUE_STAGE - 1, "shift")),
            converter.noisy.eq(self.noisy),
            converter.start.eq(self.start),
            converter.energy.eq(self.energy),
            converter.key.eq(self.key),
            converter.index.eq(Mux(back, self.row.index, column << bits)),
            converter.values.eq(totals),
            converter.bits.eq(Mux(back, layer.back_bits, layer.adc_bits)),
            converter.shift.eq(Mux(back, layer.back_shift, layer.shift)),
            converter.lshift.eq(Mux(back, 0, low)),
            converter.variance.eq(Mux(back, layer.back_variance, layer.variance_out)),
            converter.var_cell.eq(Mux(back, layer.back_var, layer.var_cell)),
        ]
        for i, gain in enumerate(gains):
            m.d.comb += [
                converter.gain[i].eq(Mux(back, layer.back_gain, gain[:16])),
                converter.offset[i].eq(Mux(back, 0, gain[16:].as_signed())),
            ]

        # Sums are added up in one memory; a copy of it is read by whoever wants them.
        lead = CONVERT_LATENCY - READ_LATENCY
        read_at = delayed(m, column, lead, "read_at")
        wrote, wrote_at = delayed(m, running, ADDED_LATENCY, "wrote"), delayed(m, read_at, 3, "wrote_at")
        fresh = delayed(m, first, CONVERT_LATENCY, "fresh")
        chosen = delayed(m, self.address[:bits], READ_LATENCY, "chosen") if bits else 0
        copies = []
        for i in range(count):
            partial, copy = (RegisteredMemory(signed(32), g.columns // count) for _ in range(2))
            m.submodules[f"partial_{i}"], m.submodules[f"copy_{i}"] = partial, copy
            place, added = len(partial.address), Signal(signed(32), name=f"added_{i}", reset_less=True)
            m.d.sync += added.eq(Mux(fresh, 0, partial.data) + converter.codes[i])
            m.d.comb += [partial.address.eq(read_at[:place]), copy.address.eq(self.address[bits:][:place])]
            for memory in (partial, copy):
                m.d.comb += [
                    memory.write.eq(wrote),
                    memory.write_address.eq(wrote_at[:place]),
                    memory.write_data.eq(added),
                ]
            copies.append(copy.data)
        m.d.sync += self.partial.eq(Cat(*copies).word_select(chosen, 32).as_signed())
        m.d.comb += [
            self.code.valid.eq(delayed(m, self.row.valid, CONVERT_LATENCY, "code")),
            self.code.index.eq(delayed(m, self.row.index, CONVERT_LATENCY, "code_at")),
            self.code.value.eq(converter.codes[0]),
        ]
        return m

    def _gains(self, m: Module, address: Signal) -> list[Signal]:
        """Gain and offset of the columns of one step, READ_LATENCY cycles after ``address``."""
        g, window, bits = self.geometry, self.readout, exact_log2(self.geometry.readouts)
        part, step = window.address[:bits], window.address[bits:]
        columns = []
        for i in range(g.readouts):
            m.submodules[f"gains_{i}"] = memory = RegisteredMemory(GAIN_BITS, g.columns // g.readouts)
            place = len(memory.address)
            m.d.comb += [
                memory.address.eq(Mux(window.select, step, address)[:place]),
                memory.write.eq(window.write & (part == i)),
                memory.write_address.eq(step[:place]),
                memory.write_data.eq(window.write_data),
            ]
            columns.append(memory.data)
        m.d.sync += window.read_data.eq(Cat(*columns).word_select(part, GAIN_BITS))
        return columns

"""settings: the records of all layers, and that of the run behind them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import SLOTS_MAX
from ndrite.emulator.spec.learning_map import LAYER_WORDS, RUN, SETTING_WORDS
from ndrite.hdl.learn.layouts import INDEX_BITS, layer_layout
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory


class Settings(wiring.Component):
    """The window of region ``layers``. ``record`` is that of layer ``number``, READ_LATENCY cycles later.

    ``next`` is the number of the next update, as written (``next_written``) and counted (``start``).
    Resources: SETTING_WORDS words a layer.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = g = geometry
        super().__init__(
            {
                "window": In(WindowSignature()),
                "number": In(range(g.layers)),
                "record": Out(layer_layout()),
                "start": In(1),
                "inputs": Out(INDEX_BITS),
                "depth": Out(bits_for(g.layers)),
                "slots": Out(range(SLOTS_MAX + 1)),
                "die_seed": Out(64),
                "carries": Out(range(g.layers)),
                "next": Out(32),
                "next_written": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, window = self.geometry, self.window
        m.submodules.records = records = RegisteredMemory(32, g.layers, parts=SETTING_WORDS)
        word_bits = exact_log2(LAYER_WORDS)
        word, record = window.address[:word_bits], window.address[word_bits:]
        run = [Signal(32, name=name) for name in RUN]
        last = record == g.layers
        chosen = delayed(m, word, READ_LATENCY, "word")
        bits = len(records.address)
        m.d.comb += [
            records.address.eq(Mux(window.select, record[:bits], self.number)),
            records.write_address.eq(delayed(m, record[:bits], 1, "written_record")),
            records.write_data.eq(delayed(m, window.write_data, 1, "written").replicate(SETTING_WORDS)),
            Cat(self.record.as_value()).eq(records.data),
        ]
        m.d.sync += records.write.eq(Mux(window.write & ~last, Const(1, SETTING_WORDS) << word, 0))
        m.d.sync += window.read_data.eq(Mux(chosen < SETTING_WORDS, records.data.word_select(chosen, 32), 0))
        for i, held in enumerate(run):
            with m.If(window.write & last & (word == i)):
                m.d.sync += held.eq(window.write_data)
            with m.If(last & (chosen == i)):
                m.d.sync += window.read_data.eq(held)
        seed_low, seed_high, slots, depth, carries, following = run
        with m.If(self.start):
            m.d.sync += following.eq(following + 1)
        with m.If(window.write & (record == 0) & (word == 0)):
            m.d.sync += self.inputs.eq(window.write_data)
        m.d.comb += [
            self.die_seed.eq(Cat(seed_low, seed_high)),
            self.slots.eq(slots),
            self.depth.eq(depth),
            self.carries.eq(carries),
            self.next.eq(following),
            self.next_written.eq(window.write & last & (word == len(run) - 1)),
        ]
        return m

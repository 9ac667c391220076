"""samples: holds the samples that are walked next, and copies them into the map memory."""

from amaranth import Module, Signal, unsigned
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.walk_record import HEADER
from ndrite.hdl.parts.layouts import Ports, Sized
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.pipeline import delayed


class Samples(Sized):
    """Memory of one packet's samples, and their copy into the map memory, eight codes a cycle.

    ``load`` marks the codes of word ``word`` that become ``code``. ``begin`` starts the
    copy of ``count`` samples of ``inputs`` codes, which must not change meanwhile; it
    is one cycle after the last word was loaded, or later. ``copying`` is high while
    words are read, ``ends`` with the last of them. The samples follow each other here,
    each beginning with a new word; in the map memory they lie ``span`` codes apart.
    ``copy`` is high when ``data`` is to be written at ``address`` of the map memory.

    Latency: READ_LATENCY cycles from ``copying`` to ``copy``. Resources: 8 *
    packet_bytes bits of block RAM, about 100 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "load": In(WORD_ROWS),
            "word": In(bits_for(g.packet_bytes)),
            "code": In(8),
            "inputs": In(HEADER["inputs"][2]),
            "count": In(HEADER["samples"][2]),
            "span": In(HEADER["span"][2]),
            "begin": In(1),
            "copying": Out(1),
            "ends": Out(1),
            "copy": Out(1),
            "address": Out(bits_for(g.map_codes - 1)),
            "data": Out(8 * WORD_ROWS),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, word_log2 = self.geometry, exact_log2(WORD_ROWS)
        words, map_words = range(g.packet_bytes // WORD_ROWS), range(g.map_codes // WORD_ROWS)
        m.submodules.memory = memory = RegisteredMemory(unsigned(8), len(words), parts=WORD_ROWS)
        # The samples' source is far away on the die: registered.
        load, word = delayed(m, self.load, 1, "load"), delayed(m, self.word, 1, "word")
        code = delayed(m, self.code, 1, "code")
        source, word_of_sample, last_word = (Signal(words, name=n) for n in ("source", "at", "last_word"))
        target, next_target, left = Signal(map_words), Signal(map_words), Signal.like(self.count)
        span_words = self.span >> word_log2
        m.d.sync += last_word.eq((self.inputs - 1) >> word_log2)
        m.d.comb += self.ends.eq(self.copying & (word_of_sample == last_word) & (left == 1))
        with m.If(self.copying):
            m.d.sync += [source.eq(source + 1), target.eq(target + 1)]
            m.d.sync += word_of_sample.eq(word_of_sample + 1)
            with m.If(word_of_sample == last_word):
                m.d.sync += [word_of_sample.eq(0), left.eq(left - 1)]
                m.d.sync += [target.eq(next_target), next_target.eq(next_target + span_words)]
        with m.If(self.ends):
            m.d.sync += self.copying.eq(0)
        with m.If(self.begin):
            m.d.sync += [source.eq(0), word_of_sample.eq(0), target.eq(0), next_target.eq(span_words)]
            m.d.sync += [left.eq(self.count), self.copying.eq(1)]
        m.d.comb += [
            memory.write.eq(load),
            memory.write_address.eq(word),
            memory.write_data.eq(code.replicate(WORD_ROWS)),
            memory.address.eq(source),
            self.copy.eq(delayed(m, self.copying, READ_LATENCY, "copied")),
            self.address.eq(delayed(m, target, READ_LATENCY, "target") << word_log2),
            self.data.eq(memory.data),
        ]
        return m

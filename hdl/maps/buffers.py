"""buffers: input codes and activations in eight-row words, and the logits, each in banks."""

from amaranth import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.layouts import bank_bits
from ndrite.hdl.parts.memory import RegisteredMemory


class RowBuffer(wiring.Component):
    """Memory of the input banks, ``max_inputs`` codes each. It is written ``codes`` (1,
    2, 4 or 8) codes per cycle and read eight codes per cycle.

    ``write`` marks the codes that are written. ``read_data`` is two cycles behind
    ``read_address``. Addresses have the bank above the word, that of one code its index
    in the word below. Resources: a memory of 8 * banks * max_inputs bits.
    """

    def __init__(self, geometry: Geometry, *, codes: int = 1) -> None:
        self.words = geometry.banks * geometry.max_inputs // WORD_ROWS
        self.codes = codes
        super().__init__(
            {
                "write": In(codes),
                "write_address": In(bits_for(geometry.banks * geometry.max_inputs // codes - 1)),
                "write_data": In(8 * codes),
                "read_address": In(bits_for(self.words - 1)),
                "read_data": Out(8 * WORD_ROWS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = RegisteredMemory(unsigned(8), self.words, parts=WORD_ROWS)
        low = exact_log2(WORD_ROWS // self.codes)
        # A register in front of the memory: the data comes from far away on the die.
        # The delay is harmless, since the data is read much later.
        m.d.sync += [
            memory.write_address.eq(self.write_address[low:]),
            memory.write_data.eq(self.write_data.replicate(WORD_ROWS // self.codes)),
            memory.write.eq(self.write << (self.write_address[:low] << exact_log2(self.codes))),
        ]
        m.d.comb += [memory.address.eq(self.read_address), self.read_data.eq(memory.data)]
        return m


class Written(wiring.Component):
    """Counts the complete words of activations in each bank; the scanner may read only
    words below that count.

    ``count`` codes come at once, never of two words. A word is complete with its eighth
    code or the layer's ``last``. ``clear`` restarts a bank's count.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.banks = geometry.banks
        shape = unsigned(bits_for(geometry.max_inputs // WORD_ROWS))
        super().__init__(
            {
                "valid": In(1),
                "last": In(1),
                "bank": In(bank_bits(geometry)),
                "column": In(bits_for(geometry.columns - 1)),
                "count": In(bits_for(geometry.neurons)),
                "clear": In(self.banks),
                "words": Out(ArrayLayout(shape, self.banks)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = self.column[: exact_log2(WORD_ROWS)]
        complete = self.valid & (self.last | (place + self.count == WORD_ROWS))
        for bank in range(self.banks):
            with m.If(self.clear[bank]):
                m.d.sync += self.words[bank].eq(0)
            with m.Elif(complete & (self.bank == bank)):
                m.d.sync += self.words[bank].eq(self.words[bank] + 1)
        return m


class ResultBuffer(wiring.Component):
    """Memory of the result banks, ``max_outputs`` logits each.

    ``read_data`` is the word at ``read_address`` two cycles later, in the small
    core one cycle later.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.depth = geometry.banks * geometry.max_outputs
        address = bits_for(self.depth - 1)
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address),
                "write_data": In(signed(32)),
                "read_address": In(address),
                "read_data": Out(signed(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = RegisteredMemory(signed(32), self.depth, early=True)
        m.d.comb += [
            memory.write.eq(self.write),
            memory.write_address.eq(self.write_address),
            memory.write_data.eq(self.write_data),
            memory.address.eq(self.read_address),
            self.read_data.eq(memory.data),
        ]
        return m

"""packer: chunks of a patch into the words of an input bank."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.banks import bank_bits, next_bank
from ndrite.hdl.parts.host_interface import load_members
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.walk.records import CHUNK_LAYOUT


class Packer(Sized):
    """Codes one behind the other, a group from a word's beginning; ``loaded`` with a patch's last word.

    Patches go to the banks in turn, ``bank`` is that of the one being packed. No chunk may follow in the
    cycle behind a group's last, unless a group is whole words. Latency: 3 cycles. Resources: about 400 LUTs.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "chunk": In(CHUNK_LAYOUT),
            "bank": Out(bank_bits(g)),
            "loaded": Out(1),
            "loaded_bank": Out(bank_bits(g)),
            **load_members(g, Out),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chunk, width = self.chunk, 8 * WORD_ROWS
        # Step 1: where the chunk's codes go behind those that are left.
        fill = Signal(exact_log2(WORD_ROWS))
        total = fill + chunk.count
        shifted, shifted_total = Signal(2 * width), Signal(5)
        valid, group_end, patch_end = Signal(), Signal(), Signal()
        m.d.sync += [
            shifted.eq(chunk.codes.as_value() << (fill << 3)),
            shifted_total.eq(total),
            valid.eq(chunk.valid),
            group_end.eq(chunk.group_end),
            patch_end.eq(chunk.patch_end),
        ]
        with m.If(chunk.valid):
            m.d.sync += fill.eq(Mux(chunk.group_end, 0, total))
        # Step 2: a whole word goes, the rest is kept; at a group's end the rest follows.
        carried_codes, carried_count, flush, flush_end = Signal(width), Signal(4), Signal(), Signal()
        merged, full, word = (
            Signal(2 * width),
            Signal(),
            Signal(exact_log2(self.geometry.max_inputs // WORD_ROWS)),
        )
        going, last = Signal(), Signal()
        m.d.comb += [merged.eq(shifted | carried_codes), full.eq(shifted_total >= WORD_ROWS)]
        with m.If(valid):
            over = group_end & (shifted_total > WORD_ROWS)
            m.d.comb += [going.eq(full | group_end), last.eq(patch_end & ~over)]
            m.d.sync += [
                carried_codes.eq(Mux(full, merged[width:], Mux(group_end, 0, merged[:width]))),
                flush.eq(over),
                flush_end.eq(patch_end),
                carried_count.eq(shifted_total - WORD_ROWS),
            ]
        with m.Elif(flush):
            m.d.comb += [going.eq(1), last.eq(flush_end)]
            m.d.sync += [carried_codes.eq(0), flush.eq(0)]
        count = Mux(valid, Mux(full, WORD_ROWS, shifted_total), carried_count)
        m.d.sync += [
            self.load.eq(Mux(going, (Const(1, WORD_ROWS + 1) << count[:4]) - 1, 0)),
            self.load_address.eq((self.bank << len(word)) | word),
            self.load_data.eq(Mux(valid, merged[:width], carried_codes)),
            self.loaded.eq(last),
            self.loaded_bank.eq(self.bank),
        ]
        with m.If(going):
            m.d.sync += word.eq(Mux(last, 0, word + 1))
        with m.If(last):
            m.d.sync += self.bank.eq(next_bank(self.bank))
        return m

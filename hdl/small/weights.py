"""weights: a lane's conductance codes in memory with one port."""

from amaranth import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from emulator.spec.geometry import Geometry
from hdl.parts.memory import RegisteredMemory
from hdl.parts.ports import Ports, Sized
from hdl.parts.target import is_ice40

BLOCK_CODES = 1 << 15
"""Codes of 8 bits in one SB_SPRAM256KA: two in each of 16,384 words."""


class Weights(Sized):
    """``data`` is the code at ``address`` one cycle later; writes go there too.

    A code read in the cycle of a ``write`` is undefined. On iCE40 made of SB_SPRAM256KA where the codes
    have 8 bits. Resources: weight_depth codes of memory.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "address": In(bits_for(g.weight_depth - 1)),
            "data": Out(signed(g.weight_bits)),
            "write": In(1),
            "write_data": In(signed(g.weight_bits)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        if is_ice40(platform) and g.weight_bits == 8:
            self._single_port(m)
            return m
        m.submodules.memory = memory = RegisteredMemory(self.data.shape(), g.weight_depth, early=True)
        m.d.comb += [
            memory.address.eq(self.address),
            memory.write_address.eq(self.address),
            memory.write.eq(self.write),
            memory.write_data.eq(self.write_data),
            self.data.eq(memory.data),
        ]
        return m

    def _single_port(self, m: Module) -> None:
        """Blocks one after the other; the lowest bit of the address says which half of a word."""
        half, word, number = self.address[0], Signal(14), self.address[15:]
        m.d.comb += word.eq(self.address[1:])
        blocks = []
        for i in range(-(-self.geometry.weight_depth // BLOCK_CODES)):
            out = Signal(16, name=f"out_{i}")
            m.submodules[f"block_{i}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=word,
                i_DATAIN=Cat(self.write_data, self.write_data),
                i_MASKWREN=Mux(half, Const(0b1100, 4), Const(0b0011, 4)),
                i_WREN=self.write & (number == i),
                i_CHIPSELECT=Const(1, 1),
                i_CLOCK=ClockSignal(),
                i_STANDBY=Const(0, 1),
                i_SLEEP=Const(0, 1),
                i_POWEROFF=Const(1, 1),
                o_DATAOUT=out,
            )
            blocks.append(out)
        late = Signal(1 + len(number), reset_less=True)
        m.d.sync += late.eq(Cat(half, number))
        chosen = Cat(blocks).word_select(late[1:], 16)
        m.d.comb += self.data.eq(chosen.word_select(late[0], 8))

"""table: a read-only memory with two registered outputs."""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.hdl.parts.target import is_ecp5

BLOCK_WORDS, BLOCK_BITS = 1024, 18
_WORDS_A_LINE, _STRIDE = 16, 20
"""A DP16KD's initial content: lines of sixteen 18-bit words, 20 bits apart."""


class Table(wiring.Component):
    """``data``[i] is the value at ``address``[i], for both i, ``ndrite.hdl.parts.memory.READ_LATENCY`` cycles
    later.

    On ECP5 the output registers are the block RAM's own, as in ``ndrite.hdl.parts.memory``.
    Resources: one block RAM.

    Raises ``ValueError`` for more values, or wider ones, than a block RAM holds.
    """

    def __init__(self, values: Sequence[int]) -> None:
        self.values = list(values)
        width = bits_for(max(self.values))
        if len(self.values) > BLOCK_WORDS or width > BLOCK_BITS:
            raise ValueError(
                f"table has {len(self.values)} values of {width} bits; "
                f"accepted: at most {BLOCK_WORDS} of {BLOCK_BITS}"
            )
        super().__init__(
            {
                "address": In(ArrayLayout(bits_for(len(self.values) - 1), 2)),
                "data": Out(ArrayLayout(unsigned(width), 2)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.data[0].shape().width
        if is_ecp5(platform):
            self._block_ram(m)
            return m
        m.submodules.memory = memory = Memory(shape=width, depth=len(self.values), init=self.values)
        for i in range(2):
            read = memory.read_port()
            late = Signal(width, name=f"late_{i}", reset_less=True)
            m.d.comb += [read.addr.eq(self.address[i]), self.data[i].eq(late)]
            m.d.sync += late.eq(read.data)
        return m

    def _block_ram(self, m: Module) -> None:
        ports: dict[str, Any] = {}
        for i, port in enumerate("AB"):
            out = Signal(BLOCK_BITS, name=f"out_{port}")
            address = Cat(Const(0, 4), Value.cast(self.address[i]))
            m.d.comb += self.data[i].eq(out)
            ports |= {f"i_AD{port}{n}": address[n] if n < len(address) else Const(0, 1) for n in range(14)}
            ports |= {f"o_DO{port}{n}": out[n] for n in range(BLOCK_BITS)}
            ports |= {f"i_DI{port}{n}": Const(0, 1) for n in range(BLOCK_BITS)}
            ports |= {f"i_CS{port}{n}": Const(0, 1) for n in range(3)}
            ports |= {
                f"i_CLK{port}": ClockSignal(),
                f"i_CE{port}": Const(1, 1),
                f"i_OCE{port}": Const(1, 1),
                f"i_WE{port}": Const(0, 1),
                f"i_RST{port}": Const(0, 1),
                f"p_DATA_WIDTH_{port}": BLOCK_BITS,
                f"p_REGMODE_{port}": "OUTREG",
                f"p_WRITEMODE_{port}": "NORMAL",
                f"p_CSDECODE_{port}": "0b000",
            }
        for line in range(BLOCK_WORDS // _WORDS_A_LINE):
            words = self.values[line * _WORDS_A_LINE : (line + 1) * _WORDS_A_LINE]
            content = sum(word << _STRIDE * n for n, word in enumerate(words))
            ports[f"p_INITVAL_{line:02X}"] = Const(content, 320)
        m.submodules.block = Instance("DP16KD", p_RESETMODE="SYNC", p_GSR="DISABLED", **ports)

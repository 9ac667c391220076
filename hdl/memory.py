"""memory: a simple dual-port memory with a registered output."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hdl.target import is_ecp5

READ_LATENCY = 2
"""Cycles from ``address`` to ``data``."""
_ECP5_SHAPES = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""DP16KD: (depth, data bits) without its byte enables."""


class RegisteredMemory(wiring.Component):
    """``data`` is the word at ``address`` READ_LATENCY cycles later; a write is seen from the next cycle on.

    On ECP5 the output register is the block RAM's own (DP16KD, OUTREG), which the synthesiser does not
    use by itself and which decides the speed of everything behind a memory. Resources: width * depth bits
    of block RAM, elsewhere also width flip-flops.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.shape = Shape.cast(shape)
        self.depth = depth
        super().__init__(
            {
                "address": In(bits_for(depth - 1)),
                "data": Out(self.shape),
                "write": In(1),
                "write_address": In(bits_for(depth - 1)),
                "write_data": In(self.shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if is_ecp5(platform) and 512 <= self.depth <= 16384:
            self._block_rams(m)
            return m
        m.submodules.memory = memory = Memory(shape=self.shape, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.address),
        ]
        m.d.sync += self.data.eq(read.data)
        return m

    def _block_rams(self, m: Module) -> None:
        """As many DP16KD side by side as the width needs: port A writes, port B reads."""
        _, width = next(shape for shape in _ECP5_SHAPES if shape[0] >= self.depth)
        for low in range(0, self.shape.width, width):
            part = self.write_data[low : low + width]
            m.submodules[f"block_{low}"], out = _dp16kd(self, part, width)
            m.d.comb += self.data[low : low + width].eq(out)


def _dp16kd(memory: RegisteredMemory, part: Any, width: int) -> tuple[Instance, Signal]:
    # The address is left aligned in 14 bits; the low bits would choose a byte of a wider word.
    unused = {18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width]
    out = Signal(18)
    ports: dict[str, Any] = {}
    address_a = Cat(
        Const(0b11 if width == 18 else 0, unused) if unused else Const(0, 0), memory.write_address
    )
    address_b = Cat(Const(0, unused), memory.address)
    for i in range(14):
        ports[f"i_ADA{i}"] = address_a[i] if i < len(address_a) else Const(0, 1)
        ports[f"i_ADB{i}"] = address_b[i] if i < len(address_b) else Const(0, 1)
    for i in range(18):
        ports[f"i_DIA{i}"] = part[i] if i < len(part) else Const(0, 1)
        ports[f"i_DIB{i}"] = Const(0, 1)
        ports[f"o_DOB{i}"] = out[i]
    for port, write, enable in (("A", memory.write, Const(1, 1)), ("B", Const(0, 1), Const(1, 1))):
        ports |= {
            f"i_CLK{port}": ClockSignal(),
            f"i_CE{port}": enable,
            f"i_OCE{port}": Const(1, 1),
            f"i_WE{port}": write,
            f"i_RST{port}": Const(0, 1),
        }
        ports |= {f"i_CS{port}{i}": Const(0, 1) for i in range(3)}
    instance = Instance(
        "DP16KD",
        p_DATA_WIDTH_A=width,
        p_DATA_WIDTH_B=width,
        p_REGMODE_A="NOREG",
        p_REGMODE_B="OUTREG",
        p_WRITEMODE_A="NORMAL",
        p_WRITEMODE_B="NORMAL",
        p_CSDECODE_A="0b000",
        p_CSDECODE_B="0b000",
        p_RESETMODE="SYNC",
        p_GSR="DISABLED",
        **ports,
    )
    return instance, out

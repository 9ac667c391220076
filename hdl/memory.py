"""memory: a simple dual-port memory with a registered output."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, Shape, Signal, unsigned
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

    A word may have two ``parts`` of ``shape``, low one first, each with its own ``write``. On ECP5 the
    output register is the block RAM's own (DP16KD, OUTREG), which the synthesiser does not use by itself
    and which decides the speed of everything behind a memory. Resources: width * depth bits of block RAM
    (on ECP5 two parts of up to 9 bits share blocks up to 1024 words deep), elsewhere also width flip-flops.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, parts: int = 1) -> None:
        self.shape = Shape.cast(shape)
        self.depth = depth
        self.parts = parts
        word = self.shape if parts == 1 else unsigned(parts * self.shape.width)
        super().__init__(
            {
                "address": In(bits_for(depth - 1)),
                "data": Out(word),
                "write": In(parts),
                "write_address": In(bits_for(depth - 1)),
                "write_data": In(word),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if is_ecp5(platform) and self.depth >= 512:
            self._banks(m)
            return m
        word = self.data.shape()
        m.submodules.memory = memory = Memory(shape=word, depth=self.depth, init=[])
        # Amaranth takes a granularity of unsigned words only.
        write = memory.write_port() if self.parts == 1 else memory.write_port(granularity=self.shape.width)
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.address),
        ]
        m.d.sync += self.data.eq(read.data)
        return m

    def _banks(self, m: Module) -> None:
        """Block RAMs side by side, and one bank of them after another where they are not deep enough."""
        deepest = _ECP5_SHAPES[-1][0]
        banks = []
        for first in range(0, self.depth, deepest):
            bank = Signal(len(self.data), name=f"bank_{first}")
            number = first // deepest
            high = self.write_address[14:]
            write = (
                self.write & (high == number).replicate(self.parts) if self.depth > deepest else self.write
            )
            self._block_rams(m, f"block_{number}", min(deepest, self.depth - first), write, bank)
            banks.append(bank)
        if len(banks) == 1:
            m.d.comb += self.data.eq(banks[0])
            return
        late = Signal(len(self.address) - 14, name="late_0")
        later = Signal(len(self.address) - 14, name="late_1")
        m.d.sync += [late.eq(self.address[14:]), later.eq(late)]
        with m.Switch(later):
            for number, bank in enumerate(banks):
                with m.Case(number):
                    m.d.comb += self.data.eq(bank)

    def _block_rams(self, m: Module, name: str, depth: int, write: Any, out: Signal) -> None:
        """As many DP16KD side by side as the width needs: port A writes, port B reads."""
        _, width = next(shape for shape in _ECP5_SHAPES if shape[0] >= depth)
        bits = self.shape.width
        if self.parts == 2 and width == 18 and bits <= 9:
            # Two parts in one block, each behind a write enable of its own nine bits.
            pad = Const(0, 9 - bits)
            data = Cat(self.write_data[:bits], pad, self.write_data[bits:])
            m.submodules[name], read = _dp16kd(self, data, width, write.any(), write)
            m.d.comb += out.eq(Cat(read[:bits], read[9 : 9 + bits]))
            return
        for part in range(self.parts):
            for low in range(0, bits, width):
                here = slice(part * bits + low, part * bits + min(low + width, bits))
                instance, read = _dp16kd(self, self.write_data[here], width, write[part], Const(0b11, 2))
                m.submodules[f"{name}_{part}_{low}"] = instance
                m.d.comb += out[here].eq(read)


def _dp16kd(
    memory: RegisteredMemory, part: Any, width: int, write: Any, halves: Any
) -> tuple[Instance, Signal]:
    # The address is left aligned in 14 bits; in the widest shape the low bits enable the word's halves.
    unused = {18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width]
    out = Signal(18)
    ports: dict[str, Any] = {}
    low = Cat(halves, Const(0, 2)) if width == 18 else Const(0, unused)
    address_a = Cat(low, memory.write_address[:14])
    address_b = Cat(Const(0, unused), memory.address[:14])
    for i in range(14):
        ports[f"i_ADA{i}"] = address_a[i] if i < len(address_a) else Const(0, 1)
        ports[f"i_ADB{i}"] = address_b[i] if i < len(address_b) else Const(0, 1)
    for i in range(18):
        ports[f"i_DIA{i}"] = part[i] if i < len(part) else Const(0, 1)
        ports[f"i_DIB{i}"] = Const(0, 1)
        ports[f"o_DOB{i}"] = out[i]
    for port, we, enable in (("A", write, Const(1, 1)), ("B", Const(0, 1), Const(1, 1))):
        ports |= {
            f"i_CLK{port}": ClockSignal(),
            f"i_CE{port}": enable,
            f"i_OCE{port}": Const(1, 1),
            f"i_WE{port}": we,
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

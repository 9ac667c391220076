"""memory: memories with an output register, and constant tables."""

from collections.abc import Sequence
from typing import Any

from amaranth import Cat, ClockSignal, Const, Instance, Module, Mux, Shape, Signal, unsigned
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.hdl.parts.target import is_ecp5, is_small

READ_LATENCY = 2
"""Cycles from ``address`` to ``data``."""
_ECP5_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Shapes of a DP16KD block RAM: (depth, data bits). The two widest shapes have a write
enable for every nine bits."""
_ENABLED_BITS = 9
_SMALLEST_BLOCK = 1024
"""Number of bits below which a memory is left to the synthesiser, which may
build it from LUTs."""


class RegisteredMemory(wiring.Component):
    """Memory with registered output: ``data`` is the word at ``address``, READ_LATENCY
    cycles later; a write is visible from the next cycle on.

    A word may have several ``parts`` of ``shape``, low one first, each with its own
    ``write``. A word that is read in the cycle it is written in is undefined. On ECP5
    the output register is the block RAM's own (DP16KD, OUTREG), which the synthesiser
    does not use by itself and which decides the speed of all logic after a memory.
    Resources: width * depth bits of block RAM (on ECP5 up to four parts of 9 bits
    share blocks of 512 words, two those of 1024), elsewhere also width flip-flops. In
    the small core, where the owner can do without them, as ``early`` says, ``data``
    comes a cycle sooner.

    With a ``second`` reader ``also`` is the word at ``write_address``, as ``data`` is
    the one at ``address``; on ECP5 read through the port that writes.

    With a ``reader``, the clock domain that it is read in while ``writer`` is the
    other's, reading goes on only while ``step`` is up. Raises ``ValueError`` for one of
    more than 18 bits, and for one with a second reader of more than that or, on ECP5,
    of more than 16384 words.
    """

    def __init__(
        self,
        shape: ShapeLike,
        depth: int,
        *,
        parts: int = 1,
        early: bool = False,
        second: bool = False,
        writer: str = "sync",
        reader: str | None = None,
    ) -> None:
        self.early, self.second, self.writer, self.reader = early, second, writer, reader
        self.shape = Shape.cast(shape)
        self.depth = depth
        self.parts = parts
        word = self.shape if parts == 1 else unsigned(parts * self.shape.width)
        if reader is not None and word.width > 2 * _ENABLED_BITS:
            raise ValueError(
                f"a memory in two clock domains has {word.width}-bit words; accepted: at most 18"
            )
        if second and not (parts == 1 and word.width <= 18):
            raise ValueError(f"a memory with two readers has {word.width}-bit words; accepted: at most 18")
        super().__init__(
            {
                "address": In(bits_for(depth - 1)),
                "data": Out(word),
                "write": In(parts),
                "write_address": In(bits_for(depth - 1)),
                "write_data": In(word),
            }
            | ({} if reader is None else {"step": In(1)})
            | ({"also": Out(word)} if second else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A board with few block RAMs uses them only for its deepest memories.
        shallow = self.depth < getattr(platform, "block_memory_words", 0)
        if is_ecp5(platform) and not shallow and self.depth * len(self.data) >= _SMALLEST_BLOCK:
            self._banks(m)
            return m
        word = self.data.shape()
        m.submodules.memory = memory = Memory(shape=word, depth=self.depth, init=[])
        # Amaranth accepts a granularity for unsigned words only.
        write = (
            memory.write_port(domain=self.writer)
            if self.parts == 1
            else memory.write_port(domain=self.writer, granularity=self.shape.width)
        )
        read = memory.read_port(domain=self.reader or "sync")
        soon = self.early and is_small(platform)
        late = read.data if soon else Signal(word, name="late", reset_less=True)
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(self.address),
            self.data.eq(late),
        ]
        if self.second:
            second_port, then = memory.read_port(), Signal(word, name="then", reset_less=True)
            m.d.comb += [second_port.addr.eq(self.write_address), self.also.eq(then)]
            m.d.sync += then.eq(second_port.data)
        if self.reader is not None:
            m.d.comb += read.en.eq(self.step)
            with m.If(self.step):
                m.d[self.reader] += late.eq(read.data)
        elif not soon:
            m.d.sync += late.eq(read.data)
        return m

    def _banks(self, m: Module) -> None:
        """Build the memory from block RAMs: several in parallel if one is not wide
        enough, and several banks if one is not deep enough."""
        deepest = _ECP5_SHAPES[-1][0]
        if self.second and self.depth > deepest:
            raise ValueError(f"a memory with two readers has {self.depth} words; accepted: {deepest}")
        size = self._bank_words(deepest)
        low_bits = exact_log2(size)
        banks = []
        for first in range(0, self.depth, size):
            bank = Signal(len(self.data), name=f"bank_{first}")
            number = first // size
            high = self.write_address[low_bits:]
            write = self.write & (high == number).replicate(self.parts) if self.depth > size else self.write
            self._block_rams(m, f"block_{number}", min(size, self.depth - first), write, bank)
            banks.append(bank)
        if len(banks) == 1:
            m.d.comb += self.data.eq(banks[0])
            return
        late = Signal(len(self.address) - low_bits, name="late_0")
        later = Signal(len(self.address) - low_bits, name="late_1")
        m.d.sync += [late.eq(self.address[low_bits:]), later.eq(late)]
        with m.Switch(later):
            for number, bank in enumerate(banks):
                with m.Case(number):
                    m.d.comb += self.data.eq(bank)

    def _bank_words(self, deepest: int) -> int:
        """Return the words of a bank. A memory a little deeper than a power of two gets
        a bank for the rest, if that takes fewer block RAMs."""
        half = 1 << (self.depth - 1).bit_length() - 1
        if self.depth > deepest or self.second or self.reader is not None or half < _ECP5_SHAPES[0][0]:
            return deepest
        split = self._blocks(half) + self._blocks(self.depth - half)
        return half if split < self._blocks(self.depth) else deepest

    def _width(self, depth: int) -> int:
        """Return the data bits of the block RAMs of a bank: the narrowest shape into
        which a part fits as a single block; if no shape is wide enough, the widest."""
        widths = [width for words, width in _ECP5_SHAPES if words >= depth]
        return next((width for width in reversed(widths) if width >= len(self.data)), widths[0])

    def _parts_together(self, width: int) -> int:
        """Return how many parts share a block RAM of ``width`` data bits: each has the
        write enable of its own nine bits."""
        shared = self.parts > 1 and width > _ENABLED_BITS and self.shape.width <= _ENABLED_BITS
        return width // _ENABLED_BITS if shared else 1

    def _blocks(self, depth: int) -> int:
        """Return the number of block RAMs of a bank."""
        width = self._width(depth)
        return -(-self.parts // self._parts_together(width)) * -(-self.shape.width // width)

    def _block_rams(self, m: Module, name: str, depth: int, write: Value, out: Signal) -> None:
        """Build one bank from DP16KD block RAMs, as many in parallel as the word width
        needs: port A writes (and reads ``also``), port B reads."""
        bits, width = self.shape.width, self._width(depth)
        together = self._parts_together(width)
        if together > 1:
            pad = Const(0, _ENABLED_BITS - bits)
            for first in range(0, self.parts, together):
                parts = range(first, min(first + together, self.parts))
                data = Cat(Cat(self.write_data.word_select(i, bits), pad) for i in parts)
                enables = Cat(write[i] for i in parts)
                instance, read = _dp16kd(self, data, width, enables.any(), enables)
                m.submodules[f"{name}_{first}"] = instance
                for position, i in enumerate(parts):
                    low = _ENABLED_BITS * position
                    m.d.comb += out[i * bits : (i + 1) * bits].eq(read[low : low + bits])
            return
        for part in range(self.parts):
            for low in range(0, bits, width):
                bit_range = slice(part * bits + low, part * bits + min(low + width, bits))
                instance, read = _dp16kd(
                    self, self.write_data[bit_range], width, write[part], Const(0b1111, 4)
                )
                m.submodules[f"{name}_{part}_{low}"] = instance
                m.d.comb += out[bit_range].eq(read)
                if self.second:
                    m.d.comb += self.also[bit_range].eq(read[18:])


def share(m: Module, memory: RegisteredMemory, window: Any, address: Value) -> None:
    """Connect ``memory`` to a bus window. The bus writes the memory; the memory is read
    at the bus's address while the bus requests it, and otherwise at ``address``.

    ``window.read_data`` is left to the owner.
    """
    m.d.comb += [
        memory.address.eq(Mux(window.select, window.address, address)),
        memory.write.eq(window.write),
        memory.write_address.eq(window.address),
        memory.write_data.eq(window.write_data),
    ]


def _dp16kd(
    memory: RegisteredMemory, part: Value, width: int, write: Value, enables: Value
) -> tuple[Instance, Signal]:
    # The 14-bit address is left aligned. In the widest shapes its unused low bits
    # enable nine bits of data each.
    unused = {36: 5, 18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width]
    out = Signal(36)
    ports: dict[str, Value] = {}
    low = Cat(enables, Const(0, unused))[:unused] if width > _ENABLED_BITS else Const(0, unused)
    address_a = Cat(low, memory.write_address[:14])
    address_b = Cat(Const(0, unused), memory.address[:14])
    for i in range(14):
        ports[f"i_ADA{i}"] = address_a[i] if i < len(address_a) else Const(0, 1)
        ports[f"i_ADB{i}"] = address_b[i] if i < len(address_b) else Const(0, 1)
    for i in range(18):
        # Words of 36 bits: each port writes and reads one half, port A the low half.
        ports[f"i_DIA{i}"] = part[i] if i < len(part) else Const(0, 1)
        ports[f"i_DIB{i}"] = part[18 + i] if 18 + i < len(part) else Const(0, 1)
        ports[f"o_DOB{i}"] = out[18 + i] if width == 36 else out[i]
        if width == 36:
            ports[f"o_DOA{i}"] = out[i]
        elif memory.second:
            ports[f"o_DOA{i}"] = out[18 + i]
    step = Const(1, 1) if memory.reader is None else memory.step
    sides = (
        ("A", write, Const(1, 1), memory.writer),
        ("B", Const(0, 1), step, memory.reader or "sync"),
    )
    for port, we, enable, domain in sides:
        ports |= {
            f"i_CLK{port}": ClockSignal(domain),
            f"i_CE{port}": enable,
            # The block RAM's output register has its own enable, independent of the
            # enable of the memory.
            f"i_OCE{port}": enable,
            f"i_WE{port}": we,
            f"i_RST{port}": Const(0, 1),
        }
        ports |= {f"i_CS{port}{i}": Const(0, 1) for i in range(3)}
    instance = Instance(
        "DP16KD",
        p_DATA_WIDTH_A=width,
        p_DATA_WIDTH_B=width,
        p_REGMODE_A="OUTREG" if width == 36 or memory.second else "NOREG",
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


BLOCK_WORDS, BLOCK_BITS = 1024, 18
_WORDS_A_LINE, _STRIDE = 16, 20
"""Format of a DP16KD's initial content: lines of sixteen 18-bit words, at
intervals of 20 bits."""


class Table(wiring.Component):
    """Constant table with two read ports: ``data``[i] is the value at ``address``[i],
    READ_LATENCY cycles later.

    On ECP5 the output registers are the block RAM's own, as in
    ``ndrite.hdl.parts.memory``. Resources: one block RAM.

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
        ports: dict[str, Value] = {}
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

"""pipeline: delay lines, adder trees and queues."""

from typing import TypeVar

from amaranth import Module, Mux, Shape, Signal, unsigned
from amaranth.hdl import ShapeLike, Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

Wire = TypeVar("Wire", bound=Value | View)


def delayed(m: Module, value: Wire, cycles: int, name: str) -> Wire:
    """Return ``value``, with its shape, ``cycles`` cycles later; ``name`` names the
    registers in waveforms.

    They do not reset: the core's reset lasts until they have passed on what they held
    (``ndrite.hdl.device.watchdog``).
    """
    for i in range(cycles):
        late = Signal(value.shape(), name=f"{name}_{i + 1}", reset_less=True)
        m.d.sync += late.eq(value)
        value = late
    return value


def delayed_in_memory(m: Module, value: Wire, cycles: int, name: str) -> Wire:
    """Return ``value`` delayed by ``cycles`` (at least 2) cycles, as ``delayed`` does,
    but in a memory of ``cycles`` - 1 words instead of registers: for long delays of
    wide values. The same word is read and written in each cycle. Resources on ECP5: six
    LUTs for four bits of up to 16 cycles, where registers are 64 flip-flops."""
    shape, last = value.shape(), cycles - 2
    m.submodules[f"{name}_words"] = memory = Memory(shape=shape, depth=cycles - 1, init=[])
    write, read = memory.write_port(), memory.read_port(domain="comb")
    slot = Signal(range(max(last + 1, 2)), name=f"{name}_at", reset_less=True)
    late = Signal(shape, name=f"{name}_late", reset_less=True)
    m.d.comb += [write.en.eq(1), write.addr.eq(slot), write.data.eq(value), read.addr.eq(slot)]
    m.d.sync += [slot.eq(Mux(slot == last, 0, slot + 1)), late.eq(read.data)]
    return late


def adder_tree(m: Module, values: list[Value], name: str) -> Value:
    """Return the sum of all ``values``, computed in an adder tree that takes
    one cycle per level."""
    level = 0
    while len(values) > 1:
        sums: list[Value] = []
        for i in range(0, len(values), 2):
            pair = values[i : i + 2]
            total = pair[0] + pair[1] if len(pair) == 2 else pair[0]
            partial_sum = Signal(total.shape(), name=f"{name}_{level}_{i}", reset_less=True)
            m.d.sync += partial_sum.eq(total)
            sums.append(partial_sum)
        values, level = sums, level + 1
    return values[0]


class Queue(wiring.Component):
    """A FIFO of ``depth`` (2 or more) payloads; ``level`` is the number of stored payloads.

    ``i.ready`` and ``o.valid`` are registers, and so is ``o.payload``: no combinational
    path leads from one end to the other, and the signals by which each end decides are
    computed a cycle ahead. Four bytes into a queue of four::

        { "signal": [
          {"name": "i.valid",   "wave": "01...0......"},
          {"name": "i.payload", "wave": "x====xxxxxxx", "data": "a b c d"},
          {"name": "i.ready",   "wave": "1....0.1...."},
          {"name": "level",     "wave": "=.====.====.", "data": "0 1 2 3 4 3 2 1 0"},
          {"name": "o.ready",   "wave": "0.....1....."},
          {"name": "o.valid",   "wave": "0..1......0."},
          {"name": "o.payload", "wave": "xxx=...===xx", "data": "a b c d"}
        ] }

    Latency: 2 cycles from ``i`` to ``o``. Resources: a memory of depth * width bits
    and two counters.

    ``parts`` of a wide payload have memories of their own, each with its own
    counters beside it.

    Raises ``ValueError`` for a depth below 2 or parts of unequal size.
    """

    def __init__(self, shape: ShapeLike, depth: int, *, parts: int = 1) -> None:
        width = Shape.cast(shape).width
        if depth < 2:
            raise ValueError(f"queue depth is {depth}; accepted: 2 or more")
        if parts < 1 or width % parts:
            raise ValueError(f"queue has {parts} parts; accepted: a divisor of the payload's {width} bits")
        self.depth = depth
        self.parts = parts
        self.width = width
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "level": Out(bits_for(depth)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth, level = self.depth, self.level
        room, valid = Signal(init=1), Signal()
        # ``waiting``: the memory holds at least one payload, besides the payload on
        # ``o`` if that is valid.
        waiting, put, take, pull = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(room),
            self.o.valid.eq(valid),
            put.eq(self.i.valid & room),
            take.eq(valid & self.o.ready),
            pull.eq(waiting & (~valid | self.o.ready)),
        ]
        one_waits = Mux(valid, level == 2, level == 1)
        with m.If(put & ~take):
            m.d.sync += level.eq(level + 1)
        with m.If(take & ~put):
            m.d.sync += level.eq(level - 1)
        m.d.sync += [
            room.eq(Mux(put == take, room, take | (level != depth - 1))),
            waiting.eq(put | (waiting & ~(pull & one_waits))),
            valid.eq(pull | (valid & ~self.o.ready)),
        ]
        part, into, out = self.width // self.parts, Value.cast(self.i.payload), Value.cast(self.o.payload)
        for i in range(self.parts):
            m.submodules[f"memory_{i}"] = memory = Memory(shape=unsigned(part), depth=depth, init=[])
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.en.eq(put),
                write.data.eq(into.word_select(i, part)),
                read.en.eq(pull),
                out.word_select(i, part).eq(read.data),
            ]
            with m.If(put):
                m.d.sync += write.addr.eq(_after(write.addr, depth))
            with m.If(pull):
                m.d.sync += read.addr.eq(_after(read.addr, depth))
        return m


def _after(address: Signal, depth: int) -> Value:
    return Mux(address == depth - 1, 0, address + 1)

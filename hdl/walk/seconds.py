"""seconds: reads the second operands of sums ahead and scales them; also pooling."""

from amaranth import Const, Module, Mux, Signal, unsigned
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import SECOND_BITS, Ports, Sized, second_layout
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory, share
from ndrite.hdl.parts.multiplier import CODE_BITS, FAR, MULTIPLY_LATENCY, CarryMultiplier, Multiplier
from ndrite.hdl.parts.pipeline import Queue, delayed
from ndrite.hdl.walk.map_memory import MAP_LATENCY, reader_ports
from ndrite.hdl.walk.places import FIELD_LAYOUT, PLACES_LATENCY, Places
from ndrite.hdl.walk.records import CHUNK_LAYOUT

FACTOR_BITS = 16
OPERAND_BITS = 17
SCALER_LATENCY = 1 + READ_LATENCY + MULTIPLY_LATENCY + 2 * FAR + 3
"""Cycles from ``a`` to ``value``."""
WIDE = 37
"""Number of bits for a product and its rounding constant; a shift larger than this leaves 0."""


class Scaler(Sized):
    """Scales second operands (codes of a map that is added to a matrix product):
    value[i] = rshift_round(a[i]
    * factor[index + i], shift), at most 2^25 - 1. ``shift`` must not change meanwhile.

    Several neurons have two at a time (``second_operands``), the second one a code and
    its multiplier made of LUTs. Latency: SCALER_LATENCY. Resources: 16 bits a column of
    memory, a multiplier, about 200 LUTs; with the second one 500.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "valid": In(1),
            "a": In(ArrayLayout(OPERAND_BITS, g.second_operands)),
            "index": In(bits_for(g.columns - 1)),
            "shift": In(6),
            "value_valid": Out(1),
            "value": Out(ArrayLayout(SECOND_BITS, g.second_operands)),
            "window": In(WindowSignature()),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        columns, operands = self.geometry.columns, self.geometry.second_operands
        m.submodules.factors = factors = RegisteredMemory(unsigned(FACTOR_BITS), columns, second=operands > 1)
        index = delayed(m, self.index, 1, "index")
        share(m, factors, self.window, index)
        m.d.sync += self.window.read_data.eq(factors.data)
        m.submodules.multiplier = multiplier = Multiplier(unsigned(OPERAND_BITS), unsigned(FACTOR_BITS))
        m.d.comb += [
            multiplier.a.eq(delayed(m, self.a[0], 1 + READ_LATENCY + FAR, "a")),
            multiplier.b.eq(delayed(m, factors.data, FAR, "factor")),
        ]
        half = Signal(WIDE)
        m.d.sync += [
            half.eq((Const(1, 1) << self.shift) >> 1),
            self.value_valid.eq(delayed(m, self.valid, SCALER_LATENCY - 1, "valid")),
        ]
        self._rounded(m, multiplier.product, half, 0)
        if operands > 1:
            m.submodules.second = second = CarryMultiplier(unsigned(FACTOR_BITS))
            with m.If(~self.window.write):
                m.d.comb += factors.write_address.eq(index + 1)
            m.d.comb += [
                second.a.eq(delayed(m, factors.also, FAR, "second_factor")),
                second.b.eq(delayed(m, self.a[1][:CODE_BITS], 1 + READ_LATENCY + FAR, "b")),
            ]
            self._rounded(m, second.product, half, 1)
        return m

    def _rounded(self, m: Module, product: Value, half: Signal, way: int) -> None:
        """Build the three pipeline stages that round the product of scaler number
        ``way`` into ``value[way]``."""
        product = delayed(m, product, FAR, f"product_{way}")
        rounded, coarse = Signal(WIDE, name=f"rounded_{way}"), Signal(WIDE, name=f"coarse_{way}")
        m.d.sync += [
            rounded.eq(product.as_unsigned() + half),
            self.value[way].eq(_most(coarse >> self.shift[:3])),
        ]
        with m.Switch(self.shift[3:]):
            for i in range(8):
                with m.Case(i):
                    m.d.sync += coarse.eq(rounded >> 8 * i)


def _most(value: object) -> object:
    """Return ``value`` saturated to SECOND_BITS bits."""
    return Mux(value[SECOND_BITS:].any(), (1 << SECOND_BITS) - 1, value[:SECOND_BITS])  # type: ignore[index]


POOLING_LATENCY = 2 + WORD_ROWS
"""Cycles from a group's last chunk to the last of its results."""


class Pooling(wiring.Component):
    """Computes the maximum (``largest``) and the sum (``total``) of each channel, over
    all chunks of a group of up to eight channels. The results come out one channel
    after the other, each marked ``valid``.

    ``patch_end`` comes with the patch's last result. A group takes at least as many
    cycles as it has channels.

    Latency: POOLING_LATENCY. Throughput: a chunk, and a result, a cycle.
    Resources: about 500 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "chunk": In(CHUNK_LAYOUT),
                "valid": Out(1),
                "largest": Out(8),
                "total": Out(OPERAND_BITS),
                "patch_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chunk = self.chunk
        channel_layout = StructLayout({"largest": 8, "total": OPERAND_BITS})
        channels, results = (
            Signal(ArrayLayout(channel_layout, WORD_ROWS), name=n, reset_less=True)
            for n in ("channels", "results")
        )
        begun, ended, ends_patch, closing = Signal(), Signal(), Signal(), Signal()
        count, left = Signal(4), Signal(4)
        m.d.sync += ended.eq(chunk.valid & chunk.group_end)
        with m.If(chunk.valid):
            m.d.sync += [begun.eq(~chunk.group_end), count.eq(chunk.count), ends_patch.eq(chunk.patch_end)]
            for i in range(WORD_ROWS):
                code, channel = chunk.codes[i], channels[i]
                with m.If(~begun | (code > channel.largest)):
                    m.d.sync += channel.largest.eq(code)
                m.d.sync += channel.total.eq(Mux(begun, channel.total, 0) + code)
        m.d.comb += [
            self.valid.eq(left != 0),
            self.largest.eq(results[0].largest),
            self.total.eq(results[0].total),
            self.patch_end.eq(closing & (left == 1)),
        ]
        with m.If(ended):
            m.d.sync += [results.eq(channels), left.eq(count), closing.eq(ends_patch)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [results[i].eq(results[i + 1]) for i in range(WORD_ROWS - 1)]
        return m


AHEAD = 32, 96
"""Number of operands that may wait for their sums, including operands still in the
pipeline: with one neuron, and with several."""
ADDRESSES = 8
"""Number of requests whose addresses may wait for the memory."""


class Seconds(wiring.Component):
    """Reads the second operand of every column, a code of the map that a matrix product
    adds to its sums. It sends the code to the scaler on ``a`` with its ``index``; the
    scaled operands come out on the stream ``operands``.

    ``begin`` starts with the columns of ``field``, whose factors begin at ``base``.
    ``turn`` neighbouring columns are read at once, up to eight if there are several
    neurons, and go to the scaler as many at once as it takes. An entry of ``operands``
    has as many operands as there are neurons, fewer at the end of each ``group`` of
    columns. Throughput: that of the scaler. Resources: ``Places``, two queues.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry, self.ways = geometry, geometry.second_operands
        self.read = WORD_ROWS if geometry.neurons > 1 else 1
        index = bits_for(geometry.columns - 1)
        super().__init__(
            {
                "field": In(FIELD_LAYOUT),
                "turn": In(bits_for(self.read)),
                "group": In(16),
                "base": In(index),
                "begin": In(1),
                **reader_ports(geometry, self.read),
                "valid": Out(1),
                "a": Out(ArrayLayout(OPERAND_BITS, self.ways)),
                "index": Out(index),
                "value_valid": In(1),
                "value": In(ArrayLayout(SECOND_BITS, self.ways)),
                "operands": Out(stream.Signature(second_layout(geometry))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        codes_per_turn = self.geometry.neurons
        ahead = AHEAD[codes_per_turn > 1]
        read_layout = StructLayout({"address": len(self.address), "index": len(self.index)})
        m.submodules.places = places = Places(self.geometry)
        m.submodules.addresses = addresses = Queue(read_layout, ADDRESSES)
        m.submodules.values = values = Queue(_entry(self.geometry), ahead)
        active, index, turn_codes = Signal(), Signal.like(self.index), Signal(bits_for(self.read))
        # Number of codes that are scaled in one cycle: two if a request has an even
        # number of codes and there are two scalers, otherwise one.
        self.some: Value = Const(1, 1)
        paired: Value = Const(0, 1)
        if self.ways > 1:
            paired = Signal()
            m.d.sync += paired.eq(~self.turn[0])
            self.some = Const(1, 1) << paired
        # ``out``: number of operands that have been requested and that the neurons
        # have not taken yet; ``some``: the queues have room for the operands of
        # one more request.
        out, some = Signal(range(ahead + 1)), Signal()
        operands_taken = Mux(values.o.valid & values.o.ready, values.o.payload.count, 0)
        m.d.comb += [
            self.operands.valid.eq(values.o.valid),
            self.operands.payload.eq(values.o.payload.operands),
            values.o.ready.eq(self.operands.ready),
            places.field.eq(self.field),
            places.begin.eq(self.begin),
            places.next.eq(active & ~places.over & some),
        ]
        m.d.sync += [
            turn_codes.eq(self.turn),
            out.eq(out + Mux(places.next, turn_codes, 0) - operands_taken),
            some.eq((out < ahead - 3 * self.read) & (addresses.level < ADDRESSES - PLACES_LATENCY - 2)),
            active.eq(active | self.begin),
        ]
        with m.If(places.next):
            m.d.sync += index.eq(Mux(places.turn, self.base, index + turn_codes))
        with m.If(self.begin):
            m.d.sync += index.eq(self.base)
        # All codes of a request go to the scaler before the next request is sent.
        pause = Signal(bits_for(self.read))
        granted = self.request & self.granted
        with m.If(granted):
            m.d.sync += pause.eq((turn_codes >> paired) - 1)
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        m.d.comb += [
            addresses.i.valid.eq(delayed(m, places.next, PLACES_LATENCY, "next")),
            addresses.i.payload.address.eq(places.address),
            addresses.i.payload.index.eq(delayed(m, index, PLACES_LATENCY, "index")),
            self.request.eq(addresses.o.valid & (pause == 0)),
            self.address.eq(addresses.o.payload.address),
            addresses.o.ready.eq(granted),
        ]
        came = delayed(m, granted, MAP_LATENCY, "came")
        first = delayed(m, addresses.o.payload.index, MAP_LATENCY, "asked_index")
        codes, left = (Signal(width) for width in (8 * self.read, bits_for(self.read)))
        number = Signal.like(self.index)
        with m.If(came):
            m.d.sync += [codes.eq(self.data), left.eq(turn_codes), number.eq(first)]
        with m.Elif(left != 0):
            m.d.sync += [
                codes.eq(codes >> (self.some << 3)),
                left.eq(left - self.some),
                number.eq(number + self.some),
            ]
        m.d.comb += [self.valid.eq(left != 0), self.index.eq(number)]
        m.d.comb += [self.a[i].eq(codes[8 * i : 8 * i + 8]) for i in range(self.ways)]
        self._pack(m, values)
        return m

    def _pack(self, m: Module, values: Queue) -> None:
        """Pack scaled operands into entries of as many operands as the
        neurons take per cycle."""
        codes_per_turn, some = self.geometry.neurons, self.some
        packed, position, in_group = (
            Signal(shape) for shape in (_entry(self.geometry), range(codes_per_turn), 16)
        )
        ends, filled = Signal(), Signal()
        m.d.comb += ends.eq((position == codes_per_turn - some) | (in_group == some))
        with m.If(self.value_valid):
            # If only one operand of a pair is valid, the upper half is don't-care: the
            # next operand overwrites it, or ``count`` excludes it.
            m.d.sync += [packed.operands[position + i].eq(self.value[i]) for i in reversed(range(self.ways))]
            m.d.sync += packed.count.eq(position + some)
            m.d.sync += [
                position.eq(Mux(ends, 0, position + some)),
                in_group.eq(Mux(in_group == some, self.group, in_group - some)),
            ]
        with m.If(self.begin):
            m.d.sync += [position.eq(0), in_group.eq(self.group)]
        m.d.sync += filled.eq(self.value_valid & ends)
        m.d.comb += [values.i.valid.eq(filled), values.i.payload.eq(packed)]


def _entry(g: Geometry) -> StructLayout:
    """Layout of an entry in the queue to the neurons: second operands and how many
    of them are valid."""
    return StructLayout({"operands": second_layout(g), "count": bits_for(g.neurons)})

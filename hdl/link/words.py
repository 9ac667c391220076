"""words: the part of the executor that reads, sums and writes words over the bus."""

from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Value

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.packets import Status
from ndrite.hdl.link.cobs import CRC_INIT, crc32_of_byte, crc32_step
from ndrite.hdl.link.states import States
from ndrite.hdl.parts.bus import STEP_LATENCY

BYTES_32, BYTES_16 = 4, 2
STATES = (
    *("count", "counted", "sized", "limited", "grant", "read", "stream", "put", "sum", "checked"),
    *("fetch", "write", "drain", "failed"),
)
PACE_BITS = 2
"""log2 of the cycles between two requests of streamed words: the four bytes of a word
are sent, or added to the checksum, one per cycle."""
STREAM_MOST = 1 + STEP_LATENCY // 4
"""Largest number of streamed words under way at once."""


class Words:
    """The part of the executor's state machine that handles memory requests:
    READ, READ_SHORT and CHECK begin in state ``count``, WRITE and WRITE_SHORT
    in state ``fetch``.

    ``short``, ``checking``, ``address`` and, for a write, ``amount`` (the number of
    words) describe the request; they are valid in state ``execute``. ``word`` is a
    shift register: bytes leave at its low end and enter at its high end. With
    ``streams``, accesses are steps that do not wait for each other: 4 cycles for a
    word read or summed, 4 or 8 for a word written. Other words wait for the bus,
    about 20 cycles each.
    """

    def __init__(self) -> None:
        self.short, self.checking = Signal(name="short"), Signal(name="checking")
        self.left, self.cursor = Signal(32, name="left"), Signal(32, name="cursor")
        self.address, self.amount = Signal(32, name="address"), Signal(16, name="amount")
        self.word, self.byte = Signal(32, name="word"), Signal(2, name="byte")
        self.crc = Signal(32, name="crc")
        self.wanted = Signal(16, name="wanted")
        self.empty, self.refused = Signal(name="empty"), Signal(name="refused")
        self.streams, self.arrives, self.putting = (Signal(name=n) for n in ("streams", "arrives", "putting"))
        # The byte counter ends at 3 for long and short words alike, so a short
        # word starts at 2.
        self.first_byte = Mux(self.short, BYTES_32 - BYTES_16, 0)

    def build(
        self, m: Module, states: States, bus: Any, geometry: Geometry, taken: Value, counted: Signal
    ) -> None:
        """Build all states but ``grant``. ``taken``: the packet's next byte is
        available; ``counted``: the byte being taken is the packet's last."""
        word, byte, left, cursor, crc = self.word, self.byte, self.left, self.cursor, self.crc
        many_16, many_32 = Signal(), Signal()
        # ``left`` is wide and constant between two words, so it is compared in two stages.
        low_one, high_zero, one_left, final = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [low_one.eq(left[:16] == 1), high_zero.eq(left[16:] == 0)]
        m.d.sync += one_left.eq(low_one & high_zero)
        ask, step, more, astray = Signal(name="ask"), Signal(name="step"), Signal(name="more"), Signal()
        under_way, pace = Signal(range(STREAM_MOST + 1), name="under_way"), Signal(PACE_BITS, name="pace")
        m.d.comb += [
            bus.request.eq(states["read"] | states["write"]),
            bus.step.eq(step),
            bus.write.eq(~states["read"] & ~states["stream"]),
            bus.address.eq(cursor),
            bus.write_data.eq(Mux(self.short, word[16:].as_signed(), word.as_signed())),
        ]
        # Actions that several states share are written only once, which keeps the
        # conditions of the actions short.
        last_byte = byte == BYTES_32 - 1
        with m.If(states["put"] | self.putting | (states["fetch"] & taken)):
            m.d.sync += byte.eq(Mux(last_byte, self.first_byte, byte + 1))
        stepped = Signal()
        m.d.sync += stepped.eq((states["read"] | states["write"]) & bus.done)
        with m.If(stepped | step):
            m.d.sync += [cursor.eq(cursor + 1), left.eq(left - 1), final.eq(one_left)]
        with states.at("execute"):
            m.d.sync += [cursor.eq(self.address), left.eq(self.amount), byte.eq(self.first_byte)]
            m.d.sync += [astray.eq(0), more.eq(1), pace.eq(0)]
        # The contribution of a byte to the CRC is selected a cycle before it is added.
        part, adding = Signal(32), Signal()
        m.d.sync += [part.eq(crc32_of_byte(word[:8])), adding.eq(states["put"] | self.putting)]
        with m.If(adding):
            m.d.sync += crc.eq(crc32_step(crc, Const(0, 8)) ^ part)

        # Bus accesses by ``step``, and their results: ``done`` without
        # ``request`` answers a step.
        idle = Signal()
        m.d.comb += self.arrives.eq(bus.done & states["stream"])
        m.d.sync += [
            step.eq(ask),
            under_way.eq(under_way + step - (bus.done & self.streams)),
            idle.eq((under_way == 0) & ~step & ~ask),
        ]
        with m.If(bus.done & self.streams & bus.error):
            m.d.sync += astray.eq(1)
        with m.If(self.arrives):
            m.d.sync += self.putting.eq(1)
        with m.Elif(last_byte):
            m.d.sync += self.putting.eq(0)

        with states.at("count"):
            # The payload of a READ or CHECK is only the number of words, in 2 or 4
            # bytes, low byte first.
            states.go("counted", when=taken & counted)
        with states.at("counted"):
            m.d.sync += [left.eq(Mux(self.checking, word, word[16:])), crc.eq(CRC_INIT)]
            states.go("sized")
        with states.at("sized"):
            m.d.sync += [
                self.wanted.eq(Mux(self.checking, BYTES_32, Mux(self.short, left << 1, left << 2))),
                self.empty.eq(left == 0),
                # Whether the requested words exceed a packet: the carry of an addition says so.
                many_16.eq((left[:16] + (0xFFFF - geometry.packet_bytes // BYTES_16))[16]),
                many_32.eq((left[:16] + (0xFFFF - geometry.packet_bytes // BYTES_32))[16]),
            ]
            states.go("limited")
        with states.at("limited"):
            many = Mux(self.short, many_16, many_32)
            m.d.sync += self.refused.eq(~self.checking & (self.empty | many))
            states.go("grant")

        with states.at("read"):
            with m.If(bus.done):
                states.choose((bus.error, "failed"), otherwise="put")
        with states.at("stream"):
            m.d.sync += pace.eq(pace + 1)
            m.d.comb += ask.eq(more & (pace == 0))
            with m.If((step & one_left) | astray):
                m.d.sync += more.eq(0)
            with m.If(~more & idle & ~self.putting):
                states.choose((astray, "failed"), (self.checking, "checked"), otherwise="finish")
        with states.at("put"):
            with m.If(last_byte):
                states.choose((~final, "read"), (self.checking, "sum"), otherwise="finish")
        states.chain("sum", "checked")
        with states.at("checked"):
            # The checksum is sent like the only word of a READ. A CHECK of no words
            # begins in this state.
            m.d.sync += [self.checking.eq(0), final.eq(1)]
            states.go("put")

        with states.at("fetch"):
            m.d.comb += ask.eq(taken & last_byte & self.streams)
            states.go("write", when=taken & last_byte & ~self.streams)
            states.go("drain", when=step & one_left)
        with states.at("write"):
            with m.If(bus.done):
                states.choose((bus.error, "failed"), (one_left, "verdict"), otherwise="fetch")

        with states.at("drain"):
            with m.If(idle):
                states.choose((astray, "failed"), otherwise="verdict")

        states.chain("failed", "verdict")

    def status(self) -> dict[str, Any]:
        """Return the status code of the response for each state that leads to a response."""
        return {
            "grant": Mux(self.refused, Status.BAD_LENGTH, Status.OK),
            "write": Status.OK,
            "drain": Status.OK,
            "failed": Status.BAD_ADDRESS,
        }

"""cobs: consistent-overhead byte stuffing, by which 0x00 occurs only at the end of a
frame; and the frame's CRC-32.

Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999, doi 10.1109/90.769765.
"""

from amaranth import Const, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.packets import CRC_POLYNOMIAL
from ndrite.hdl.link.states import States

CRC_INIT = 0xFFFFFFFF


def crc32_step(state: Value, byte: Value) -> Value:
    """Return the CRC register after one more byte (bit-reflected CRC-32: start from
    ``CRC_INIT``, invert the register at the end).

    Combinational, an XOR of at most 15 bits in each of 32 outputs: about 90 LUTs.
    """
    rows = [_row(i) for i in range(8)]
    result = state >> 8
    low = state[:8] ^ byte
    for i, row in enumerate(rows):
        result = result ^ (low[i].replicate(32) & row)
    return result


def crc32_of_byte(byte: Value) -> Value:
    """Return the contribution of ``byte`` to a CRC step: ``crc32_step(s, b) ==
    crc32_step(s, Const(0, 8)) ^ crc32_of_byte(b)``.

    A step is linear: kept in a register, this takes half of the XOR out of the loop.
    """
    return crc32_step(Const(0, 32), byte)


def _row(bit: int) -> int:
    """Return how bit ``bit`` of a byte changes the CRC register after eight shifts (one
    row of the CRC's matrix)."""
    value = 1 << bit
    for _ in range(8):
        value = (value >> 1) ^ (CRC_POLYNOMIAL if value & 1 else 0)
    return value


def crc_register(name: str) -> Signal:
    """Return a 32-bit CRC register in its initial state."""
    return Signal(32, init=CRC_INIT, name=name)


class CobsDecoder(wiring.Component):
    """Decodes frames: it outputs the body bytes of each frame, then ``end``, with
    ``bad`` set if the frame stopped inside a block.

    Always ready. A delimiter without a frame causes no ``end``. Latency: two cycles.
    Resources: about 40 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "data": In(8),
                "out_valid": Out(1),
                "out_data": Out(8),
                "end": Out(1),
                "bad": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left, inside = Signal(8), Signal()  # ``inside`` a block: ``left`` is not 0
        started = Signal()
        zero_due = Signal()
        # Registered for timing: the byte, whether it is the delimiter, and the block
        # length if it is a code byte.
        valid, data, delimits, follows, opens = Signal(), Signal(8), Signal(), Signal(8), Signal()
        m.d.sync += [valid.eq(self.valid), data.eq(self.data), delimits.eq(self.data == 0)]
        m.d.sync += [follows.eq(self.data - 1), opens.eq(self.data != 1)]
        m.d.sync += [self.out_valid.eq(0), self.end.eq(0)]
        with m.If(valid):
            with m.If(delimits):
                m.d.sync += [self.end.eq(started), self.bad.eq(inside)]
                m.d.sync += [left.eq(0), inside.eq(0), started.eq(0), zero_due.eq(0)]
            with m.Elif(~inside):
                # This is a code byte, so another block follows: send the zero that ends
                # the previous block now.
                m.d.sync += [
                    left.eq(follows),
                    inside.eq(opens),
                    started.eq(1),
                    zero_due.eq(data != 0xFF),
                    self.out_valid.eq(zero_due),
                    self.out_data.eq(0),
                ]
            with m.Else():
                m.d.sync += [left.eq(left - 1), inside.eq(left != 1)]
                m.d.sync += [self.out_valid.eq(1), self.out_data.eq(data)]
        return m


class CobsSender(wiring.Component):
    """Sends the first ``length`` bytes of a memory as one frame: COBS, then 0x00.

    ``start`` for one cycle while ``busy`` is down. The memory answers ``address`` with
    ``data`` two cycles later. Latency: two memory passes over each block of up to 254
    bytes, 3 cycles a byte each, and 9 cycles a block. Resources: about 80 LUTs.
    """

    def __init__(self, depth: int) -> None:
        bits = bits_for(depth)
        super().__init__(
            {
                "start": In(1),
                "length": In(bits),
                "busy": Out(1),
                "address": Out(bits),
                "data": In(8),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pointer, begin, end = (Signal.like(self.length, name=n) for n in ("pointer", "begin", "end"))
        run = Signal(8)
        payload, offered = Signal(8), Signal()
        # A block ends with the frame's body, at the greatest block length, or at a
        # zero. The end is detected a cycle before it takes effect.
        full, zero, stop, none_left = (Signal(name=n) for n in ("full", "zero", "stop", "none_left"))
        low_end, high_end = Signal(), Signal()
        m.d.sync += [low_end.eq(pointer[:6] == end[:6]), high_end.eq(pointer[6:] == end[6:])]
        at_end = low_end & high_end
        m.d.sync += [full.eq(run == 254), none_left.eq(run == 0)]
        m.d.sync += [zero.eq(self.data == 0), stop.eq(at_end | full | (self.data == 0))]
        closed_by_zero, last = Signal(), Signal()
        states = States(
            m,
            *("idle", "fetch", "fetching", "fetched", "scan"),
            *("code", "offer", "next", "copy", "block", "delimiter", "close"),
        )
        accepted = offered & self.o.ready
        m.d.comb += [
            self.busy.eq(~states["idle"]),
            self.address.eq(pointer),
            self.o.valid.eq(offered),
            self.o.payload.eq(payload),
        ]
        with m.If(accepted):
            m.d.sync += offered.eq(0)
        with states.at("idle"):
            m.d.sync += [pointer.eq(0), begin.eq(0), run.eq(0), end.eq(self.length)]
            states.go("fetch", when=self.start)
        states.chain("fetch", "fetching", "fetched")
        with states.at("fetched"):
            # This byte stays on the read port for one more cycle, while the next byte
            # is already addressed.
            m.d.sync += pointer.eq(pointer + 1)
            states.go("scan")
        with states.at("scan"):
            m.d.sync += [closed_by_zero.eq(zero & ~at_end & ~full), last.eq(at_end)]
            with m.If(stop):
                states.go("code")
            with m.Else():
                m.d.sync += run.eq(run + 1)
                states.go("fetching")
        with states.at("code"):
            m.d.sync += [payload.eq(run + 1), offered.eq(1), pointer.eq(begin)]
            states.go("offer")
        with states.at("offer"):
            states.go("next", when=accepted)
        with states.at("next"):
            states.choose((~none_left, "copy"), (last, "delimiter"), otherwise="block")
        with states.at("block"):
            # The code byte of the next block stands for this zero too, even if that
            # block is empty: skip the zero.
            m.d.sync += [pointer.eq(pointer + closed_by_zero), begin.eq(pointer + closed_by_zero)]
            states.go("fetch")
        with states.at("copy"):
            m.d.sync += [payload.eq(self.data), offered.eq(1), pointer.eq(pointer + 1), run.eq(run - 1)]
            states.go("offer")
        with states.at("delimiter"):
            m.d.sync += [payload.eq(0), offered.eq(1)]
            states.go("close")
        with states.at("close"):
            states.go("idle", when=accepted)
        return m

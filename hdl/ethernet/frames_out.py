"""frames_out: sends datagrams and ARP answers in Ethernet frames."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.hdl.ethernet.frames_in import (
    ARP_HEAD,
    FCS_BYTES,
    IP_BYTES,
    PREAMBLE,
    PROTOCOLS,
    SHORTEST,
    START,
    UDP_BYTES,
)
from ndrite.hdl.ethernet.slots import DESCRIPTOR_LAYOUT
from ndrite.hdl.link.cobs import CRC_INIT, crc32_of_byte, crc32_step, crc_register
from ndrite.hdl.link.states import States
from ndrite.hdl.parts.pipeline import delayed

PREAMBLE_BYTES = 8
GAP_BYTES = 13
"""Cycles from the last data byte to the next frame: with three more until its preamble,
they cover the four FCS bytes and the gap of twelve bytes."""
TIME_TO_LIVE = 64


class FramesOut(wiring.Component):
    """Sends frames as GMII bytes, one per cycle while ``valid`` is high.

    ``datagrams`` is the next datagram, which does not pause; its ``descriptor`` is
    valid together with its bytes. ``arp`` is a pulse with the addresses of the host to
    answer. Answers to ARP are sent first. Latency: about 60 cycles to the first byte of
    a payload. Resources: about 450 LUTs.
    """

    def __init__(self, own: Addresses) -> None:
        self.own = own
        super().__init__(
            {
                "datagrams": In(stream.Signature(8)),
                "last": In(1),
                "descriptor": In(DESCRIPTOR_LAYOUT),
                "arp": In(1),
                "arp_mac": In(48),
                "arp_address": In(32),
                "valid": Out(1),
                "byte": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        states = States(m, "idle", "ready", "preamble", "head", "body", "pad", "gap")
        d = self.descriptor
        arp_pending, of_arp, echo = Signal(), Signal(), Signal()
        asker_mac, asker_address = Signal(48), Signal(32)
        mac, address = Signal(48), Signal(32)
        with m.If(self.arp & ~arp_pending):
            m.d.sync += [arp_pending.eq(1), asker_mac.eq(self.arp_mac), asker_address.eq(self.arp_address)]
        with states.at("idle"):
            m.d.sync += of_arp.eq(arp_pending)
            states.go("ready", when=arp_pending | self.datagrams.valid)
        position, size, left = Signal(6), Signal(range(SHORTEST)), Signal(5)
        m.d.sync += echo.eq(d.echo)
        with states.at("ready"):
            m.d.sync += [
                mac.eq(Mux(of_arp, asker_mac, d.mac)),
                address.eq(Mux(of_arp, asker_address, d.address)),
                position.eq(0),
                size.eq(0),
            ]
            with m.If(of_arp):
                m.d.sync += arp_pending.eq(0)
            states.go("preamble")
        with states.at("preamble"):
            m.d.sync += position.eq(position + 1)
            with m.If(position == PREAMBLE_BYTES - 1):
                m.d.sync += position.eq(0)
                states.go("head")
        self.to_mac, self.to_address, self.to_echo = mac, address, echo
        ip_sum, udp_sum = self._checksums(m, states["ready"])
        heads, ends = self._heads(m, position, of_arp, ip_sum, udp_sum)
        with states.at("head"):
            m.d.sync += position.eq(position + 1)
            with m.If(ends):
                states.choose((of_arp, "pad"), otherwise="body")
        with states.at("body"):
            with m.If(self.last):
                states.choose((size >= SHORTEST - FCS_BYTES - 1, "gap"), otherwise="pad")
        with states.at("pad"):
            states.go("gap", when=size >= SHORTEST - FCS_BYTES - 1)
        with m.If((states["head"] | states["body"] | states["pad"]) & (size != SHORTEST - 1)):
            m.d.sync += size.eq(size + 1)
        m.d.sync += left.eq(Mux(states["gap"], left - 1, GAP_BYTES))
        with states.at("gap"):
            states.go("idle", when=left == 0)
        m.d.comb += self.datagrams.ready.eq(states["body"])

        # The frame's bytes are followed by their FCS. The FCS is complete in the cycle
        # in which its own first byte is sent.
        byte, kind, byte_late, kind_late = Signal(8), Signal(2), Signal(8), Signal(2)
        part = Signal(32)
        # A header byte is selected from many in three pipeline stages (within eight,
        # the eight, the header); bytes of preamble, body and padding are delayed by
        # three cycles to match.
        was = {n: delayed(m, states[n], 3, f"was_{n}") for n in ("preamble", "head", "body", "pad")}
        opening = delayed(m, Mux(position == PREAMBLE_BYTES - 1, START, PREAMBLE), 3, "opening")
        payload, chosen = delayed(m, self.datagrams.payload, 3, "payload"), Signal(8)
        arp_byte, icmp_byte, udp_byte = heads
        m.d.sync += chosen.eq(Mux(of_arp, arp_byte, Mux(echo, icmp_byte, udp_byte)))
        with m.If(was["preamble"]):
            m.d.sync += byte.eq(opening)
        with m.Elif(was["head"]):
            m.d.sync += byte.eq(chosen)
        with m.Elif(was["body"]):
            m.d.sync += byte.eq(payload)
        with m.Else():
            m.d.sync += byte.eq(0)
        summed = was["head"] | was["body"] | was["pad"]
        m.d.sync += kind.eq(Cat(was["preamble"] | summed, summed))
        m.d.sync += [byte_late.eq(byte), kind_late.eq(kind), part.eq(crc32_of_byte(byte))]
        crc, ending = crc_register("crc"), Signal(range(FCS_BYTES + 1))
        sent, sending = Signal(8), Signal()
        m.d.sync += [sent.eq(byte_late), sending.eq(kind_late[0])]
        with m.If(kind_late[1]):
            m.d.sync += [crc.eq(crc32_step(crc, Const(0, 8)) ^ part), ending.eq(FCS_BYTES)]
        with m.Elif((ending != 0) & ~sending):
            m.d.sync += [crc.eq(Cat(crc[8:], Const(0xFF, 8))), ending.eq(ending - 1)]
        with m.Elif(ending == 0):
            m.d.sync += crc.eq(CRC_INIT)
        m.d.sync += [
            self.valid.eq(sending | (ending != 0)),
            self.byte.eq(Mux(sending, sent, ~crc[:8])),
        ]
        return m

    def _checksums(self, m: Module, begin: Signal) -> tuple[Signal, Signal]:
        """Compute the checksums of the IP header and of the UDP or ICMP packet, one
        16-bit addition at a time.

        An addition takes three cycles: fetch the word, add, add the carry. All sums are
        ready well before their bytes are sent.
        """
        d, own_addresses, address, echo = self.descriptor, self.own, self.to_address, self.to_echo
        udp_length = Signal(12)
        ip_length = Signal(12)
        m.d.sync += udp_length.eq(d.length + UDP_BYTES)
        m.d.sync += ip_length.eq(d.length + Mux(d.echo, IP_BYTES + 4, IP_BYTES + UDP_BYTES))
        self.udp_length, self.ip_length = udp_length, ip_length
        mine = own_addresses.address.to_bytes(4, "big")
        words = [0x4500, 0x4000, TIME_TO_LIVE << 8]
        words += [int.from_bytes(mine[i : i + 2], "big") for i in (0, 2)]
        ip_base = _folded(sum(words))
        udp_base = _folded(sum(words[3:]) + own_addresses.port + PROTOCOLS["udp"])
        step, phase = Signal(4), Signal(2)
        addend, word_now, total = Signal(16), Signal(16), Signal(17)
        ip_sum, udp_sum = Signal(16), Signal(16)
        # Type and code of an ICMP echo reply are 0, so only the other words
        # contribute to its checksum.
        with m.Switch(step):
            for i, word in enumerate(
                (
                    Const(ip_base, 16),
                    Mux(echo, PROTOCOLS["icmp"], PROTOCOLS["udp"]),
                    ip_length,
                    address[16:],
                    address[:16],
                    Mux(echo, 0, Const(udp_base, 16)),
                    d.sum,
                    Mux(echo, 0, d.port),
                    Mux(echo, 0, udp_length),
                    Mux(echo, 0, udp_length),
                    Mux(echo, 0, address[16:]),
                    Mux(echo, 0, address[:16]),
                )
            ):
                with m.Case(i):
                    m.d.comb += word_now.eq(word)
        m.d.sync += [addend.eq(word_now), phase.eq(Mux(phase == 2, 0, phase + 1))]
        with m.If(begin):
            m.d.sync += [step.eq(0), phase.eq(0), total.eq(0)]
        with m.Elif(phase == 1):
            m.d.sync += total.eq(total[:16] + addend)
        with m.Elif(phase == 2):
            m.d.sync += [total.eq(total[:16] + total[16]), step.eq(Mux(step == 13, 13, step + 1))]
            with m.If(step == 4):
                m.d.sync += [ip_sum.eq(~(total[:16] + total[16])[:16]), total.eq(0)]
            with m.If(step == 11):
                m.d.sync += udp_sum.eq(~(total[:16] + total[16])[:16])
        return ip_sum, udp_sum

    def _heads(
        self, m: Module, at: Signal, of_arp: Signal, ip_sum: Signal, udp_sum: Signal
    ) -> tuple[list[Signal], Signal]:
        """Return the bytes number ``at`` of the ARP, ICMP and UDP headers, two cycles
        later, and a signal that marks the last byte of a header."""
        d, own_addresses, mac, address, echo = (
            self.descriptor,
            self.own,
            self.to_mac,
            self.to_address,
            self.to_echo,
        )
        ends = Signal()

        def big(value: object, count: int) -> list[object]:
            """Return the bytes of a number, most significant byte first."""
            return [value[8 * i : 8 * i + 8] for i in reversed(range(count))]  # type: ignore[index]

        own_mac, own_address = Const(own_addresses.mac, 48), Const(own_addresses.address, 32)
        ethernet = [*big(mac, 6), *big(own_mac, 6)]
        answer = [*ARP_HEAD[:-1], 2]
        arp = [*ethernet, *answer, *big(own_mac, 6), *big(own_address, 4), *big(mac, 6), *big(address, 4)]
        protocol = Mux(echo, PROTOCOLS["icmp"], PROTOCOLS["udp"])
        ip = [*ethernet, 8, 0, 0x45, 0, *big(Cat(self.ip_length, Const(0, 4)), 2), 0, 0, 0x40, 0]
        ip += [TIME_TO_LIVE, protocol, *big(ip_sum, 2), *big(own_address, 4), *big(address, 4)]
        # In a UDP header, 0 means that there is no checksum, so a checksum of 0 is
        # sent as all ones.
        fixed = Signal(16)
        m.d.sync += fixed.eq(Mux(udp_sum == 0, 0xFFFF, udp_sum))
        icmp = [*ip, 0, 0, *big(udp_sum, 2)]
        udp = [*ip, *big(Const(own_addresses.port, 16), 2), *big(d.port, 2)]
        udp += [*big(Cat(self.udp_length, Const(0, 4)), 2), *big(fixed, 2)]
        heads, eight = [], delayed(m, at[3:], 1, "eight")
        for name, fields in {"arp": arp, "icmp": icmp, "udp": udp}.items():
            eights = []
            for first in range(0, len(fields), 8):
                eights.append(_selected(m, at[:3], fields[first : first + 8], f"{name}_{first}"))
            heads.append(_selected(m, eight, eights, f"{name}_byte"))
        last = [len(fields) - 1 for fields in (arp, icmp, udp)]
        m.d.comb += ends.eq(at == Mux(of_arp, last[0], Mux(echo, last[1], last[2])))
        return heads, ends


def _selected(m: Module, number: Value, values: Sequence[object], name: str) -> Signal:
    """Return the byte of that number, one cycle later."""
    byte = Signal(8, name=name)
    with m.Switch(number):
        for i, value in enumerate(values):
            with m.Case(i):
                m.d.sync += byte.eq(value)
    return byte


def _folded(total: int) -> int:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total

"""frames_in: receives Ethernet frames, and keeps complete datagrams and ARP
requests for this device."""

from collections.abc import Iterable

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.packets import CRC_RESIDUE
from ndrite.hdl.ethernet.addresses import Addresses
from ndrite.hdl.ethernet.slots import DESCRIPTOR_LAYOUT, LENGTH_BITS
from ndrite.hdl.link.cobs import CRC_INIT, crc32_of_byte, crc32_step, crc_register

PREAMBLE, START = 0x55, 0xD5
FCS_BYTES = 4
SHORTEST, LONGEST = 64, 1518
"""Bytes of the shortest and the longest frame, FCS included."""
IP, IP_BYTES = 14, 20
ADDRESSES = IP + 12
"""Position of the two addresses in the IP header, which a UDP checksum covers too."""
UDP = ICMP = IP + IP_BYTES
UDP_BYTES, ECHO_BYTES = 8, 4
"""Header bytes before the data that is kept: a UDP payload, or the part of an ICMP echo
that its answer repeats."""
HEADERS = UDP + UDP_BYTES
"""Bytes of the longest headers: those of a datagram, and an ARP request."""
BROADCAST = b"\xff" * 6
ARP_HEAD = bytes([8, 6, 0, 1, 8, 0, 6, 4, 0, 1])
"""First bytes of an ARP request: EtherType, hardware type (Ethernet), protocol (IPv4),
lengths of their addresses, and the code of a request."""
PROTOCOLS = {"icmp": 1, "udp": 17}
SOURCES: dict[str, tuple[int, int, dict[int, tuple[int, int]]]] = {
    "source": (6, 6, {6: (0, 0x01)}),
    "inquirer": (22, 6, {22: (0, 0x01)}),
    "sender": (ADDRESSES, 4, {}),
}
"""Address fields that name the sender of a frame, of an ARP request and of a datagram
-> (first byte, number of bytes, pattern of the address of a single host)."""


class FramesIn(wiring.Component):
    """Receives frames as GMII bytes, one per cycle while ``valid`` is high; ``error``
    marks a byte that the PHY received with an error.

    A UDP datagram or ICMP echo request for this device goes to the slots (``put``,
    ``data``, then ``keep`` with ``kept``, or ``drop``) if preamble, FCS, lengths and
    every checksum are right. Dropped are: UDP datagrams without a checksum; IPv4
    options and fragments; VLAN tags; frames whose sender is no host, a group, or this
    device; and frames for which there is no ``room``. ``arp`` pulses when a host asks
    for this device's MAC address; its own addresses are on ``arp_mac`` and
    ``arp_address``. Latency: 8 cycles after a frame. Resources: about 500 LUTs.
    """

    def __init__(self, own: Addresses) -> None:
        self.own = own
        super().__init__(
            {
                "valid": In(1),
                "byte": In(8),
                "error": In(1),
                "put": Out(1),
                "data": Out(8),
                "keep": Out(1),
                "drop": Out(1),
                "kept": Out(DESCRIPTOR_LAYOUT),
                "room": In(1),
                "arp": Out(1),
                "arp_mac": Out(48),
                "arp_address": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # ``taken`` is the latest byte of a frame; ``at`` is the number of that byte,
        # counted from the end of the preamble.
        self.valid_late, self.taken = Signal(), Signal(8)
        self.at = Signal(range(LONGEST + 2))
        self.here = Signal(HEADERS, init=1)
        """Bit i is set while header byte i is in ``taken``. One bit a byte, because
        comparing a counter with all numbers of a field takes twice as many levels of
        logic, too many for 125 MHz in a full device."""
        self.late = Signal(8)
        """The byte before ``taken``; by then its number has been decoded."""
        inside, hunting, valid_before, ended, doubted = (
            Signal(name=n) for n in ("inside", "hunting", "seen", "ended", "doubted")
        )
        m.d.sync += [valid_before.eq(self.valid), self.taken.eq(self.byte), self.late.eq(self.taken)]
        m.d.sync += [self.valid_late.eq(self.valid & inside), ended.eq(~self.valid & inside)]
        opening = ~inside & (~valid_before | hunting)
        m.d.sync += hunting.eq(self.valid & opening & (self.byte == PREAMBLE))
        m.d.sync += inside.eq(self.valid & (inside | (opening & (self.byte == START))))
        with m.If(inside & self.error):
            m.d.sync += doubted.eq(1)
        with m.If(self.valid_late & (self.at != LONGEST + 1)):
            m.d.sync += self.at.eq(self.at + 1)
        with m.If(self.valid_late):
            m.d.sync += self.here.eq(self.here << 1)
        crc, part, summing = crc_register("crc"), Signal(32), Signal()
        m.d.sync += [part.eq(crc32_of_byte(self.taken)), summing.eq(self.valid_late)]
        with m.If(summing):
            m.d.sync += crc.eq(crc32_step(crc, Const(0, 8)) ^ part)

        # After a frame's last byte: fold the checksum sums, judge the frame, keep or
        # drop it, then clear the state.
        behind = Signal(7)
        m.d.sync += behind.eq(Cat(ended, behind))
        self.forget = behind[6]
        facts = self._headers(m)
        brings = self._payload(m, facts)
        sound = Signal()
        m.d.sync += sound.eq((crc == CRC_RESIDUE) & ~doubted & (self.at >= SHORTEST) & (self.at <= LONGEST))
        # The sender must be a single host other than this device, so that an answer
        # can be sent to it.
        source, inquirer, sender = (
            ~facts[f"{who}_none"]
            & ~facts[f"{who}_own"]
            & (facts[f"{who}_one"] if one else ~facts[f"{who}_many"])
            for who, (_, _, one) in SOURCES.items()
        )
        datagram = sound & facts["for_us"] & facts["ip"] & brings & source & sender
        arp_for_us = (facts["for_us"] | facts["for_all"]) & facts["arp"] & source & inquirer
        m.d.sync += [
            self.keep.eq(behind[4] & datagram),
            self.drop.eq(behind[4] & ~datagram),
            self.arp.eq(behind[4] & sound & arp_for_us),
        ]
        with m.If(self.forget):
            m.d.sync += [self.at.eq(0), self.here.eq(1), doubted.eq(0), crc.eq(CRC_INIT)]
            m.d.sync += [fact.eq(fact.init) for fact in facts.values()]
        return m

    def _at_one_of(self, numbers: Iterable[int]) -> Value:
        """Return whether the byte in ``taken`` has one of some numbers."""
        return Cat(self.here[number] for number in numbers).any()

    def _agree(self, m: Module, fact: Signal, name: str, wanted: dict[int, tuple[int, int]]) -> None:
        """Clear ``fact`` if a received byte differs from ``wanted``, which maps a
        byte's number to (expected byte, mask of the compared bits).

        The expected byte is looked up while the received byte is in ``taken``, and
        compared in the next cycle.
        """
        expected_byte, care = (Signal(8, name=f"{name}_{part}") for part in ("wanted", "care"))
        for bit in range(8):
            ones = [number for number, (byte, _) in wanted.items() if byte >> bit & 1]
            compared = [number for number, (_, mask) in wanted.items() if mask >> bit & 1]
            m.d.sync += [
                expected_byte[bit].eq(self._at_one_of(ones)),
                care[bit].eq(self.valid_late & self._at_one_of(compared)),
            ]
        with m.If(((self.late ^ expected_byte) & care).any()):
            m.d.sync += fact.eq(0)

    def _take(self, m: Module, field: Value, name: str, first: int, count: int) -> None:
        """Shift ``count`` received bytes, from byte number ``first`` on, into
        ``field``, most significant byte first."""
        taking = Signal(name=f"{name}_taking")
        m.d.sync += taking.eq(self.valid_late & self._at_one_of(range(first, first + count)))
        with m.If(taking):
            m.d.sync += field.eq(Cat(self.late, field[:-8]))

    def _headers(self, m: Module) -> dict[str, Signal]:
        """Parse the headers into facts (registers that stay set until a byte
        contradicts them) and into the fields for lengths and addresses."""
        own_addresses = self.own
        address = own_addresses.address.to_bytes(4, "big")
        # The IP header must have no options and must not be a fragment; the bit "do not
        # fragment" is allowed.
        unfragmented = {IP + 6: (0, 0xBF), IP + 7: (0, 0xFF)}
        patterns = {
            "for_us": _bytes(0, own_addresses.mac.to_bytes(6, "big")),
            "for_all": _bytes(0, BROADCAST),
            "arp": _bytes(12, ARP_HEAD) | _bytes(38, address),
            "ip": _bytes(12, b"\x08\x00\x45") | unfragmented | _bytes(IP + 16, address),
            "icmp": _bytes(IP + 9, bytes([PROTOCOLS["icmp"]])) | _bytes(ICMP, b"\x08\x00"),
            "udp": _bytes(IP + 9, bytes([PROTOCOLS["udp"]]))
            | _bytes(UDP + 2, own_addresses.port.to_bytes(2, "big")),
        }
        # The sender must be a single host: not a multicast group (group bit, or
        # 224.0.0.0 and above), not address 0, and not this device.
        for who, (first_byte, width, unicast) in SOURCES.items():
            mine = own_addresses.mac.to_bytes(6, "big") if width == 6 else address
            patterns |= {
                f"{who}_own": _bytes(first_byte, mine),
                f"{who}_none": _bytes(first_byte, bytes(width)),
            }
            patterns |= {f"{who}_one": unicast} if unicast else {f"{who}_many": {first_byte: (0xE0, 0xE0)}}
        facts = {name: Signal(name=name, init=1) for name in patterns}
        for name, of_it in patterns.items():
            self._agree(m, facts[name], name, of_it)
        facts |= {name: Signal(16, name=name) for name in ("ip_length", "udp_length")}
        facts["summed"] = Signal(name="summed")
        for name, field, first, count in (
            ("mac", self.kept.mac, 6, 6),
            ("arp_mac", self.arp_mac, 22, 6),
            ("arp_address", self.arp_address, 28, 4),
            ("ip_length", facts["ip_length"], IP + 2, 2),
            ("address", self.kept.address, ADDRESSES, 4),
            ("port", self.kept.port, UDP, 2),
            ("udp_length", facts["udp_length"], UDP + 4, 2),
        ):
            self._take(m, field, name, first, count)
        checksum = Signal()
        m.d.sync += checksum.eq(self.valid_late & self._at_one_of(range(UDP + 6, UDP + 8)))
        with m.If(checksum & (self.late != 0)):
            m.d.sync += facts["summed"].eq(1)  # a UDP checksum of 0 means that there is none
        return facts

    def _payload(self, m: Module, facts: dict[str, Signal]) -> Value:
        """Store payload bytes in the slots, as many as the header's length fields say;
        return whether lengths and checksums are right."""
        begin, first_summed, end = Signal(6), Signal(6), Signal(17)
        # ``end_less``: number of the datagram's last byte; ``frame_end``: number of
        # bytes up to the end of the FCS. Both are computed long before they are used.
        end_less, frame_end = Signal(17), Signal(17)
        ahead, within, before_end, summed_here = Signal(17), Signal(), Signal(), Signal()
        inner = Signal()
        m.d.comb += [
            ahead.eq(self.at + self.valid_late),
            inner.eq(Mux(self.valid_late, self.at < end_less, self.at < end)),
        ]
        m.d.sync += [
            end.eq(facts["ip_length"] + IP),
            end_less.eq(facts["ip_length"] + (IP - 1)),
            frame_end.eq(facts["ip_length"] + (IP + FCS_BYTES)),
            begin.eq(Mux(facts["udp"], UDP + UDP_BYTES, ICMP + ECHO_BYTES)),
            first_summed.eq(Mux(facts["udp"], ADDRESSES, ICMP)),
            # These three are computed one byte ahead, from the number of the next byte.
            before_end.eq(inner),
            within.eq((ahead >= begin) & inner),
            summed_here.eq((ahead >= IP) & (ahead < UDP)),
        ]
        count, crowded = Signal(LENGTH_BITS), Signal()
        in_payload = self.valid_late & within & facts["ip"]
        m.d.sync += [self.put.eq(in_payload & self.room & ~crowded), self.data.eq(self.taken)]
        with m.If(in_payload & ~self.room):
            m.d.sync += crowded.eq(1)
        with m.If(self.put):
            m.d.sync += count.eq(count + 1)

        word, adds = Signal(16), Signal(2)
        sums = [Signal(27, name=f"sum_{i}") for i in range(2)]
        m.d.sync += [
            word.eq(Mux(self.at[0], self.taken, self.taken << 8)),
            adds[0].eq(self.valid_late & summed_here),
            adds[1].eq(self.valid_late & before_end & (self.at >= first_summed)),
        ]
        for i, total in enumerate(sums):
            with m.If(adds[i]):
                m.d.sync += total.eq(total + word)
        # The rest of the UDP pseudo header: the protocol number, and the UDP
        # length a second time.
        pseudo, udp_sum, right = Signal(17), Signal(27), Signal(2)
        folded = [Signal(17, name=f"folded_{i}") for i in range(2)]
        m.d.sync += [
            pseudo.eq(Mux(facts["udp"], facts["udp_length"] + PROTOCOLS["udp"], 0)),
            udp_sum.eq(sums[1] + pseudo),
        ]
        for i, total in enumerate((sums[0], udp_sum)):
            m.d.sync += folded[i].eq(total[:16] + total[16:])
            # The checksum is right if the sum with its carry added is all ones.
            low, carry = folded[i][:16], folded[i][16]
            m.d.sync += right[i].eq(low[1:].all() & (low[0] ^ carry))
        m.d.comb += [self.kept.length.eq(count), self.kept.echo.eq(facts["icmp"])]
        lengths, complete, udp_whole = Signal(), Signal(), Signal(17)
        m.d.sync += [
            udp_whole.eq(facts["udp_length"] + IP_BYTES),
            lengths.eq(udp_whole == facts["ip_length"]),
            complete.eq((self.at >= frame_end) & (count != 0) & ~crowded),
        ]
        with m.If(self.forget):
            m.d.sync += [total.eq(0) for total in sums]
            m.d.sync += [count.eq(0), crowded.eq(0)]
        return right.all() & complete & (facts["icmp"] | (facts["udp"] & facts["summed"] & lengths))


def _bytes(first: int, wanted: bytes) -> dict[int, tuple[int, int]]:
    """Return the pattern for received bytes from number ``first`` up: the expected byte
    and the mask 0xFF (all bits are compared) by byte number."""
    return {first + i: (byte, 0xFF) for i, byte in enumerate(wanted)}

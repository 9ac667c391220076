"""A host at the other end of the RGMII pins: frames made and read by scapy, carried
by cocotbext-eth."""

import itertools
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Timer
from cocotbext.eth import GmiiFrame, RgmiiSink, RgmiiSource
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw, raw

from ndrite.emulator.spec.datagrams import HEADER, HEADER_BYTES, OPEN_BYTES, PORT, VERSION, Kind
from tests.hdl.streams import pulse

BOARD_MAC, BOARD_IP = "02:6e:64:72:00:05", "192.168.1.50"
HOST_MAC, HOST_IP, HOST_PORT = "02:00:00:00:00:09", "192.168.1.9", 40_123
HALF_PERIOD_PS = 4000
"""Of 125 MHz."""
JITTER_PS = 300
"""Of each edge of the PHY's clock, at most, either way."""


class Host:
    """One of a network; ``rng`` jitters its clock and the gaps between its frames."""

    def __init__(self, dut: Any, rng: np.random.Generator, *, clock_ns: float = 10) -> None:
        self.dut, self.rng = dut, rng
        self.source = RgmiiSource(dut.rx_data, dut.rx_ctl, dut.rx_clk)
        self.sink = RgmiiSink(dut.tx_data, dut.tx_ctl, dut.tx_clk)
        self.clock_ns = clock_ns
        self.mac, self.ip, self.port = HOST_MAC, HOST_IP, HOST_PORT
        self.token = self.number = 0

    async def begin(self) -> None:
        """Clocks, which drift against each other, and a reset."""
        dut = self.dut
        cocotb.start_soon(Clock(dut.clk, round(self.clock_ns * 1000), "ps").start())
        cocotb.start_soon(self._clock())
        await pulse(dut, "rst", 5)
        await Timer(200, "ns")

    async def _clock(self) -> None:
        """The PHY's, 50 ppm too fast, each edge early or late."""
        late = 0
        for level in itertools.cycle((1, 0)):
            self.dut.rx_clk.value = level
            jitter = int(self.rng.integers(-JITTER_PS, JITTER_PS + 1))
            await Timer(HALF_PERIOD_PS + jitter - late, "ps")
            late = jitter

    async def send(self, packet: Packet | bytes, **damage: Any) -> None:
        """A frame with a good FCS, unless ``damage`` says otherwise."""
        await self.source.send(framed(packet, **damage))

    async def settle(self, nanoseconds: int = 6000) -> list[Packet]:
        """What comes until nothing more does; FCS, lengths and checksums are checked."""
        await self.source.wait()
        packets = []
        while True:
            await Timer(nanoseconds, "ns")
            if self.sink.empty():
                return packets
            while not self.sink.empty():
                packets.append(checked(self.sink.recv_nowait()))

    # -- what there is to send

    def arp(self, address: str = BOARD_IP, to: str = "ff:ff:ff:ff:ff:ff") -> Packet:
        return Ether(src=self.mac, dst=to) / ARP(op="who-has", hwsrc=self.mac, psrc=self.ip, pdst=address)

    def ip_to_board(self, **fields: Any) -> Packet:
        return Ether(src=self.mac, dst=BOARD_MAC) / IP(src=self.ip, dst=BOARD_IP, **fields)

    def ping(self, data: bytes, number: int = 1) -> Packet:
        return self.ip_to_board() / ICMP(type="echo-request", id=77, seq=number) / Raw(data)

    def udp(self, payload: bytes, **fields: Any) -> Packet:
        ports = {"sport": self.port, "dport": PORT} | fields
        return self.ip_to_board() / UDP(**ports) / Raw(payload)

    def open_request(self, own: int) -> Packet:
        return self.udp(HEADER.pack(Kind.OPEN, VERSION, 0, 0, own).ljust(OPEN_BYTES, b"\0"))

    def piece(self, data: bytes) -> Packet:
        """The session's next datagram."""
        self.number += 1
        return self.udp(HEADER.pack(Kind.DATA, VERSION, 0, self.number, self.token) + data)

    async def say(self, data: bytes) -> bytes:
        """Send it as the session's next datagram; what was sent."""
        await self.send(self.piece(data))
        return data

    async def open(self, own: int = 0x0123_4567_89AB_CDEF) -> None:
        """Take what the board offers."""
        await self.send(self.open_request(own))
        (offer,) = await self.settle()
        kind, _, _, _, self.token = HEADER.unpack_from(payload(offer))
        assert kind == Kind.OFFER
        assert payload(offer)[HEADER_BYTES:] == own.to_bytes(8, "little")
        self.number = 0


def framed(
    packet: Packet | bytes,
    *,
    fcs_xor: int = 0,
    cut: int | None = None,
    error_at: int | None = None,
    shortest: int = 60,
) -> GmiiFrame:
    """A frame for the line: FCS damaged, cut to so many bytes, or with the PHY's
    error at one byte."""
    frame = GmiiFrame.from_payload(raw(packet), min_len=shortest)
    data = bytearray(frame.data)
    for i in range(4):
        data[i - 4] ^= fcs_xor >> 8 * i & 0xFF
    if cut is not None:
        del data[cut:]
    frame.data = data
    frame.error = [int(i == error_at) for i in range(len(data))]
    return frame


def checked(frame: GmiiFrame) -> Packet:
    """What a frame holds; preamble, FCS, least length and every checksum must be right."""
    data = bytes(frame.data)
    # The sink wakes with the first byte, which it misses where the clock comes with it.
    assert data[:7] == b"\x55" * 6 + b"\xd5"
    frame.data = bytearray(b"\x55" + data)
    assert frame.check_fcs()
    assert not any(frame.error or [])
    body = data[7:-4]
    assert 60 <= len(body) <= 1514
    packet, again = Ether(body), Ether(body)
    for layer in (IP, ICMP, UDP):
        if layer in again:
            del again[layer].chksum
            if layer is not ICMP:
                del again[layer].len
    assert raw(again) == raw(packet), "a length or a checksum is not what scapy makes it"
    return packet


def payload(packet: Packet) -> bytes:
    """Of a UDP datagram, without the frame's padding."""
    assert packet[UDP].sport == PORT
    assert packet[UDP].chksum != 0
    return bytes(packet[UDP].payload)[: packet[UDP].len - 8]

"""cocotb: frames at the RGMII pins, good ones and all that can be wrong with one."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw, raw

from ndrite.emulator.spec.datagrams import HEADER, PIECE_MAX, PORT, VERSION, Kind
from tests.hdl.ethernet.host import BOARD_IP, BOARD_MAC, HOST_IP, HOST_MAC, Host, payload
from tests.hdl.streams import Source

LONG_NS = 35_000
"""In which the longest datagram is taken out of its slot, and sent back."""


class Stream:
    """What the device's side hears."""

    def __init__(self, dut: Any) -> None:
        self.heard = bytearray()
        cocotb.start_soon(self._listen(dut))

    async def _listen(self, dut: Any) -> None:
        while True:
            await RisingEdge(dut.clk)
            if int(dut.stream_valid.value):
                self.heard.append(int(dut.stream_data.value))

    def taken(self) -> bytes:
        heard = bytes(self.heard)
        self.heard.clear()
        return heard


async def begin(dut: Any, seed: int = 1, clock_ns: float = 10) -> tuple[Host, Stream, np.random.Generator]:
    rng = np.random.default_rng([seed, 24])
    dut.answers__valid.value = 0
    dut.answers__payload.value = 0
    host = Host(dut, rng, clock_ns=clock_ns)
    await host.begin()
    return host, Stream(dut), rng


@cocotb.test()
async def arp(dut: Any) -> None:
    host, _, _ = await begin(dut)
    await host.send(host.arp("192.168.1.51"))  # not ours
    await host.send(host.arp(to="02:00:00:00:00:77"))
    reply = host.arp()
    reply[ARP].op = "is-at"
    await host.send(reply)
    assert await host.settle() == []
    for to in ("ff:ff:ff:ff:ff:ff", BOARD_MAC):
        await host.send(host.arp(to=to))
        (answer,) = await host.settle()
        assert (answer.dst, answer.src) == (HOST_MAC, BOARD_MAC)
        fields = answer[ARP]
        assert (fields.op, fields.hwsrc, fields.psrc) == (2, BOARD_MAC, BOARD_IP)
        assert (fields.hwdst, fields.pdst) == (HOST_MAC, HOST_IP)


@cocotb.test()
async def ping(dut: Any) -> None:
    host, _, rng = await begin(dut)
    for number, size in enumerate((0, 1, 2, 17, 18, 19, 56, 777, 1472)):
        data = rng.bytes(size)
        await host.send(host.ping(data, number))
        (answer,) = await host.settle(LONG_NS)
        assert (answer[IP].src, answer[IP].dst) == (BOARD_IP, HOST_IP)
        assert (answer[ICMP].type, answer[ICMP].id, answer[ICMP].seq) == (0, 77, number)
        assert bytes(answer[ICMP].payload)[:size] == data


@cocotb.test()
@cocotb.parametrize(clock_ns=[6.8, 10, 13.4])
async def session(dut: Any, clock_ns: float) -> None:
    """Pieces of every length in order; answers in datagrams of the session's
    token, checksums right."""
    host, stream, rng = await begin(dut, 2, clock_ns)
    await host.open()
    said = bytearray(b"\0")
    for size in (1, 2, 3, 20, 255, 1000, PIECE_MAX - 1, PIECE_MAX):
        said += await host.say(rng.bytes(size))
    assert await host.settle(LONG_NS) == []
    assert stream.taken() == said
    answers = bytes(rng.integers(1, 256, 2000).astype(np.uint8)) + b"\0"
    await Source(dut, "answers", rng).send(answers)
    pieces = [payload(p) for p in await host.settle(LONG_NS)]
    assert b"".join(p[HEADER.size :] for p in pieces) == answers
    headers = [HEADER.unpack_from(p) for p in pieces]
    assert headers == [(Kind.DATA, VERSION, 0, i + 1, host.token) for i in range(len(pieces))]


@cocotb.test()
async def frames_at_the_least_gap_and_in_bursts(dut: Any) -> None:
    """Four full datagrams back to back: what the slots hold, and no more is promised."""
    host, stream, rng = await begin(dut, 3)
    await host.open()
    said = bytearray(b"\0")
    host.source.ifg = 12
    for _ in range(4):
        said += await host.say(rng.bytes(PIECE_MAX))
    await host.settle(3 * LONG_NS)
    assert stream.taken() == said


NOBODY = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", BOARD_MAC)
NOWHERE = ("0.0.0.0", "224.0.0.1", "255.255.255.255", BOARD_IP)


def changed(frame: Any, layer: Any, **fields: Any) -> Any:
    """A copy with other fields of a layer; a checksum of None is worked out anew."""
    frame = frame.copy()
    for name, value in fields.items():
        setattr(frame[layer], name, value)
    return frame


@cocotb.test()
async def what_is_wrong_is_dropped_and_costs_nothing_else(dut: Any) -> None:
    host, stream, rng = await begin(dut, 4)
    await host.open()
    await host.say(b"first")
    await host.settle()
    assert stream.taken() == b"\0first"
    data = rng.bytes(100)
    good = host.piece(data)
    odd = raw(good)
    right = {layer: Ether(odd)[layer].chksum for layer in (IP, UDP)}
    # One whose sum is right without a checksum: only that there is none speaks against it.
    host.number -= 1
    bare = host.piece(data[:-2] + bytes(2))
    fitting = Ether(raw(bare))[UDP].chksum.to_bytes(2, "big")
    host.number -= 1
    unsummed = host.piece(data[:-2] + fitting)
    assert Ether(raw(unsummed))[UDP].chksum == 0xFFFF
    unsummed[UDP].chksum = 0
    wrong = [
        (good, {"fcs_xor": 1}),
        (good, {"fcs_xor": 0x80000000}),
        *((good, {"cut": cut}) for cut in (9, 20, 60, 71, 140)),
        *((good, {"error_at": at}) for at in (8, 30, 100)),
        (good / Raw(bytes(1600)), {}),
        (changed(good, Ether, dst="02:6e:64:72:00:06"), {}),
        (changed(good, Ether, dst="ff:ff:ff:ff:ff:ff"), {}),
        (changed(good, Ether, type=0x86DD), {}),
        (changed(good, IP, dst="192.168.1.51", chksum=None), {}),
        (changed(good, IP, chksum=right[IP] ^ 1), {}),
        (changed(good, IP, chksum=right[IP] ^ 0x8000), {}),
        (changed(good, IP, proto=6, chksum=None), {}),
        (changed(good, IP, flags="MF", chksum=None), {}),
        (changed(good, IP, frag=1, chksum=None), {}),
        (changed(good, IP, frag=256, chksum=None), {}),
        (changed(good, IP, version=6, chksum=None), {}),
        (changed(good, IP, options=b"\1\1\1\1", ihl=None, len=None, chksum=None), {}),
        (changed(good, IP, len=200, chksum=None), {}),
        (changed(good, IP, len=65000, chksum=None), {}),
        (changed(good, UDP, dport=PORT + 1, chksum=None), {}),
        (changed(good, UDP, chksum=right[UDP] ^ 1), {}),
        (changed(good, UDP, chksum=right[UDP] ^ 0x0100), {}),
        (changed(good, UDP, chksum=0), {}),
        (unsummed, {}),
        # Lengths that contradict IP's, which the checksum counts twice and is
        # made to agree with.
        *((changed(good, UDP, len=len(data) + 24 + n, chksum=right[UDP] - 2 * n), {}) for n in (-1, 1)),
        (Ether(src=HOST_MAC, dst=BOARD_MAC) / Dot1Q(vlan=3) / good[IP], {}),
        # Sources that are nobody's, everybody's or ours.
        *((changed(good, Ether, src=src), {}) for src in NOBODY),
        *((changed(changed(good, IP, src=src, chksum=None), UDP, chksum=None), {}) for src in NOWHERE),
        *((changed(frame, Ether, src=src), {}) for frame in (host.ping(b"x"), host.arp()) for src in NOBODY),
        (host.udp(b""), {}),
        (host.ip_to_board() / ICMP(type="timestamp-request"), {}),
        (host.ip_to_board() / ICMP(type="echo-request", chksum=0x1234) / Raw(b"x"), {}),
        (host.arp("192.168.1.50"), {"fcs_xor": 0x00010000}),
        (host.arp(), {"shortest": 30}),
        (host.ping(b"x"), {"shortest": 40}),
    ]
    for i, (packet, damage) in enumerate(wrong):
        await host.send(packet, **damage)
        assert await host.settle(2500) == [], f"case {i} is answered"
        assert stream.taken() == b"", f"case {i} is taken"
    await host.send(good)
    await host.settle()
    assert stream.taken() == data
    await host.send(host.ping(b"still there"))
    assert len(await host.settle()) == 1


@cocotb.test()
async def damaged_frames_among_good_ones(dut: Any) -> None:
    """Random lengths and gaps; every good frame is taken and no damaged one."""
    host, stream, rng = await begin(dut, 5)
    await host.open()
    said, last = bytearray(b"\0"), 0
    for _ in range(60):
        data = rng.bytes(int(rng.integers(1, 300)))
        host.source.ifg = int(rng.integers(12, 60))
        kind = ("good", "good", "good", "damaged", "cut", "doubled", "overtaken")[int(rng.integers(0, 7))]
        if kind == "damaged":
            await host.send(host.piece(data), fcs_xor=1 << int(rng.integers(0, 32)))
            continue
        if kind == "cut":
            await host.send(host.piece(data), cut=int(rng.integers(9, 60)))
            continue
        if kind == "doubled":
            host.number = max(0, host.number - 1)
        if kind == "overtaken":
            host.number += 1
        packet = host.piece(data)
        if host.number > last:
            said += (b"\0" if last and host.number != last + 1 else b"") + data
            last = host.number
        await host.send(packet)
    await host.settle(LONG_NS)
    assert stream.taken() == said


@cocotb.test()
async def no_room_loses_whole_datagrams(dut: Any) -> None:
    """More than the slots hold, while an answer to a stranger waits: what is taken is whole."""
    host, stream, rng = await begin(dut, 6, 40)  # 25 MHz: a fifth of what comes is taken out
    await host.open()
    pieces = [rng.bytes(700) for _ in range(14)]
    for piece in pieces:
        await host.say(piece)
    await host.settle(9 * LONG_NS)
    heard = stream.taken()
    at = [heard.find(piece) for piece in pieces]
    taken = [piece for piece, place in zip(pieces, at, strict=True) if place >= 0]
    assert 4 <= len(taken) < len(pieces)
    assert sorted(place for place in at if place >= 0) == [place for place in at if place >= 0]
    assert len(heard) - 700 * len(taken) <= 1 + len(pieces)

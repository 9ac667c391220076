"""Datagrams and Ethernet: the host's side and the gateware's."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

HOST = ("tests/host/test_udp.py",)
SESSION = ("tests/hdl/ethernet/test_datagrams.py",)
PINS = ("tests/hdl/ethernet/test_pins.py", "-k", "frames")
FAULTS = ("tests/trust/test_datagram_faults.py", "-k", "fault_by_itself")
LINK, DATAGRAMS = "host/links/udp.py", "hdl/ethernet/datagrams.py"
IN, OUT = "hdl/ethernet/frames_in.py", "hdl/ethernet/frames_out.py"

MUTANTS = (
    Mutant(LINK, "or not is_later(number, self._taken)", "", "host takes doubled datagrams", HOST),
    Mutant(LINK, 'return b"\\0" + datagram', "return datagram", "host joins pieces over a gap", HOST),
    Mutant(
        LINK,
        "if version != VERSION or token != self._token:",
        "if version != VERSION:",
        "host takes another session's datagrams",
        HOST,
    ),
    Mutant(
        LINK,
        "            if not datagram:\n                self._token = None\n",
        "            if not datagram:\n",
        "silence does not open anew",
        HOST,
    ),
    Mutant(LINK, "for _ in range(CLOSINGS):", "for _ in range(0):", "closing says nothing", HOST),
    Mutant(
        "emulator/spec/datagrams.py",
        "0 < (number - last) % NUMBERS < NUMBERS // 2",
        "number > last",
        "numbers do not go round",
        HOST,
    ),
    Mutant(
        "host/links/udp_socket.py",
        "if isinstance(error, ConnectionRefusedError):",
        "if False:",
        "a port that nobody has is not told",
        HOST,
    ),
    Mutant(
        DATAGRAMS,
        "mine = self.held & of_session & from_peer",
        "mine = self.held & of_session",
        "anybody with the token is the peer",
        SESSION,
    ),
    Mutant(
        DATAGRAMS,
        "mine = self.held & of_session & from_peer",
        "mine = self.held & from_peer",
        "the peer needs no token",
        SESSION,
    ),
    Mutant(
        DATAGRAMS,
        "starts = offered & of_offer & from_offeree",
        "starts = offered & of_offer",
        "an offer is anybody's",
        SESSION,
    ),
    Mutant(
        DATAGRAMS, "later.eq(~ahead[31] & (ahead != 0))", "later.eq(1)", "doubled pieces are taken", SESSION
    ),
    Mutant(DATAGRAMS, "skips.eq(ahead != 1)", "skips.eq(0)", "pieces are joined over a gap", SESSION),
    Mutant(
        DATAGRAMS,
        "answerable.eq(self.rx_length >= REFUSED_BYTES)",
        "answerable.eq(1)",
        "an answer longer than its request",
        SESSION,
    ),
    Mutant(
        DATAGRAMS,
        "free = ~self.held | expired | from_peer",
        "free = ~self.held | from_peer",
        "the lease never ends",
        SESSION,
    ),
    Mutant(
        DATAGRAMS,
        "            with m.If(begins | belongs):\n                m.d.sync += self.silence.eq(0)\n",
        "            with m.If(begins):\n                m.d.sync += self.silence.eq(0)\n",
        "the lease ends while the peer talks",
        SESSION,
    ),
    Mutant(
        DATAGRAMS,
        'over.eq(self.beginning | (over & ~states["idle"]))',
        "over.eq(0)",
        "a piece of the old session grows by the new one's answers",
        SESSION,
    ),
    Mutant(
        DATAGRAMS,
        "rests.eq(self.answers.payload == 0)",
        "rests.eq(0)",
        "answers wait until a datagram is full",
        SESSION,
    ),
    Mutant(IN, "(crc == CRC_RESIDUE) & ~doubted", "~doubted", "FCS is not looked at", PINS),
    Mutant(IN, "(crc == CRC_RESIDUE) & ~doubted", "(crc == CRC_RESIDUE)", "the PHY's doubt is ignored", PINS),
    Mutant(IN, "& (self.at >= SHORTEST)", "", "runts are taken", PINS),
    Mutant(IN, "return right.all() &", "return right[0] &", "UDP checksums are not looked at", PINS),
    Mutant(IN, "return right.all() &", "return right[1] &", "IP checksums are not looked at", PINS),
    Mutant(IN, '& facts["summed"] & lengths', "& lengths", "datagrams without a checksum are taken", PINS),
    Mutant(IN, '& facts["summed"] & lengths', '& facts["summed"]', "UDP's length is not looked at", PINS),
    Mutant(IN, 'sound & facts["for_us"] & facts["ip"]', 'sound & facts["ip"]', "any MAC is ours", PINS),
    Mutant(IN, "IP + 6: (0, 0xBF)", "IP + 6: (0, 0x40)", "fragments are taken", PINS),
    Mutant(
        IN, "self.put.eq(here & self.room & ~crowded)", "self.put.eq(here)", "a slot in use is written", PINS
    ),
    Mutant(
        "hdl/ethernet/echo.py",
        "Mux(odd, self.data, self.data << 8)",
        "Mux(odd, self.data << 8, self.data)",
        "checksums of swapped bytes",
        PINS,
    ),
    Mutant(
        OUT,
        "m.d.sync += total.eq(total[:16] + addend)",
        "m.d.sync += total.eq((total[:16] + addend)[:16])",
        "checksums without their carries",
        PINS,
    ),
    Mutant(
        OUT,
        "with m.If(asked | self.datagrams.valid):",
        "with m.If(self.datagrams.valid):",
        "nobody learns our MAC",
        PINS,
    ),
    Mutant(
        "hdl/ethernet/echo.py",
        "self.sender.echo & ~held & ~self.tx.valid & ~self.commit",
        "self.sender.echo",
        "an echo in the middle of a datagram",
        ("tests/hdl/ethernet/test_echo.py",),
    ),
    Mutant(
        "boards/fpga/rgmii.py",
        "Cat(*(low for low, _ in nibbles), *(high for _, high in nibbles))",
        "Cat(*(high for _, high in nibbles), *(low for low, _ in nibbles))",
        "nibbles of a byte change places",
        PINS,
    ),
    Mutant(
        "boards/sim/serve_udp.py",
        "if model.unsent < WAITING:",
        "if model.unsent < 0:",
        "a served board hears nothing",
        ("tests/system/test_udp.py",),
    ),
)

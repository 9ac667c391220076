"""A session in gateware, by its rules: who is the peer, who is told what, and which
pieces are the stream; an echo and a board's own datagrams, neither of which gets into
the other in the slots to send."""

import inspect
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ndrite.emulator.spec.datagrams import (
    HEADER,
    HEADER_BYTES,
    HOLDER,
    LEASE_S,
    NUMBERS,
    OPEN_BYTES,
    PIECE_MAX,
    REFUSED_BYTES,
    VERSION,
    Kind,
    is_later,
)
from ndrite.hdl.ethernet.datagrams import Datagrams
from ndrite.hdl.ethernet.ethernet import Echo
from tests.hdl.interpreted import simulated

Sender = tuple[int, int]
A: Sender = (0x0A000001, 1111)
HOSTS = (A, (A[0], A[1] ^ 1), (A[0], A[1] ^ 1 << 15), (A[0] ^ 1 << 31, A[1]), (0x0A000002, 2222))
NEVER = 1 << 16
"""Bytes from which on what is of no other kind is answered."""
OWN = 0x0123456789ABCDEF
AGE = 60


class Bench:
    """Datagrams in and out, the device's stream in and out, a step at a time."""

    def __init__(self, ctx: Any, dut: Datagrams) -> None:
        self.ctx, self.dut = ctx, dut
        self.out: list[tuple[bytes, Sender]] = []
        self.stream = bytearray()
        self.to_say: list[int | None] = []  # none: a pause
        self._part = bytearray()

    async def tick(self, count: int = 1) -> None:
        ctx, dut = self.ctx, self.dut
        for _ in range(count):
            say = self.to_say[0] if self.to_say else None
            ctx.set(dut.answers.valid, say is not None)
            ctx.set(dut.answers.payload, say or 0)
            taken = ctx.get(dut.answers.ready)
            if ctx.get(dut.tx.valid) and ctx.get(dut.tx.ready):
                self._part.append(ctx.get(dut.tx.payload))
            if ctx.get(dut.tx_commit):
                self.out.append((bytes(self._part), (ctx.get(dut.tx_address), ctx.get(dut.tx_port))))
                self._part.clear()
            if ctx.get(dut.stream_valid):
                self.stream.append(ctx.get(dut.stream_data))
            await ctx.tick()
            if self.to_say and (say is None or taken):
                self.to_say.pop(0)

    async def send(self, datagram: bytes, sender: Sender = A) -> list[bytes]:
        """What the device answers to it, all to its sender."""
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.rx_address, sender[0])
        ctx.set(dut.rx_port, sender[1])
        ctx.set(dut.rx_length, len(datagram))
        before = len(self.out)
        for i, byte in enumerate(datagram):
            ctx.set(dut.rx.valid, 1)
            ctx.set(dut.rx.payload, byte)
            ctx.set(dut.rx_last, i == len(datagram) - 1)
            for _ in range(2000):
                ready = ctx.get(dut.rx.ready)
                await self.tick()
                if ready:
                    break
            else:
                raise AssertionError("a datagram is not taken")
            ctx.set(dut.rx.valid, 0)
        await self.tick(90)
        answers = self.out[before:]
        assert all(receiver == sender for _, receiver in answers)
        return [answer for answer, _ in answers]

    async def open(self) -> int:
        """The token that A is offered."""
        *_, answer = await self.send(opening())  # a piece under way ends before it
        kind, *_, token = HEADER.unpack_from(answer)
        assert kind == Kind.OFFER
        return token

    async def begin(self) -> int:
        """A's session, whose first datagram brought nothing; its token."""
        token = await self.open()
        assert await self.send(data(token, 1)) == []
        return token

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.ctx.set(self.dut.second, 1)
            await self.tick()
            self.ctx.set(self.dut.second, 0)
        await self.tick(2)


def opening(own: int = OWN) -> bytes:
    return HEADER.pack(Kind.OPEN, VERSION, 0, 0, own).ljust(OPEN_BYTES, b"\0")


def data(token: int, number: int, piece: bytes = b"") -> bytes:
    return HEADER.pack(Kind.DATA, VERSION, 0, number, token) + piece


class Rules:
    """The device's side of ``ndrite.emulator.spec.datagrams`` once more: who is the
    peer, and what is the stream."""

    def __init__(self) -> None:
        self.peer: Sender | None = None
        self.token = self.taken = self.silence = self.used = 0
        self.offers: dict[int, Sender] = {}
        """Whom each token was offered to, one after the other; the first ``used`` begin
        nothing any more."""
        self.stream = bytearray()

    def take(self, datagram: bytes, sender: Sender) -> bytes | None:
        """What it is answered, if anything; of an offer what stands behind the header."""
        if len(datagram) < HEADER_BYTES or datagram[1] != VERSION:
            return None
        kind, _, _, number, token = HEADER.unpack_from(datagram)
        piece, held = datagram[HEADER_BYTES:], self.peer not in (None, sender)
        may = not held or self.silence >= LEASE_S
        mine = (self.peer, self.token) == (sender, token)
        begins = not mine and may and (token, sender) in list(self.offers.items())[self.used :]
        if kind == Kind.CLOSE and mine:
            self.peer = None
        if kind == Kind.DATA and (mine or begins):
            if begins:
                self.peer, self.token, self.used = sender, token, 1 + list(self.offers).index(token)
            if begins or is_later(number, self.taken):
                self.stream += b"\0" * (begins or number != (self.taken + 1) % NUMBERS) + piece
                self.taken = number
            self.silence = 0
            return None
        if len(datagram) < {Kind.OPEN: OPEN_BYTES, Kind.DATA: REFUSED_BYTES}.get(kind, NEVER):
            return None
        if kind == Kind.OPEN and may:
            return token.to_bytes(8, "little")
        holder = HOLDER.pack(*self.peer, self.silence) if held and self.peer else bytes(HOLDER.size)
        return HEADER.pack(Kind.REFUSED, VERSION, 0, 0, token) + holder


def drawn(rng: random.Random, rules: Rules) -> tuple[bytes, Sender]:
    """A datagram, often of the peer or of one with an offer, and whom it comes from."""
    sender, token, way = rng.choice(HOSTS), rules.token, rng.random()
    if rules.peer and way < 0.4:
        sender = rules.peer
    elif rules.offers and way < 0.75:
        token, to = rng.choice([*rules.offers.items()][-6:])
        sender = rng.choice((to, to, sender))
    elif way < 0.85:
        token = rng.choice((OWN, token ^ 1 << rng.randrange(64)))
    step = rng.choice((1, 1, 1, 2, 0, -1, NUMBERS // 2 - 1, NUMBERS // 2))
    version = VERSION + (rng.random() < 0.05)
    kind = rng.choice((*[Kind.DATA] * 10, *[Kind.OPEN] * 4, Kind.CLOSE, Kind.CLOSE, Kind.OFFER, 0, 0xFF))
    head = HEADER.pack(kind, version, 0, (rules.taken + step) % NUMBERS, token)
    length = rng.choice((REFUSED_BYTES - 1, REFUSED_BYTES, OPEN_BYTES - 1, OPEN_BYTES, OPEN_BYTES, 40))
    return (head + rng.randbytes(60))[: rng.choice((length, length, length, HEADER_BYTES, 1))], sender


def benched(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test of what it is given a bench for; its other parameters stay parameters."""

    def run(**given: Any) -> None:
        dut, ended = Datagrams(age_cycles=AGE), []

        async def bench(ctx: Any) -> None:
            ctx.set(dut.tx.ready, 1)
            await test(Bench(ctx, dut), **given)
            ended.append(True)

        simulated(dut, bench)
        assert ended

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    _, *others = inspect.signature(test).parameters.values()
    run.__signature__ = inspect.Signature(others)  # type: ignore[attr-defined]
    return run


@pytest.mark.long
@benched
async def test_random_datagrams_are_taken_by_the_rules(b: Bench) -> None:
    """Of hosts that differ in a bit; offers of any age, numbers half round,
    silence about the lease."""
    rng, rules, said = random.Random(1), Rules(), Counter[int]()
    for _ in range(400):
        datagram, sender = drawn(rng, rules)
        wanted, answers = rules.take(datagram, sender), await b.send(datagram, sender)
        where = f"{datagram.hex()} of {sender}"
        assert all(len(answer) <= len(datagram) for answer in answers), where
        said.update(answer[0] for answer in answers)
        if wanted is not None and len(wanted) < HEADER_BYTES:
            token = HEADER.unpack_from(answers[0])[-1]
            wanted = HEADER.pack(Kind.OFFER, VERSION, 0, 0, token) + wanted
            assert answers == [wanted], where
            assert token not in rules.offers, "a token twice"
            rules.offers[token] = sender
        assert answers == [wanted] * (wanted is not None), where
        assert b.stream == rules.stream, where
        if rng.random() < 0.15:
            passed = rng.choice([1, *(max(0, LEASE_S - n - rules.silence) for n in (0, 1))])
            rules.silence += passed
            await b.seconds(passed)
    assert min(said[Kind.OFFER], said[Kind.REFUSED], rules.used, len(rules.stream) // 10) > 20


@benched
async def test_the_peer_may_open_anew_and_what_was_under_way_is_not_the_new_session_s(b: Bench) -> None:
    await b.begin()
    b.to_say = [7, 7, 7]  # half an answer
    await b.tick(30)
    new = await b.open()
    b.to_say = [7, 7]  # more of it, in a piece that is under way when the new session begins
    await b.tick(30)
    await b.send(data(new, 1, b"n"))
    b.out.clear()
    b.to_say = [8, 0]
    await b.tick(3 * AGE)
    assert [d for d, _ in b.out] == [data(new, 1, b"\x08\0")]


@pytest.mark.parametrize("pause", [0, 2])
@benched
async def test_answers_fill_datagrams_and_go_when_old(b: Bench, pause: int) -> None:
    token = await b.begin()
    b.out.clear()
    frame = [5, 6, 7, 0]
    b.to_say = [v for byte in frame * 2 for v in (byte, *[None] * pause)]
    await b.tick(2 * AGE + 60)
    assert [d for d, _ in b.out] == [data(token, 1, bytes(frame * 2))]
    long = [9] * (PIECE_MAX + 100) + [0]
    b.to_say = list(long)
    await b.tick(PIECE_MAX + 400)
    assert [d for d, _ in b.out[1:]] == [
        data(token, 2, bytes(long[:PIECE_MAX])),
        data(token, 3, bytes(long[PIECE_MAX:])),
    ]
    assert all(receiver == A for _, receiver in b.out)


@benched
async def test_with_nobody_there_the_device_is_not_held_up(b: Bench) -> None:
    b.to_say = [1, 2, 3, 0]
    await b.tick(20)
    assert b.to_say == []
    assert b.out == []


def test_an_echo_waits_for_a_datagram_under_way_and_a_datagram_for_an_echo() -> None:
    dut = Echo()
    kept: list[tuple[bytes, bool, int]] = []
    rest, own = b"echo me!", [b"one", b"second"]

    async def bench(ctx: Any) -> None:
        slot = bytearray()
        ctx.set(dut.room, 1)
        ctx.set(dut.received.valid, 1)
        ctx.set(dut.sender.echo, 1)
        ctx.set(dut.sender.address, 0x0A000001)
        ctx.set(dut.receiver.address, 0x0A000002)
        ahead, said, at = 0, [list(d) for d in own], 0
        commit = False
        for cycle in range(80):
            # The board begins before the echo and pauses within each datagram.
            say = bool(said) and not commit and cycle % 3 == 0
            ctx.set(dut.tx.valid, say)
            ctx.set(dut.tx.payload, said[0][at] if say else 0)
            ctx.set(dut.commit, commit)
            ctx.set(dut.received.valid, cycle > 0 and ahead < len(rest))
            ctx.set(dut.received.payload, rest[ahead] if ahead < len(rest) else 0)
            ctx.set(dut.received_last, ahead == len(rest) - 1)
            if ctx.get(dut.put):
                slot.append(ctx.get(dut.data))
            if ctx.get(dut.keep):
                assert ctx.get(dut.kept.length) == len(slot)
                kept.append((bytes(slot), bool(ctx.get(dut.kept.echo)), ctx.get(dut.kept.address)))
                slot.clear()
            given = say and ctx.get(dut.tx.ready)
            echoed = ctx.get(dut.received.valid) and ctx.get(dut.received.ready)
            await ctx.tick()
            ahead += bool(echoed)
            if commit:
                commit, at = False, 0
                said.pop(0)
            elif given:
                at += 1
                commit = at == len(said[0])

    simulated(dut, bench)
    assert kept == [(own[0], False, 0x0A000002), (rest, True, 0x0A000001), (own[1], False, 0x0A000002)]

"""The rules of a session in gateware: who is the peer, who is told what, and which pieces are the stream; an
echo and a board's own datagrams, neither of which gets into the other in the slots to send."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emulator.spec.datagrams import (
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
)
from hdl.ethernet.datagrams import Datagrams
from hdl.ethernet.ethernet import Echo
from tests.hdl.interpreted import simulated

A, B = (0x0A000001, 1111), (0x0A000002, 2222)
OWN = 0x0123456789ABCDEF
AGE = 60


class Bench:
    """Datagrams in and out, the device's stream in and out, a step at a time."""

    def __init__(self, ctx: Any, dut: Datagrams) -> None:
        self.ctx, self.dut = ctx, dut
        self.out: list[tuple[bytes, tuple[int, int]]] = []
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

    async def send(self, datagram: bytes, sender: tuple[int, int] = A) -> list[bytes]:
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

    async def open(self, sender: tuple[int, int] = A, own: int = OWN) -> int:
        """The token that is offered."""
        request = HEADER.pack(Kind.OPEN, VERSION, 0, 0, own).ljust(OPEN_BYTES, b"\0")
        *_, answer = await self.send(request, sender)  # a piece under way ends before it
        kind, version, _, number, token = HEADER.unpack_from(answer)
        assert (kind, version, number) == (Kind.OFFER, VERSION, 0)
        assert answer[HEADER_BYTES:] == own.to_bytes(8, "little")
        assert len(answer) <= len(request)
        return token

    async def data(
        self, token: int, number: int, piece: bytes = b"", sender: tuple[int, int] = A
    ) -> list[bytes]:
        return await self.send(data(token, number, piece), sender)

    async def refused(self, token: int, number: int, sender: tuple[int, int] = A) -> tuple[int, ...]:
        """What the sender of a piece is told who is not heard."""
        return refused(await self.data(token, number, b"12345678", sender))

    async def begin(self, sender: tuple[int, int] = A) -> int:
        """A session of ``sender``, whose first datagram brought nothing; its token."""
        token = await self.open(sender)
        assert await self.data(token, 1, b"", sender) == []
        assert self.stream == b"\0"  # whatever was half received before is no part of it
        self.stream.clear()
        return token

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.ctx.set(self.dut.second, 1)
            await self.tick()
            self.ctx.set(self.dut.second, 0)
        await self.tick(2)


def data(token: int, number: int, piece: bytes = b"", *, version: int = VERSION) -> bytes:
    return HEADER.pack(Kind.DATA, version, 0, number % NUMBERS, token) + piece


def closing(token: int) -> bytes:
    return HEADER.pack(Kind.CLOSE, VERSION, 0, 0, token)


def refused(answers: list[bytes]) -> tuple[int, int, int, int]:
    """Token, and the holder's address, port and silence, of the one answer."""
    (answer,) = answers
    kind, version, _, number, token = HEADER.unpack_from(answer)
    assert (kind, version, number, len(answer)) == (Kind.REFUSED, VERSION, 0, REFUSED_BYTES)
    return token, *HOLDER.unpack_from(answer, HEADER_BYTES)


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


@benched
async def test_pieces_are_the_stream_in_order_with_an_end_in_every_gap(b: Bench) -> None:
    token = await b.begin()
    for number, piece in ((2, b"two"), (2, b"two"), (4, b"four"), (3, b"three"), (5, b""), (6, b"6")):
        await b.data(token, number, piece)
    await b.data(token, 6 + NUMBERS // 2, b"half round is behind")
    await b.data(token, 5 + NUMBERS // 2, b"!")
    assert b.stream == b"two" + b"\0four" + b"6" + b"\0!"
    assert b.out[1:] == []


@benched
async def test_only_the_peer_under_its_token_is_heard(b: Bench) -> None:
    token = await b.begin()
    for wrong in (token ^ 1, token ^ 1 << 63, OWN):
        assert await b.refused(wrong, 2) == (wrong, 0, 0, 0)  # nobody else has it
    for other in (B, (A[0], B[1]), (B[0], A[1]), (A[0], A[1] ^ 1), (A[0] ^ 1 << 31, A[1])):
        assert await b.refused(token, 2, other) == (token, *A, 0), other
    assert await b.send(data(token, 2, b"x", version=VERSION + 1)) == []
    assert await b.send(closing(token), B) == []
    assert await b.send(closing(token ^ 2)) == []
    await b.data(token, 2, b"heard")
    assert b.stream == b"heard"


@benched
async def test_an_offer_is_its_asker_s_alone(b: Bench) -> None:
    token = await b.open(A)
    assert await b.refused(token, 1, B) == (token, 0, 0, 0)
    assert b.stream == b""
    other = await b.open(B)
    assert other != token
    await b.data(other, 1, b"b", B)
    assert b.stream == b"\0b"


@benched
async def test_an_offer_outlives_those_made_to_others(b: Bench) -> None:
    """However many strangers ask: whoever takes up its own first has the session, the others none."""
    token = await b.open(A)
    others = [await b.open((0x0A000003, port)) for port in range(3000, 3020)]
    await b.data(token, 1, b"a", A)
    assert b.stream == b"\0a"
    for port, other in enumerate(others, 3000):
        assert await b.refused(other, 1, (0x0A000003, port)) == (other, *A, 0)
    await b.data(token, 2, b"b", A)
    assert b.stream == b"\0ab"


@benched
async def test_a_peer_that_returns_keeps_its_session_from_whom_it_was_offered_to(b: Bench) -> None:
    token = await b.begin(A)
    await b.seconds(LEASE_S)
    other = await b.open(B)
    await b.data(token, 2, b"back", A)
    assert await b.refused(other, 1, B) == (other, *A, 0)
    await b.data(token, 3, b"!", A)
    assert b.stream == b"back!"


@benched
async def test_an_offer_that_was_taken_up_begins_nothing_again(b: Bench) -> None:
    """A first datagram that comes late, behind the session that it began."""
    early = await b.open(A)
    token = await b.begin(A)
    await b.send(closing(token))
    for late in (token, early):
        assert await b.refused(late, 1, A) == (late, 0, 0, 0)
    assert b.stream == b""


@benched
async def test_tokens_differ_though_the_host_s_are_the_same(b: Bench) -> None:
    assert len({await b.open() for _ in range(8)}) == 8


@benched
async def test_no_answer_is_longer_than_its_request(b: Bench) -> None:
    await b.begin()
    lengths = (1, HEADER_BYTES - 1, HEADER_BYTES, REFUSED_BYTES - 1, REFUSED_BYTES, OPEN_BYTES - 1, 60)
    for kind in (*Kind, 0, 0xFF):
        for length in lengths:
            datagram = HEADER.pack(kind, VERSION, 0, 0, OWN).ljust(length, b"\0")[:length]
            for answer in await b.send(datagram, B):
                assert len(answer) <= length, f"{kind:#x}, {length} bytes"


@benched
async def test_another_host_is_told_who_has_it_until_the_lease_is_over(b: Bench) -> None:
    token = await b.begin()
    request = HEADER.pack(Kind.OPEN, VERSION, 0, 0, OWN).ljust(OPEN_BYTES, b"\0")
    await b.seconds(LEASE_S - 1)
    assert refused(await b.send(request, B)) == (OWN, *A, LEASE_S - 1)
    await b.data(token, 2, b"x")  # a sign of life
    assert refused(await b.send(request, B)) == (OWN, *A, 0)
    await b.seconds(LEASE_S)
    taken = await b.open(B)
    await b.data(token, 3, b"y")  # until the other host takes it, the peer has it
    await b.seconds(LEASE_S)
    await b.data(taken, 1, b"z", B)
    assert await b.refused(token, 4) == (token, *B, 0)
    assert b.stream == b"xy\0z"


@benched
async def test_close_makes_room_for_another(b: Bench) -> None:
    token = await b.begin()
    await b.send(closing(token))
    assert await b.refused(token, 2) == (token, 0, 0, 0)
    await b.begin(B)


@benched
async def test_the_peer_may_open_anew_and_what_was_under_way_is_not_the_new_session_s(b: Bench) -> None:
    old = await b.begin()
    b.to_say = [7, 7, 7]  # half an answer
    await b.tick(30)
    new = await b.open()
    b.to_say = [7, 7]  # more of it, in a piece that is under way when the new session begins
    await b.tick(30)
    await b.data(new, 1, b"n")
    b.out.clear()
    b.to_say = [8, 0]
    await b.tick(3 * AGE)
    tokens = [HEADER.unpack_from(d)[4] for d, _ in b.out]
    assert tokens == [new]
    assert HEADER.unpack_from(b.out[0][0])[3] == 1
    assert b.out[0][0][HEADER_BYTES:] == b"\x08\0"
    assert old != new


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

"""COBS, exhaustively: every body up to five bytes over the bytes that matter, and every run about 254.

The encoder is checked against the `cobs` package, the decoder against it and, on damaged frames, against
its own definition: a frame is bad when its delimiter comes inside a block.
"""

import itertools
import types
from collections.abc import Iterable

import pytest
from amaranth import Module
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator, SimulatorContext
from cobs import cobs

import hdl.link.cobs
from tests.proofs.prover import mutated

ALPHABET = (0x00, 0x01, 0xFF)
MOST = 5
DEPTH = 600
BODIES = [
    *(bytes(body) for size in range(MOST + 1) for body in itertools.product(ALPHABET, repeat=size)),
    *(
        head + b"\x07" * run + tail
        for run in (252, 253, 254, 255, 256, 508)
        for head in (b"", b"\x00")
        for tail in (b"", b"\x00", b"\x00\x05")
    ),
]
FRAMES = [bytes(f) for size in range(1, 5) for f in itertools.product((1, 2, 3, 5, 0xFF), repeat=size)]
"""Frames without their delimiter, most of them damaged."""


def sent(module: types.ModuleType, bodies: Iterable[bytes]) -> list[bytes]:
    """What the sender makes of each body, delimiter taken off."""
    m = Module()
    m.submodules.sender = sender = module.CobsSender(DEPTH)
    m.submodules.memory = memory = Memory(shape=8, depth=DEPTH, init=[])
    read = memory.read_port()
    m.d.comb += [read.addr.eq(sender.address), sender.o.ready.eq(1)]
    m.d.sync += sender.data.eq(read.data)
    frames: list[bytes] = []

    async def bench(ctx: SimulatorContext) -> None:
        for body in bodies:
            for i, byte in enumerate(body):
                ctx.set(memory.data[i], byte)
            ctx.set(sender.length, len(body))
            ctx.set(sender.start, 1)
            await ctx.tick()
            ctx.set(sender.start, 0)
            frame = bytearray()
            for _ in range(8 * len(body) + 50):
                if ctx.get(sender.o.valid):
                    frame.append(ctx.get(sender.o.payload))
                    if frame[-1] == 0:
                        break
                await ctx.tick()
            await ctx.tick()
            frames.append(bytes(frame[:-1]))

    _run(m, bench)
    return frames


def received(module: types.ModuleType, frames: Iterable[bytes]) -> list[tuple[bytes, bool]]:
    """Body and ``bad`` that the decoder makes of each frame."""
    decoder = module.CobsDecoder()
    results: list[tuple[bytes, bool]] = []

    async def bench(ctx: SimulatorContext) -> None:
        for frame in frames:
            body, ended = bytearray(), None
            for byte in (*frame, 0, None, None):
                ctx.set(decoder.valid, byte is not None)
                ctx.set(decoder.data, byte or 0)
                await ctx.tick()
                if ctx.get(decoder.out_valid):
                    body.append(ctx.get(decoder.out_data))
                if ctx.get(decoder.end):
                    ended = bool(ctx.get(decoder.bad))
            assert ended is not None, f"frame {frame.hex()} did not end"
            results.append((bytes(body), ended))

    _run(decoder, bench)
    return results


def damaged(frame: bytes) -> bool:
    """Whether the frame stops inside a block."""
    at = 0
    while at < len(frame):
        at += frame[at]
    return at != len(frame)


def encoder_wrong(module: types.ModuleType) -> list[bytes]:
    return [b for b, f in zip(BODIES, sent(module, BODIES), strict=True) if f != cobs.encode(b)]


def decoder_wrong(module: types.ModuleType) -> list[bytes]:
    good = [cobs.encode(body) for body in BODIES]
    expected = [(body, False) for body in BODIES]
    wrong = [f for f, e, r in zip(good, expected, received(module, good), strict=True) if e != r]
    for frame, (body, bad) in zip(FRAMES, received(module, FRAMES), strict=True):
        if bad != damaged(frame) or (not bad and cobs.decode(frame) != body):
            wrong.append(frame)
    return wrong


def test_encoder_on_every_body() -> None:
    assert not encoder_wrong(hdl.link.cobs)


def test_decoder_on_every_frame() -> None:
    assert not decoder_wrong(hdl.link.cobs)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("full.eq(run == 254)", "full.eq(run == 255)", marks=pytest.mark.long),
        ("pointer.eq(begin)", "pointer.eq(begin + 1)"),
        pytest.param("begin.eq(pointer + closed_by_zero)", "begin.eq(pointer)", marks=pytest.mark.long),
    ],
)
def test_injected_encoder_bug_is_found(old: str, new: str) -> None:
    assert encoder_wrong(mutated("hdl.link.cobs", old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("data != 0xFF", "data != 0xFE"),
        pytest.param("inside.eq(left != 1)", "inside.eq(left > 2)", marks=pytest.mark.long),
        pytest.param("self.bad.eq(inside)", "self.bad.eq(left > 1)", marks=pytest.mark.long),
    ],
)
def test_injected_decoder_bug_is_found(old: str, new: str) -> None:
    assert decoder_wrong(mutated("hdl.link.cobs", old, new))


def _run(design: object, bench: object) -> None:
    simulator = Simulator(design)  # type: ignore[arg-type]
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)  # type: ignore[arg-type]
    simulator.run()

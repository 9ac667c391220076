"""CRC for every register and byte; COBS: every body up to five bytes that matter, and
every run about 254.

The encoder is checked against the `cobs` package, the decoder against it and, on
damaged frames, against its own definition: a frame is bad when its delimiter
comes inside a block.
"""

import itertools
import types
from collections.abc import Iterable, Sequence

from amaranth import Const, Module, Mux, Signal
from amaranth.lib.memory import Memory
from amaranth.sim import SimulatorContext
from cobs import cobs

from ndrite.emulator.spec.packets import CRC_POLYNOMIAL
from tests.hdl.interpreted import followed, simulated
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401
from tests.proofs.prover import Claim, Verdict, prove

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

    simulated(m, bench)
    return frames


def received(module: types.ModuleType, frames: Sequence[bytes]) -> list[tuple[bytes, bool]]:
    """Body and ``bad`` that the decoder makes of each frame."""
    bytes_in = [byte for frame in frames for byte in (*frame, 0, None, None)]
    given = [{"valid": byte is not None, "data": byte or 0} for byte in bytes_in]
    body, results = bytearray(), []
    for valid, data, end, bad in followed(module.CobsDecoder(), given, "out_valid", "out_data", "end", "bad"):
        if valid:
            body.append(data)
        if end:
            results.append((bytes(body), bool(bad)))
            body.clear()
    assert len(results) == len(frames), f"{len(results)} of {len(frames)} frames ended"
    return results


def damaged(frame: bytes) -> bool:
    """Whether the frame stops inside a block."""
    at = 0
    while at < len(frame):
        at += frame[at]
    return at != len(frame)


@proof("ndrite.hdl.link.cobs")
def encoder(module: types.ModuleType) -> Verdict:
    """Of every body the sender makes what the package does."""
    return _verdict([b for b, f in zip(BODIES, sent(module, BODIES), strict=True) if f != cobs.encode(b)])


@proof("ndrite.hdl.link.cobs")
def decoder(module: types.ModuleType) -> Verdict:
    """Of every frame the decoder makes what the package does, or finds it damaged as it is."""
    good = [cobs.encode(body) for body in BODIES]
    wrong = [f for f, b, r in zip(good, BODIES, received(module, good), strict=True) if r != (b, False)]
    for frame, (body, bad) in zip(FRAMES, received(module, FRAMES), strict=True):
        if bad != damaged(frame) or (not bad and cobs.decode(frame) != body):
            wrong.append(frame)
    return _verdict(wrong)


def _verdict(wrong: list[bytes]) -> Verdict:
    return Verdict(not wrong, bool(wrong), f"simulated, {len(BODIES)} bodies", 0, f"wrong: {wrong}")


@proof("ndrite.hdl.link.cobs", long=True)
def steps(crc: types.ModuleType) -> Verdict:
    """A step is eight serial ones."""
    c = Claim()
    state, byte = c.free(32, "state"), c.free(8, "byte")
    serial = state ^ byte
    for i in range(8):
        after = Signal(32, name=f"after_{i}")
        c.module.d.comb += after.eq(Mux(serial[0], (serial >> 1) ^ CRC_POLYNOMIAL, serial >> 1))
        serial = after
    c.always(crc.crc32_step(state, byte) == serial)
    c.always(crc.crc32_step(state, Const(0, 8)) ^ crc.crc32_of_byte(byte) == serial)
    return prove(c)


BUGS = [
    (steps, "for _ in range(8):", "for _ in range(7):"),
    (steps, "result = state >> 8", "result = state >> 7"),
    (encoder, "pointer.eq(begin)", "pointer.eq(begin + 1)"),
    long(encoder, "full.eq(run == 254)", "full.eq(run == 255)"),
    long(encoder, "begin.eq(pointer + closed_by_zero)", "begin.eq(pointer)"),
    (decoder, "data != 0xFF", "data != 0xFE"),
    long(decoder, "inside.eq(left != 1)", "inside.eq(left > 2)"),
    long(decoder, "self.bad.eq(inside)", "self.bad.eq(left > 1)"),
]

"""Self test of a board: registers, memories and random networks against the golden model."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.boards.board import Board
from ndrite.boards.stepped import device_of
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Geometry
from ndrite.emulator.spec.arithmetic import DAC_BITS
from ndrite.emulator.spec.memory_map import address, region_words
from ndrite.host import BoardApi

PATTERNS = (0x00000000, 0xFFFFFFFF, 0xAAAAAAAA, 0x55555555, 0x01234567, 0x80000001)
INFERENCES = 8
"""Number of inferences with each random network."""
READ_BACK_WORDS = 64
ROUND_TRIPS = 200
"""Number of random words that are written and read back, in addition to ``PATTERNS``."""


@dataclass(frozen=True)
class Check:
    """The result of one check of the self test: its name, whether it passed, the
    observation, and the stage of the bring-up that it belongs to."""

    name: str
    passed: bool
    seen: str
    stage: str = "self test"


def checks_of(board: BoardApi, *, seed: int = 0, inferences: int = INFERENCES) -> Iterator[Check]:
    """Run every check of the self test that the board supports, and yield each result;
    later checks run even if one fails.

    ``inferences`` go through each of the random networks. The chip is left
    unprogrammed. Link failures end the test with their HostError.
    """
    rng = np.random.default_rng(seed)
    device = device_of(board)
    if device is not None:
        yield _scratch(device, rng)
        for region, draw in _memories(device.geometry).items():
            yield _memory(device, region, draw, rng)
    geometry = board.geometry or PRESETS["64-lane"]
    yield from _networks(board, geometry, rng, inferences)
    if device is not None:
        device.write_register("program_tag", 0)


def _scratch(board: Board, rng: np.random.Generator) -> Check:
    """Write random words to the board's scratch register and read them back; measure
    the time that a word takes."""
    words = [*PATTERNS, *(1 << i for i in range(32)), *rng.integers(0, 1 << 32, ROUND_TRIPS).tolist()]
    wrong, start = [], time.monotonic()
    for word in words:
        board.write_register("scratch", word)
        value = board.read_register("scratch")
        if value != word:
            wrong.append(f"wrote {word:#010x}, read {value:#010x}")
    milliseconds = 1e3 * (time.monotonic() - start) / (2 * len(words))
    result = f"{len(words)} words there and back, {milliseconds:.2f} ms each way (measured at the host)"
    return Check("scratch register", not wrong, f"{len(wrong)} of {result}: {wrong[0]}" if wrong else result)


Draw = Callable[[np.random.Generator, int], npt.NDArray[np.int64]]


def _memories(geometry: Geometry) -> dict[str, Draw]:
    """Return, for each memory, a function that generates random words in the
    format of that memory, whose fields may be narrower than 32 bits and would not
    keep other words."""
    w = geometry.weight_max
    return {
        "weights": lambda rng, n: rng.integers(-w, w + 1, n),
        "readout": lambda rng, n: rng.integers(0, 1 << 28, n),
        "bias": lambda rng, n: rng.integers(-(1 << 31), 1 << 31, n),
        "neuron": lambda rng, n: rng.integers(0, 1 << 16, n) | rng.integers(0, geometry.curves, n) << 16,
        "curve_base": lambda rng, n: rng.integers(-(1 << 17), 1 << 17, n),
        "curve_slope": lambda rng, n: rng.integers(-(1 << 17), 1 << 17, n),
    }


def _memory(board: Board, region: str, draw: Draw, rng: np.random.Generator) -> Check:
    words = draw(rng, region_words(board.geometry)[region]).astype(np.uint32).view(np.int32)
    start = address(region)
    board.write_words(start, words)
    name = f"memory {region}"
    # The CRC check below covers all words. A few words are also read back here, since
    # that reveals a faulty CRC unit.
    for first in (0, len(words) - min(READ_BACK_WORDS, len(words))):
        part = words[first : first + READ_BACK_WORDS]
        words_back = board.read_words(start + first, len(part))
        if not np.array_equal(words_back, part):
            i = int(np.flatnonzero(words_back != part)[0])
            return Check(name, False, f"word {first + i}: wrote {int(part[i])}, read {int(words_back[i])}")
    if not board.check_words(start, words):
        return Check(name, False, f"CRC over {len(words)} words differs")
    return Check(name, True, f"{len(words)} words")


def networks_of(geometry: Geometry) -> int:
    """Return the number of random networks with which the self test tries a
    board of ``geometry``."""
    return len(DAC_BITS) * (1 + geometry.analog) * (1 + geometry.noise)


def _networks(
    board: BoardApi, geometry: Geometry, rng: np.random.Generator, inferences: int
) -> Iterator[Check]:
    # The network has two row tiles and, on a board with few lanes, two column groups,
    # of which the last is not full.
    hidden = min(geometry.lanes + 3, geometry.max_outputs, geometry.columns // 4, 80)
    widths = (min(geometry.rows + 5, geometry.max_inputs), hidden, min(10, geometry.max_outputs))
    kinds = (("adc", "analog")[: 1 + geometry.analog], DAC_BITS, (False, True)[: 1 + geometry.noise])
    for readout, dac_bits, noise in itertools.product(*kinds):
        program = random_program(geometry, rng, sizes=widths, readout=readout, dac_bits=dac_bits, noise=noise)
        x = rng.integers(0, 256, (max(2, inferences), widths[0])).astype(np.uint8)
        x[0], x[1] = 0, 255
        seed, first = int(rng.integers(0, 1 << 63)), int(rng.integers(0, 1 << 31))
        board.program(program)
        y = board.infer(x, seed=seed, first_index=first, noise=noise)
        expected = Core(program).infer(x, seed=seed, first_index=first, noise=noise)
        same = np.array_equal(y, expected)
        result = f"{len(x)} inferences equal to golden, seed {seed}"
        yield Check(
            f"network {'-'.join(map(str, widths))} {readout} dac {dac_bits} {'' if noise else 'no '}noise",
            same,
            result if same else f"seed {seed}: {describe_mismatch(y, expected)}",
        )


def describe_mismatch(y: npt.NDArray[np.int32], expected: npt.NDArray[np.int32]) -> str:
    """Describe in words the first element in which ``y`` differs from ``expected``."""
    i, m = (int(v) for v in np.argwhere(y != expected)[0])
    return f"inference {i}, output {m}: board {int(y[i, m])}, golden {int(expected[i, m])}"

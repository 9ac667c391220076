"""What tests give to programs and devices, single steps of programs, and what
must come of them."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ecram.pulses import EcramModel
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.golden.codes import Codes, Draw
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.evaluate import At, evaluated
from ndrite.emulator.spec.memory_map import DESCRIPTOR, DESCRIPTOR_WORDS, Section, address
from ndrite.emulator.spec.packets import GROUP
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.variation import CODE_FRACTION, TABLE_WORDS, Campaign, Variation


def random_inputs(program: Program, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Input vectors uint8 (count, inputs): random ones, sparse ones, all 0
    and all 255 in turn."""
    x = rng.integers(0, INPUT_MAX + 1, (count, program.inputs)).astype(np.uint8)
    for i in range(1, count, 4):
        x[i, rng.random(program.inputs) < 0.8] = 0
    x[2::4] = INPUT_MAX
    x[3::4] = 0
    return x


def step_of(program: Program, number: int, maps: dict[int, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The map (n, C, H, W) that step ``number`` of a program makes of the maps it
    reads; read noise off."""
    step = program.steps[number]
    codes = Codes.of(program, Draw.none(len(maps[step.reads[0]])))
    return np.asarray(evaluated(codes, At(0, number, program.products_before(number)), step, maps))


def inferred(board: Any, program: Program, x: npt.NDArray[Any], **how: Any) -> npt.NDArray[Any]:
    """What a board that holds a program answers: the plain golden model's
    outputs in every bit."""
    y = board.infer(x, **how)
    np.testing.assert_array_equal(y, Core(program, fast=False).infer(x, **how), err_msg=f"{board}, {program}")
    return np.asarray(y)


def ran(board: Any, program: Program, x: npt.NDArray[Any], **how: Any) -> npt.NDArray[Any]:
    """What a board infers once it is programmed; the golden model's outputs, as
    ``inferred`` has it."""
    board.program(program)
    return inferred(board, program, x, **how)


def voted(
    board: Any, program: Program, x: npt.NDArray[Any], labels: npt.NDArray[Any], plan: Campaign, **how: Any
) -> npt.NDArray[Any]:
    """The votes of a campaign on a board that holds a program: the golden model's, and
    as many are right."""
    got, wanted = board.campaign(x, labels, plan, **how), campaign(program, x, labels, plan)
    for name in ("votes", "correct"):
        np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name), err_msg=f"{name}, {program}")
    return np.asarray(got.votes)


def quiet(program: Program) -> Program:
    """The same die with read noise off."""
    return program.with_layers([dataclasses.replace(la, sigma_out=0, var_cell=0) for la in program.layers])


def trace(
    model: EcramModel, up: int, down: int, rng: np.random.Generator | None = None, devices: int = 1
) -> npt.NDArray[np.float64]:
    """States (up + down + 1, devices) of fresh devices at their lower bound: ``up``
    pulses, then ``down``."""
    w = np.full(devices, model.low)
    states = [w]
    for i in range(up + down):
        w = model.pulse(w, i < up, rng)
        states.append(w)
    return np.stack(states)


def same_cells(code_max: int = 255) -> Variation:
    """Cells that land on their targets: every chip is the nominal one."""
    mean = (np.arange(TABLE_WORDS) << CODE_FRACTION).astype(np.uint16)
    return Variation(
        mean=mean, sigma=np.zeros(TABLE_WORDS, np.uint16), stuck_code_high=code_max, code_max=code_max
    )


def varied(rng: np.random.Generator, code_max: int = 255) -> Variation:
    """Cells that miss their targets, some of which are stuck."""
    return dataclasses.replace(
        same_cells(code_max),
        sigma=rng.integers(200, 20000, TABLE_WORDS).astype(np.uint16),
        stuck_low=int(rng.integers(0, 4000)),
        stuck_high=int(rng.integers(0, 4000)),
    )


def flip(board: Any, where: int, bit: int) -> None:
    """Change one bit of a memory word, past everything that watches over the program."""
    word = board.read_words(where, 1) ^ np.array([1 << bit], np.uint32).view(np.int32)
    board.channel.write([Section("upset", where, word)], lambda done: None)


def hang(board: Any, program: Program) -> None:
    """Lose the mark by which the sequencer knows the last layer of what the board
    holds: it goes round for ever, until the watchdog ends it."""
    word, low, _ = DESCRIPTOR["last"]
    flip(board, address("layers", (len(program.layers) - 1) * DESCRIPTOR_WORDS + word), low)


def sparse_samples(payload: bytes, count: int) -> list[npt.NDArray[np.uint8]] | None:
    """The ``count`` codes, uint8 (K,), of each sample of a payload; None where it
    has none or a part."""
    found, at = [], 0
    while at < len(payload):
        x = np.zeros(count, np.uint8)
        for start in range(0, count, GROUP):
            if at >= len(payload):
                return None
            bits, at = payload[at], at + 1
            if bits >> min(GROUP, count - start):
                return None
            for i in range(GROUP):
                if bits >> i & 1:
                    if at >= len(payload):
                        return None
                    x[start + i], at = payload[at], at + 1
        found.append(x)
    return found or None


def dense(payload: bytes, count: int) -> npt.NDArray[np.uint8] | None:
    """The ``count`` codes, uint8 (K,), of a payload; None where it is not one of so many."""
    found = sparse_samples(payload, count)
    return found[0] if found is not None and len(found) == 1 else None

"""What tests give to programs and devices, and single steps of programs."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.ecram.pulses import EcramModel
from emulator.golden.codes import Codes, Draw
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.evaluate import At, evaluated
from emulator.spec.program import Program
from emulator.spec.sparse import GROUP
from emulator.spec.variation import CODE_FRACTION, TABLE_WORDS, Variation


def random_inputs(program: Program, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Input vectors uint8 (count, inputs): random ones, sparse ones, all 0 and all 255 in turn."""
    x = rng.integers(0, INPUT_MAX + 1, (count, program.inputs)).astype(np.uint8)
    for i in range(1, count, 4):
        x[i, rng.random(program.inputs) < 0.8] = 0
    x[2::4] = INPUT_MAX
    x[3::4] = 0
    return x


def step_of(program: Program, number: int, maps: dict[int, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The map (n, C, H, W) that step ``number`` of a program makes of the maps it reads; read noise off."""
    step = program.steps[number]
    codes = Codes.of(program, Draw.none(len(maps[step.reads[0]])))
    return np.asarray(evaluated(codes, At(0, number, program.products_before(number)), step, maps))


def quiet(program: Program) -> Program:
    """The same die with read noise off."""
    return program.with_layers([dataclasses.replace(la, sigma_out=0, var_cell=0) for la in program.layers])


def trace(
    model: EcramModel, up: int, down: int, rng: np.random.Generator | None = None, devices: int = 1
) -> npt.NDArray[np.float64]:
    """States (up + down + 1, devices) of fresh devices at their lower bound: ``up`` pulses, then ``down``."""
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


def dense(payload: bytes, count: int) -> npt.NDArray[np.uint8] | None:
    """The ``count`` codes, uint8 (K,), of a payload; None where it is not one of so many."""
    x, at = np.zeros(count, np.uint8), 0
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
    return x if at == len(payload) else None

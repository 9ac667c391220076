"""The golden model against evaluators that were written from docs/arithmetic.md,
not from the code.

A mismatch is a fault of the golden model or of the page. Each test prints how much it
compared (`pytest -s`).
"""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import Learner
from ndrite.emulator.golden.noise import virtual_chip
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Geometry, Program
from ndrite.emulator.spec.learning import Learning
from tests.marks import long_where
from tests.naive import page_inference
from tests.naive.page_learning import PageLearner
from tests.random_graphs import random_graph
from tests.random_learning import random_learning
from tests.stimulus import random_inputs, varied

GEOMETRY = dataclasses.replace(PRESETS["tiny"], max_inputs=32)
LEARNING_GEOMETRY = Geometry(rows=16, lanes=8, noise=True)
LAST_INDEX = (1 << 32) - 1
"""Index of a first inference, and of a first update: the second one has index 0."""


def page_program(program: Program) -> dict[str, Any]:
    return page_inference.unpacked(program.manifest(), program.arrays())


def page_learning(learning: Learning) -> dict[str, Any]:
    fields = {"layers": [dataclasses.asdict(layer) for layer in learning.layers]}
    return fields | {
        "program": page_program(learning.program),
        "slots": learning.slots,
        "die_seed": learning.die_seed,
    }


def test_every_map_of_random_programs() -> None:
    outputs, codes = 0, 0
    for case in range(32):
        rng = np.random.default_rng(900 + case)
        program = random_graph(GEOMETRY, rng, noise=None if case % 4 else True, corner=case >= 16)
        x, seed = random_inputs(program, rng, 2), int(rng.integers(1 << 63))
        own = page_program(program)
        for noise in (True, False):
            maps = Core(program).maps(x, seed=seed, first_index=LAST_INDEX, noise=noise)
            for i, sample in enumerate(x):
                page_maps = page_inference.infer(own, sample.tolist(), LAST_INDEX + i, seed=seed, noise=noise)
                for number, (golden_map, page_map) in enumerate(zip(maps, page_maps, strict=True)):
                    where = f"program {case}, map {number}, sample {i}, noise {noise}"
                    assert golden_map[i].tolist() == page_map.tolist(), where
                    codes += page_map.size
                outputs += page_maps[-1].size
    print(f"{outputs} outputs, {codes} codes of maps")
    assert outputs > 1000
    assert codes > 10000


def test_virtual_chips() -> None:
    weights, outputs = 0, 0
    for case in range(6):
        rng = np.random.default_rng(950 + case)
        program = dataclasses.replace(random_program(GEOMETRY, rng, noise=True), variation=varied(rng))
        x, seed, chip = random_inputs(program, rng, 2), int(rng.integers(1 << 63)), int(rng.integers(1 << 31))
        golden_chip = virtual_chip(program, seed=seed, chip=chip)
        page_chip = page_inference.virtual_chip(page_program(program), seed, chip)
        for layer, step in zip(golden_chip.layers, page_chip["steps"], strict=True):
            assert layer.weights.tolist() == step["weights"], f"program {case}"
            weights += layer.weights.size
        answers = Core(golden_chip).infer(x, seed=seed, first_index=3, stream=chip + 1)
        for i, sample in enumerate(x):
            maps = page_inference.infer(page_chip, sample.tolist(), 3 + i, seed=seed, stream=chip + 1)
            assert answers[i].tolist() == maps[-1].reshape(-1).tolist(), f"program {case}, sample {i}"
            outputs += maps[-1].size
    print(f"{weights} weights of virtual chips, {outputs} outputs")
    assert weights > 1000


BESIDE = (
    {},
    {"tuned": True},
    {"transfer": True},
    {"tuned": True, "transfer": True},
    {"coarse": True, "tuned": True, "transfer": True},
    {"tabled": True},
    {"tabled": True, "coarse": True, "transfer": True},
    {"tiles": True},
    {"coarse": True, "tuned": True, "tiles": True},
    {"transfer": True, "noisy_readings": True},
    {"tiles": True, "noisy_readings": True},
)
"""What layers have besides weights, devices whose pulses are taken one after the
other, and tables."""


SUBSUMED = ({"tuned": True}, {"transfer": True}, {"tabled": True})
"""Of these, what others combine."""


@pytest.mark.parametrize("beside", long_where(SUBSUMED.__contains__, BESIDE), ids=" + ".join)
def test_every_state_of_random_learnings(beside: dict[str, bool]) -> None:
    states, moves = 0, 0
    for case in range(8):
        rng = np.random.default_rng(970 + case)
        sizes = tuple(int(v) for v in rng.integers(2, 20, 2 + case % 3))
        learning = random_learning(LEARNING_GEOMETRY, rng, sizes=sizes, corner=case >= 4, **beside)
        x, labels = random_inputs(learning.program, rng, 6), rng.integers(0, learning.outputs, 6)
        seed, noise = int(rng.integers(1 << 63)), case % 4 < 3
        golden = Learner(learning, seed=seed, noise=noise)
        golden.learn(x, labels, first_update=LAST_INDEX)
        page = PageLearner(page_learning(learning), seed, noise)
        for i, (sample, label) in enumerate(zip(x, labels, strict=True)):
            page.update(sample.tolist(), int(label), LAST_INDEX + i & LAST_INDEX)
        for i, (golden_states, layer) in enumerate(zip(golden.states, page.layers, strict=True)):
            assert golden_states.tolist() == layer.states, f"learning {case}, layer {i}"
            states += golden_states.size
            moves += int((golden_states != learning.layers[i].states).sum())
    print(f"{states} states, {moves} of which moved")
    assert moves > 100

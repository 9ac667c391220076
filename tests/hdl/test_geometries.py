"""Geometry x design x extreme program on the simulated board, every inference and
vote as golden's."""

import dataclasses
import itertools
import os
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.sim import Design, SimLink
from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Geometry, Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.errors import GeometryError, ProgramError
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.variation import Campaign
from tests.random_geometries import Choices, Fields, dividing, random_geometry
from tests.stimulus import inferred, varied, voted

TINY = PRESETS["tiny"]
THOROUGH = "NDRITE_HDL" in os.environ
IMAGES = 12 if THOROUGH else 5
SAMPLES = 8
DESIGNS: dict[str, tuple[Design | None, Fields]] = {
    "plain": (None, {}),
    "overlap": (None, {"overlap": True}),
    "small": (
        Design(small=True),
        {"redraw": 0, "readouts": 1, "noise": False, "analog": False, "skip": False},
    ),
}
"""Design -> platform, and the geometry fields that it fixes."""
KINDS = ("one by one", "one column", "one row", "all limits", "all limits", "any")


def packets(drawn: Fields) -> list[int]:
    """Sizes that hold a sample and a result."""
    return [n for n in (64, 128, 256, 512) if n >= max(drawn["max_inputs"], 4 * drawn["max_outputs"])]


CHOICES: Choices = {
    "name": ("fuzz",),
    "rows": (8, 16, 24, 128, 1024),
    "lanes": (1, 2, 3, 4, 5, 8, 9, 12, 16),
    "readouts": dividing(16),
    "weight_bits": (8, 9),
    "weight_depth": (16, 64, 512),
    "max_inputs": (16, 16, 32, 128),
    "max_outputs": (1, 2, 16, 64),
    "columns": (16, 64, 256),
    "layers": (1, 2, 4),
    "curves": (1, 2, 16),
    "segments": (2, 8, 32, 256),
    "noise": (False, True),
    "analog": (False, True),
    "skip": (False, True),
    "redraw": lambda drawn: [0, *dividing(8)(drawn)],
    "campaign_words": (512,),
    "campaign_samples": (16,),
    "campaign_votes": (64, 1024),
    "packet_bytes": packets,
    "window": (1, 2, 4),
}
"""Fields of a random geometry, small and large ones as likely; of some by
those drawn before."""


def sizes_of(kind: str, g: Geometry, rng: np.random.Generator) -> tuple[int, ...]:
    """Widths of a program of ``kind`` that ``g`` can hold; the widest that fits where
    it is about limits."""
    if kind == "one by one":
        return (1, 1)
    if kind == "one row":
        return (1, min(g.max_outputs, g.weight_depth * g.lanes, g.columns - g.readouts))
    most = min(g.max_inputs, g.weight_depth)
    if kind == "one column":
        return (most, 1)
    for _ in range(1000):
        depth = int(rng.integers(1, g.layers + 1))
        widths = [int(rng.choice([1, rng.integers(1, most + 1), most])) for _ in range(depth)]
        widths.append(int(rng.choice([1, rng.integers(1, g.max_outputs + 1), g.max_outputs])))
        pairs = list(itertools.pairwise(widths))
        spans = sum(m + g.readouts for _, m in pairs)  # as ``random_program`` has it
        if sum(k * g.groups(m) for k, m in pairs) <= g.weight_depth and spans <= g.columns:
            return tuple(widths)
    return (1, 1)


def at_its_limits(layer: Layer, g: Geometry, rng: np.random.Generator) -> Layer:
    """All weights at an end of their range, and gain, offset, scale and shifts
    at one of theirs."""
    m = layer.outputs
    signs = rng.choice([-1, 1], layer.weights.shape if rng.random() < 0.5 else m)
    return dataclasses.replace(
        layer,
        weights=(np.ones_like(layer.weights) * signs * g.weight_max).astype(np.int16),
        gain=rng.choice([0, 65535, 65535], m).astype(np.uint16),
        offset=rng.choice([-2048, 0, 2047], m).astype(np.int16),
        scale=rng.choice([0, 65535, 65535], m).astype(np.uint16),
        bias=rng.choice([-(1 << 30), 0, 1 << 30], m).astype(np.int32),
        shift=int(rng.choice([0, 1, 20, 46, 47])),
        vshift=int(rng.choice([0, 16, 30, 46, 47])),
        sigma_out=layer.sigma_out and 65535,
        var_cell=layer.var_cell and 65535,
    )


def extreme_program(kind: str, g: Geometry, rng: np.random.Generator) -> Program:
    """A program of ``kind`` for ``g``; with cells that vary where ``g`` draws virtual chips."""
    sizes = sizes_of(kind, g, rng)
    program = random_program(g, rng, sizes=sizes, layers=len(sizes) - 1, corner=kind != "any")
    if kind == "all limits":
        for _ in range(50):
            try:
                layers = tuple(at_its_limits(layer, g, rng) for layer in program.layers)
                program = program.with_layers(layers)
                break
            except ProgramError:  # sums too large for 32 bits
                continue
    if not g.redraw:
        return program
    return dataclasses.replace(program, variation=varied(rng, g.weight_max))


def samples_of(program: Program, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Codes uint8 (SAMPLES, inputs): all 0, all 255, one row only, sparse ones and any."""
    x = rng.integers(0, INPUT_MAX + 1, (SAMPLES, program.inputs)).astype(np.uint8)
    x[0], x[1], x[2] = 0, INPUT_MAX, 0
    x[2, int(rng.integers(0, program.inputs))] = INPUT_MAX
    x[3, rng.random(program.inputs) < 0.8] = 0
    x[4] = int(rng.choice([1, 128]))
    return x[rng.permutation(SAMPLES)]


def compare(g: Geometry, design: str, rng: np.random.Generator) -> None:
    """All inferences and votes are golden's; a campaign between two rounds of inferences."""
    inferences = votes = 0
    with Board(SimLink(g, platform=DESIGNS[design][0])) as board:
        for n in range(IMAGES):
            program = extreme_program(KINDS[n % len(KINDS)], g, rng)
            board.program(program)
            for again in range(2):
                x = samples_of(program, rng)[: SAMPLES - again]  # an odd number moves the banks on
                plan: dict[str, Any] = {"seed": int(rng.integers(0, 1 << 63)), "noise": rng.random() < 0.8}
                index = int(rng.integers(0, 1 << 31))
                inferences += len(inferred(board, program, x, first_index=index, **plan))
                if again or not g.redraw:
                    continue
                plan |= {"chips": 2, "trials": 2, "first_chip": int(rng.integers(0, 1 << 31))}
                labels = rng.integers(0, program.outputs, len(x))
                votes += int(voted(board, program, x, labels, Campaign(**plan)).sum())
    assert inferences == IMAGES * (2 * SAMPLES - 1)
    assert votes == (IMAGES * SAMPLES * 4 if g.redraw else 0)


LEAST = {"rows": 128, "lanes": 1, "max_inputs": 16, "max_outputs": 1, "columns": 16, "layers": 1, "curves": 1}
AT_ONCE = {
    "overlap": dataclasses.replace(TINY, rows=8, lanes=3, readouts=1, max_inputs=16, overlap=True, redraw=1),
    "small": dataclasses.replace(TINY, **DESIGNS["small"][1], **LEAST),
}
"""Geometries that were computed wrongly once, or are as small as they may be."""


@pytest.mark.long
@pytest.mark.parametrize("design", AT_ONCE)
def test_extreme_images_equal_golden(design: str) -> None:
    compare(AT_ONCE[design], design, np.random.default_rng(3))


@pytest.mark.slow
@pytest.mark.skipif(not THOROUGH, reason="takes minutes; run: make test-hdl")
@pytest.mark.parametrize("trial", range(int(os.environ.get("TRIALS", "4"))))
@pytest.mark.parametrize("design", DESIGNS)
def test_random_geometries_equal_golden(
    design: str, trial: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Boards that nobody else will ask for stay out of the user's cache.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "geometries"))
    rng = np.random.default_rng([trial, *design.encode()])
    g = random_geometry(rng, {**CHOICES, **{name: (value,) for name, value in DESIGNS[design][1].items()}})
    compare(g, design, rng)


def test_virtual_chips_of_codes_beyond_the_weights_are_refused() -> None:
    g = dataclasses.replace(TINY, weight_bits=8)
    rng = np.random.default_rng(1)
    program = dataclasses.replace(random_program(g, rng), variation=varied(rng))
    with pytest.raises(GeometryError, match=r"variation\.code_max is 255; at most 127"):
        check_fits(program, g)
    check_fits(dataclasses.replace(program, variation=varied(rng, 127)), g)
    check_fits(program, dataclasses.replace(g, redraw=0))

"""Random geometries against random programs of every step kind: simulated gateware
equals the golden model.

Two small geometries in ``make test-long``; ``make test-pairs`` has forty, each with
twenty-five programs. What was covered is printed.
"""

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest

from ndrite.boards.board import Board
from ndrite.boards.selftest import checks_of
from ndrite.boards.sim import SimLink
from ndrite.emulator.backend.lay_out import divided
from ndrite.emulator.backend.lowering import lower
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.geometry import lane_groups
from ndrite.emulator.spec.steps import Product
from tests.random_geometries import Choices, Fields, dividing, random_geometry
from tests.random_graphs import random_walk
from tests.stimulus import ran, random_inputs

GEOMETRIES, PROGRAMS = (int(n) for n in os.environ.get("NDRITE_PAIRS", "2x6").split("x"))
FIRST = int(os.environ.get("NDRITE_PAIRS_FROM", "0"))
SAMPLES = 4
WHOLE = GEOMETRIES > 2
KINDS = {
    *("product", "pool max", "pool average", "gate", "table", "chain", "walk", "calls", "states", "joined"),
    *("skip", "block", "groups", "sums", "codes", "noise", "analog", "tiles", "slices"),
    "more curves than a pipe's",
}
"""What forty geometries must have seen."""


def may_divide(drawn: Fields, groups: int) -> bool:
    """Whether the lanes may form so many groups."""
    return drawn["skip"] and drawn["lanes"] % (8 * groups) == 0


CHOICES: Choices = {
    "name": ("pairs",),
    "lanes": (2, 3, 5, 8, 12, 16, 16, 24, 32, 32, 40, 64),
    "skip": (False, True, True),
    "lane_rows": lambda drawn: (1, 2) if drawn["skip"] else (1,),
    "max_inputs": (64, 128, 256, 512),
    "lane_groups": lambda drawn: [n for n in (1, 2, 4, 8) if n == 1 or may_divide(drawn, n)],
    "rows": (8, 16, 24, 40, 128),
    "readouts": dividing(8),
    "weight_bits": (8, 9),
    "weight_depth": (1024, 2048, 4096),
    "max_outputs": (32, 64),
    "columns": (512, 1024),
    "layers": (16, 32),
    "curves": (4, 8, 16),
    "segments": (8, 32),
    "noise": (False, True, True),
    "analog": (False, True),
    "map_codes": (1024, 2048, 8192),
    "window": (1, 2, 4),
    "redraw": (0,),
    "overlap": (True,),
    "packet_bytes": lambda drawn: [max(drawn["max_inputs"], 256)],
}
"""Fields that leave room for a few steps."""
SMALL: Choices = {**CHOICES, "lanes": (8, 12, 16)}
"""Of those that compile in half a minute."""
DIVIDED: Choices = {**SMALL, "rows": lambda drawn: CHOICES["rows"] if drawn["lane_groups"] > 1 else ()}
"""Of those whose lanes form groups."""


def seen(program: Program, geometry: Geometry) -> Counter[str]:
    """What a program has in it, and in how many groups of lanes its products go."""
    found: Counter[str] = Counter({"chain" if program.is_chain else "walk": 1})
    for step in program.steps:
        found[step.kind + (f" {step.of}" if step.kind == "pool" else "")] += 1
        if isinstance(step, Product):
            layer = step.layer
            found["noise"] += bool(layer.sigma_out or layer.var_cell)
            found["analog"] += layer.readout == "analog"
            found["slices"] += layer.dac_bits < 8
            found["tiles"] += layer.tiles(program.rows) > 1
            found["skip"] += step.skip is not None
            found["block"] += step.block != (1, 1)
            found["groups"] += step.patches.groups > 1
    found["calls"] += program.calls > 1
    found["states"] += bool(program.states)
    last = program.steps[-1]
    found["sums" if isinstance(last, Product) and not last.fires else "codes"] += 1
    curves = {q for step in program.steps for layer in step.layers for q in layer.curve.tolist()}
    found["more curves than a pipe's"] += len(curves) > geometry.curves
    ours, used = lower(program), divided(program, geometry)
    found["joined"] += bool(ours.areas)
    for product in ours.products:
        found[f"{lane_groups(product.share, used)} groups of lanes"] += 1
    return +found


@pytest.mark.long
@pytest.mark.parametrize("number", range(FIRST, FIRST + GEOMETRIES))
def test_gateware_equals_golden(number: int, tmp_path_factory: Any, monkeypatch: Any) -> None:
    if WHOLE:
        # Boards that nobody else will ask for stay out of the user's cache.
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "pairs"))
    rng = np.random.default_rng(number)
    geometry = random_geometry(rng, CHOICES if WHOLE else DIVIDED if number == FIRST else SMALL)
    covered: Counter[str] = Counter()
    with Board(SimLink(geometry), timeout_s=60) as board:
        failed = [check for check in checks_of(board, seed=number, inferences=2) if not check.passed]
        assert not failed, failed
        for trial in range(PROGRAMS):
            corner, noise = trial % 4 == 3, None if trial % 5 else geometry.noise
            if trial % 5 == 4:
                program = random_program(geometry, rng, layers=3, corner=corner, noise=noise)
            else:
                program = random_walk(geometry, rng, corner=corner, noise=noise, steps=2 + trial % 5)
            x = random_inputs(program, rng, SAMPLES)
            ran(board, program, x, seed=int(rng.integers(1 << 63)), first_index=int(rng.integers(1 << 20)))
            covered += seen(program, geometry)
    TOTAL.update(covered)
    print(f"\ngeometry {number}: {PROGRAMS} programs, {PROGRAMS * SAMPLES} inferences equal; {geometry}")
    print(", ".join(f"{name} {count}" for name, count in sorted(covered.items())))


TOTAL: Counter[str] = Counter()


@pytest.mark.long
def test_every_kind_of_step_was_seen() -> None:
    print("\nin all: " + ", ".join(f"{name} {count}" for name, count in sorted(TOTAL.items())))
    if WHOLE and GEOMETRIES >= 40:
        assert set(TOTAL) >= KINDS

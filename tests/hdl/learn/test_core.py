"""The learning core against the golden model, in every state, over geometries."""

import dataclasses
import os
from pathlib import Path

import pytest

from emulator.spec import PRESETS, Geometry
from emulator.spec.errors import GeometryError
from hdl.learn.core import LearningCore
from tests.hdl.simulate import simulate

BASE = dataclasses.replace(PRESETS["tiny"], redraw=0, readouts=1)
GEOMETRIES = {
    "one-group": dataclasses.replace(BASE, lanes=8, readouts=2),
    "two-groups": dataclasses.replace(
        BASE, lanes=32, rows=32, readouts=4, columns=256, max_inputs=128, max_outputs=32, packet_bytes=128
    ),
    "odd": dataclasses.replace(BASE, lanes=5, rows=8, segments=8, curves=2),
    "one-lane": dataclasses.replace(BASE, lanes=1, rows=8, max_outputs=16),
    "deep": dataclasses.replace(BASE, lanes=6, rows=16, layers=8, weight_depth=512, readouts=2),
    "rest-of-a-group": dataclasses.replace(BASE, lanes=19, rows=24),
    "many-rows": dataclasses.replace(
        BASE, lanes=4, rows=64, weight_depth=1024, max_inputs=256, packet_bytes=256, readouts=4, analog=False
    ),
    "noiseless": dataclasses.replace(BASE, lanes=8, noise=False),
}
LONG = [name for name in GEOMETRIES if name != "one-group"]


@pytest.mark.parametrize(
    "name", ["one-group", *(pytest.param(name, marks=pytest.mark.long) for name in LONG)]
)
def test_learning_core_equals_golden(name: str, tmp_path: Path) -> None:
    geometry: Geometry = GEOMETRIES[name]
    work = {key: os.environ[key] for key in ("TRIALS", "UPDATES") if key in os.environ}
    simulate(LearningCore(geometry), "learn.bench_core", tmp_path, geometry=geometry, **work)


def test_refused() -> None:
    with pytest.raises(GeometryError, match="8 rows, 16 lanes"):
        LearningCore(dataclasses.replace(BASE, lanes=16, rows=8))

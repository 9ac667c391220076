"""The core against the golden model, block by block, over geometries."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from emulator.spec import PRESETS, Geometry
from hdl.core import Core
from tests.hdl.simulate import Compact, simulate

TINY = PRESETS["tiny"]
GEOMETRIES = {
    "tiny": TINY,
    "one-readout-odd-lanes": dataclasses.replace(TINY, lanes=3, readouts=1, rows=8, curves=1, redraw=0),
    "all-readouts-skip": dataclasses.replace(TINY, lanes=8, readouts=8, skip=True, segments=8),
    "bare": dataclasses.replace(
        TINY, lanes=4, readouts=4, noise=False, analog=False, weight_bits=8, redraw=4
    ),
    "slice-parallel": dataclasses.replace(TINY, lanes=8, readouts=4, slices=8, skip=True, redraw=2),
    "slice-parallel-bare": dataclasses.replace(
        TINY, lanes=8, readouts=8, slices=8, noise=False, analog=False, redraw=0
    ),
}


COMPACT = {
    name: dataclasses.replace(GEOMETRIES[name], redraw=0)
    for name in ("tiny", "one-readout-odd-lanes", "all-readouts-skip", "bare")
}


@pytest.mark.parametrize("name", COMPACT)
def test_core_without_registers_for_speed_equals_golden(name: str, tmp_path: Path) -> None:
    geometry = COMPACT[name]
    fields = json.dumps(dataclasses.asdict(geometry))
    simulate(Core(geometry), "bench_core", tmp_path, platform=Compact(), GEOMETRY=fields)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_core_equals_golden(name: str, tmp_path: Path) -> None:
    geometry: Geometry = GEOMETRIES[name]
    simulate(Core(geometry), "bench_core", tmp_path, GEOMETRY=json.dumps(dataclasses.asdict(geometry)))

"""The parts of a walk against plain arithmetic: where patches are read, where results are written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from emulator.spec import PRESETS
from hdl.walk.patch_reader import PatchReader
from hdl.walk.places import Places
from tests.hdl.simulate import simulate

MAPS = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, map_codes=1024)


def test_patches_are_those_of_the_golden_model(tmp_path: Path) -> None:
    simulate(PatchReader(MAPS), "walk.bench_patch_reader", tmp_path)


@pytest.mark.long
def test_all_small_shapes(tmp_path: Path) -> None:
    simulate(PatchReader(MAPS), "walk.bench_patch_reader", tmp_path, EVERY="1")


def test_results_go_where_the_golden_model_puts_them(tmp_path: Path) -> None:
    simulate(Places(MAPS), "walk.bench_places", tmp_path)


def test_a_memory_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"map_codes is 0"):
        PatchReader(dataclasses.replace(MAPS, map_codes=0))

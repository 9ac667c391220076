"""The parts of a walk against plain arithmetic: where patches are read, where results are written."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.backend.walk import WINDOW_MAX
from emulator.spec import PRESETS
from emulator.spec.geometry import WORD_ROWS
from hdl.walk.patch_reader import PatchReader
from hdl.walk.places import Places
from hdl.walk.pooling import Pooling
from tests.hdl.interpreted import followed
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


@pytest.mark.parametrize("window", [1, 9, 300, WINDOW_MAX])
def test_pooling_adds_any_window(window: int) -> None:
    """Largest and sum of windows to the largest, by NumPy; 300 full codes are beyond 16 bits."""
    rng = np.random.default_rng(window)
    parts = [rng.integers(low, 256, (window, WORD_ROWS)) for low in (255, 0, 200)]
    given: list[dict[str, Any]] = []
    for part in parts:
        for i, codes in enumerate(part.tolist()):
            last = int(i == window - 1)
            chunk = {"valid": 1, "codes": codes, "count": WORD_ROWS, "part_end": last}
            given.append({"chunk": chunk | {"group_end": 0, "patch_end": last}})
        given.append({"chunk": {"valid": 0, "codes": [0] * 8, "count": 0, "part_end": 0, "patch_end": 0}})
        given += [{}] * (1 + WORD_ROWS)
    seen = [value for valid, *value in followed(Pooling(), given, "valid", "largest", "total") if valid]
    wanted = [[part[:, c].max(), part[:, c].sum()] for part in parts for c in range(WORD_ROWS)]
    assert seen == wanted

"""The accelerator's own reset lasts as long as pipelines need, which is measured here."""

import dataclasses
from pathlib import Path

import pytest

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.core.core import Core
from ndrite.hdl.learn.core import LearningCore
from tests.hdl.simulate import simulate
from tests.hdl.test_blocks import BLOCKS
from tests.hdl.test_core import GEOMETRIES


@pytest.mark.parametrize("name", ["tiny", "groups-slow-readout"])
@pytest.mark.long
def test_the_core_needs_half_of_it(name: str, tmp_path: Path) -> None:
    moments = {} if name == "tiny" else {"MOMENTS": "3"}
    simulate(Core(GEOMETRIES[name]), "bench_restart", tmp_path, geometry=GEOMETRIES[name], **moments)


@pytest.mark.long
def test_the_learning_core_needs_half_of_it(tmp_path: Path) -> None:
    geometry = dataclasses.replace(PRESETS["tiny"], **BLOCKS["learning"][1])
    simulate(LearningCore(geometry), "learn.bench_restart", tmp_path, geometry=geometry)

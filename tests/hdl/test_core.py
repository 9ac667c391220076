"""The core against the golden model, block by block, over geometries."""

import dataclasses
import os
from pathlib import Path

import pytest

from ndrite.boards.sim import Design
from ndrite.emulator.spec import PRESETS
from ndrite.hdl.core.core import Core
from ndrite.hdl.small.core import SmallCore
from tests.hdl.simulate import simulate

TINY = PRESETS["tiny"]
# Several lane groups: sums of one pass move up while the next one's arrive.
WIDE = dataclasses.replace(TINY, columns=512, max_inputs=256, packet_bytes=256, redraw=0, overlap=True)
PLAIN = dataclasses.replace(TINY, readouts=1, noise=False, analog=False, redraw=0)
SKIP = dataclasses.replace(TINY, lanes=8, readouts=4, skip=True, redraw=0, overlap=True)
GEOMETRIES = {
    "tiny": TINY,
    "one-readout-odd-lanes": dataclasses.replace(TINY, lanes=3, readouts=1, rows=8, curves=1, redraw=0),
    "all-readouts-skip": dataclasses.replace(TINY, lanes=8, readouts=8, skip=True, segments=8),
    "bare": dataclasses.replace(PLAIN, lanes=4, readouts=4, weight_bits=8, redraw=4),
    "overlap": dataclasses.replace(TINY, overlap=True),
    "overlap-skip": SKIP,
    "two-rows": dataclasses.replace(SKIP, lane_rows=2),
    "groups-slow-readout": dataclasses.replace(WIDE, lanes=40, readouts=2),
    "groups-fast-readout": dataclasses.replace(WIDE, lanes=48, readouts=8, skip=True),
    "groups-faster-than-rows": dataclasses.replace(WIDE, lanes=32, readouts=32, noise=False, skip=True),
    "small-two-lanes": dataclasses.replace(PLAIN, lanes=2, weight_bits=8),
    "small-odd-lanes": dataclasses.replace(PLAIN, lanes=3, rows=8, curves=2, segments=8, weight_bits=9),
    "small-one-lane": dataclasses.replace(PLAIN, lanes=1, weight_depth=2048),
}
RARE = {"groups-faster-than-rows", "small-one-lane"}
"""What has little to find once the others have passed."""
WORK = {
    # What matters are passes that follow each other closely; the others are slow
    # with so many lanes.
    "groups": {"IMAGES": "4", "TRIALS": "1", "COCOTB_TEST_FILTER": "random|many_groups|inferences_overlap"},
    # One column after the other: slow.
    "small": {"IMAGES": "3", "TRIALS": "2", "CYCLES": "600000"},
}
USUAL = {} if "NDRITE_HDL" in os.environ else {"TRIALS": "2", "IMAGES": "4"}
RARELY = pytest.mark.skipif("NDRITE_HDL" not in os.environ, reason="takes minutes; run: make test-hdl")


def marked(name: str) -> object:
    """A geometry's name, and how seldom it is simulated."""
    return pytest.param(name, marks=[RARELY] * (name in RARE))


@pytest.mark.long
@pytest.mark.parametrize("name", [marked(name) for name in GEOMETRIES])
def test_core_equals_golden(name: str, tmp_path: Path) -> None:
    geometry, kind = GEOMETRIES[name], name.partition("-")[0]
    core, platform = (SmallCore, Design(small=True)) if kind == "small" else (Core, None)
    work = WORK.get(kind, USUAL)
    simulate(core(geometry), "bench_core", tmp_path, platform=platform, geometry=geometry, **work)

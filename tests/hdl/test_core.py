"""The core against the golden model, block by block, over geometries."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from boards.sim import Design
from emulator.spec import PRESETS
from hdl.core.core import Core
from hdl.small.core import SmallCore
from tests.hdl.simulate import simulate

TINY = PRESETS["tiny"]
GEOMETRIES = {
    "tiny": TINY,
    "one-readout-odd-lanes": dataclasses.replace(TINY, lanes=3, readouts=1, rows=8, curves=1, redraw=0),
    "all-readouts-skip": dataclasses.replace(TINY, lanes=8, readouts=8, skip=True, segments=8),
    "bare": dataclasses.replace(
        TINY, lanes=4, readouts=4, noise=False, analog=False, weight_bits=8, redraw=4
    ),
    "overlap": dataclasses.replace(TINY, overlap=True),
    "two-rows": dataclasses.replace(
        TINY, lanes=8, readouts=4, skip=True, redraw=0, overlap=True, lane_rows=2
    ),
    "overlap-skip": dataclasses.replace(TINY, lanes=8, readouts=4, skip=True, redraw=0, overlap=True),
}


# Several lane groups: sums of one pass move up while the next one's arrive.
WIDE = dataclasses.replace(TINY, columns=512, max_inputs=256, packet_bytes=256, redraw=0, overlap=True)
LANE_GROUPS = {
    "slow-readout": dataclasses.replace(WIDE, lanes=40, readouts=2),
    "fast-readout": dataclasses.replace(WIDE, lanes=48, readouts=8, skip=True),
    "faster-than-rows": dataclasses.replace(WIDE, lanes=32, readouts=32, noise=False, skip=True),
}


WORK = {} if "NDRITE_HDL" in os.environ else {"TRIALS": "2", "IMAGES": "4"}


def rarely(name: str, *values: object) -> Any:
    """Parameters of a test that has little to find once the others have passed."""
    skip = pytest.mark.skipif("NDRITE_HDL" not in os.environ, reason="takes minutes; run: make test-hdl")
    return pytest.param(name, *values, marks=skip)


@pytest.mark.long
@pytest.mark.parametrize("name", ["slow-readout", "fast-readout", rarely("faster-than-rows")])
def test_core_of_lane_groups_equals_golden(name: str, tmp_path: Path) -> None:
    # What matters here are passes that follow each other closely; the others are slow with so many lanes.
    work = {"IMAGES": "4", "TRIALS": "1", "COCOTB_TEST_FILTER": "random|many_groups|inferences_overlap"}
    geometry = LANE_GROUPS[name]
    simulate(Core(geometry), "bench_core", tmp_path, geometry=geometry, **work)


PLAIN = dataclasses.replace(TINY, readouts=1, noise=False, analog=False, redraw=0)
SMALL = {
    "two-lanes": dataclasses.replace(PLAIN, lanes=2, weight_bits=8),
    "odd-lanes": dataclasses.replace(PLAIN, lanes=3, rows=8, curves=2, segments=8, weight_bits=9),
    "one-lane": dataclasses.replace(PLAIN, lanes=1, weight_depth=2048),
}


@pytest.mark.parametrize(
    "name", [pytest.param("two-lanes", marks=pytest.mark.long), "odd-lanes", rarely("one-lane")]
)
def test_small_core_equals_golden(name: str, tmp_path: Path) -> None:
    # One column after the other: slow.
    work = {"IMAGES": "3", "TRIALS": "2", "CYCLES": "600000"}
    core, small = SmallCore(SMALL[name]), Design(small=True)
    simulate(core, "bench_core", tmp_path, platform=small, geometry=SMALL[name], **work)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("readouts", 2),
        ("noise", True),
        ("analog", True),
        ("skip", True),
        ("redraw", 1),
        ("overlap", True),
    ],
)
def test_small_core_names_what_it_lacks(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} is {value}; accepted by the small core"):
        SmallCore(dataclasses.replace(PLAIN, lanes=2, **{field: value}))


RARE = ("overlap",)
LONG = ("bare", "one-readout-odd-lanes", "all-readouts-skip", "overlap-skip")
MOST = [rarely(name) if name in RARE else name for name in GEOMETRIES if name not in LONG]
MOST += [pytest.param(name, marks=pytest.mark.long) for name in LONG]


@pytest.mark.parametrize("name", MOST)
def test_core_equals_golden(name: str, tmp_path: Path) -> None:
    simulate(Core(GEOMETRIES[name]), "bench_core", tmp_path, geometry=GEOMETRIES[name], **WORK)

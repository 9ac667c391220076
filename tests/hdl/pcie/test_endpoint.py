"""The PCIe endpoint against an independent root complex."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from emulator.spec import PRESETS
from hdl.pcie.sim_top import PcieSimTop
from tests.hdl.simulate import simulate

TINY = PRESETS["tiny"]


def test_endpoint(tmp_path: Path) -> None:
    top = PcieSimTop(TINY, build_id=0x1122334455667788)
    simulate(top, "pcie.bench_endpoint", tmp_path, GEOMETRY=json.dumps(dataclasses.asdict(TINY)))

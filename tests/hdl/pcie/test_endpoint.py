"""The PCIe endpoint against an independent root complex (cocotbext-pcie)."""

import dataclasses
import os
from pathlib import Path

import pytest

from emulator.spec import PRESETS
from hdl.pcie.reader import Reader
from hdl.pcie.sim_top import PcieSimTop
from hdl.pcie.splitter import Splitter
from tests.hdl.pcie.copier import Copier
from tests.hdl.simulate import simulate

TINY = dataclasses.replace(PRESETS["tiny"], redraw=0)
THOROUGH = os.environ.get("NDRITE_PCIE", "")
"""Set by ``make test-pcie``: every combination instead of a selection."""
SLOTS = [pytest.param(16, 512, marks=pytest.mark.long), (2, 4096), *([(4, 128)] if THOROUGH else [])]
BENCHES = ",".join(f"pcie.bench_{name}" for name in ("endpoint", "bridge", "ring"))


@pytest.mark.long
def test_endpoint(tmp_path: Path) -> None:
    top = PcieSimTop(TINY, build_id=0x1122334455667788)
    simulate(top, BENCHES, tmp_path, geometry=TINY, THOROUGH=THOROUGH)


@pytest.mark.parametrize(("tags", "slot_bytes"), SLOTS)
def test_dma(tags: int, slot_bytes: int, tmp_path: Path) -> None:
    copier = Copier(tags=tags, slot_bytes=slot_bytes)
    parameters = {"TAGS": str(tags), "SLOT_BYTES": str(slot_bytes), "THOROUGH": THOROUGH}
    if not THOROUGH and slot_bytes > 512:
        parameters["COCOTB_TEST_FILTER"] = "every_size_code"  # a byte count of 4096 needs long slots
    simulate(copier, "pcie.bench_copier", tmp_path, **parameters)


@pytest.mark.parametrize(
    ("part", "fields"), [(Reader, {"tags": 3}), (Reader, {"tags": 32}), (Splitter, {"most": 96})]
)
def test_illegal_sizes_are_refused(part: type, fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="accepted: "):
        part(**fields)

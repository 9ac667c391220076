"""The PCIe endpoint against an independent root complex (cocotbext-pcie); its reads
against the link."""

import dataclasses
import os
from pathlib import Path

import pytest
from pcie_meter import read_rate

from ndrite.boards.sim.pcie_block import BehindBlock
from ndrite.emulator.spec import PRESETS
from ndrite.hdl.pcie.endpoint import PcieSimTop
from ndrite.hdl.pcie.user_side import READ_BYTES, READS
from tests.hdl.pcie.copier import Copier
from tests.hdl.simulate import simulate
from tests.marks import long_where

TINY = dataclasses.replace(PRESETS["tiny"], redraw=0)
THOROUGH = os.environ.get("NDRITE_PCIE", "")
"""Set by ``make test-pcie``: every combination instead of a selection."""
SLOTS = [*long_where(bool, [(16, 512), (2, 4096)]), *([(4, 128)] if THOROUGH else [])]


@pytest.mark.long
@pytest.mark.parametrize("behind", [False, True], ids=["streams", "block"])
@pytest.mark.parametrize("bench", ["bridge", "ring"])
def test_endpoint(bench: str, behind: bool, tmp_path: Path) -> None:
    """At its streams, and behind adapter and model of a hard block with the array in a
    clock of its own."""
    tags = READS if behind else 16
    top = PcieSimTop(TINY, build_id=0x1122334455667788, tags=tags)
    outer = BehindBlock(top, throttle=True, own_clock=True) if behind else top
    simulate(outer, f"pcie.bench_{bench}", tmp_path, geometry=TINY, THOROUGH=THOROUGH)


@pytest.mark.long
def test_dma_behind_the_block(tmp_path: Path) -> None:
    top = BehindBlock(Copier(tags=READS, slot_bytes=READ_BYTES), throttle=True, own_clock=False)
    parameters = {"TAGS": str(READS), "SLOT_BYTES": str(READ_BYTES), "THOROUGH": THOROUGH}
    simulate(top, "pcie.bench_copier", tmp_path, **parameters)


@pytest.mark.parametrize(("tags", "slot_bytes"), SLOTS)
def test_dma(tags: int, slot_bytes: int, tmp_path: Path) -> None:
    copier = Copier(tags=tags, slot_bytes=slot_bytes)
    parameters = {"TAGS": str(tags), "SLOT_BYTES": str(slot_bytes), "THOROUGH": THOROUGH}
    if not THOROUGH and slot_bytes > 512:
        parameters["COCOTB_TEST_FILTER"] = "every_size_code"  # a byte count of 4096 needs long slots
    simulate(copier, "pcie.bench_copier", tmp_path, **parameters)


@pytest.mark.long
@pytest.mark.parametrize("max_payload", [0, 1])
def test_enough_tags_fill_the_link(max_payload: int) -> None:
    """Gen2 x1 at a user clock of 62.5 MHz, 250 ns from a read to its answer."""
    found = read_rate(rate=8, latency=16, max_payload=max_payload)
    assert 0.9 <= found.efficiency <= 1.01, found


@pytest.mark.long
def test_a_window_of_two_reads_waits_for_the_host() -> None:
    """2 * 512 bytes in a round trip of 1000 clocks and the reads' own time: the rate
    the latency leaves."""
    found = read_rate(rate=8, latency=1000, max_payload=1, tags=2)
    assert 1024 / 1200 < found.payload < 1024 / 1000, found

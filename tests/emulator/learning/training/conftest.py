"""Training on one thread, each test from the same seed."""

import pytest

from tests.extras import needs


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch = needs("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)

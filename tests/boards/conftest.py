"""What tests of boards share: the loopback, compiled, and the shipped network."""

from pathlib import Path

import pytest

from ndrite.emulator.network import zoo
from ndrite.emulator.spec import Program
from tests.boards.loopback import loopback_library


@pytest.fixture(scope="session")
def library() -> Path:
    """The loopback component in the simulated board's harness."""
    return loopback_library()


@pytest.fixture(scope="session")
def program() -> Program:
    """784-128-10, as it is shipped."""
    return Program.load(zoo.program())

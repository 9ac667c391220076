"""The list of long tests names tests that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from ndrite.cli.main import COMMANDS
from ndrite.experiments import NAMES
from tests.conftest import LONG

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("start", LONG)
def test_what_is_long_exists(start: str) -> None:
    file, _, name = start.partition("::")
    content = (FOLDER / file).read_text()
    function, _, parameter = name.partition("[")
    assert not function or f"def {function}(" in content
    # A parameter's id is spelled out, or a command's or an experiment's name.
    assert not parameter or parameter.split("-")[0] in content or parameter in (*COMMANDS, *NAMES)

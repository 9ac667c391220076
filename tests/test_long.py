"""The list of long tests names tests that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from boards.fpga import TARGETS
from ndrite.cli.main import COMMANDS
from ndrite.experiments import NAMES
from tests.conftest import LONG

FOLDER = Path(__file__).parent
DOCS = FOLDER.parent / "docs"
PAGES = tuple(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.mark.parametrize("start", LONG)
def test_what_is_long_exists(start: str) -> None:
    file, _, name = start.partition("::")
    content = (FOLDER / file).read_text()
    function, _, parameter = name.partition("[")
    assert not function or f"def {function}(" in content
    # A parameter's id is spelled out, or the name of a command, an experiment, a page or a board.
    known = (*COMMANDS, *NAMES, *(f"{page}]" for page in PAGES))
    named = parameter in known or any(board.startswith(parameter) for board in TARGETS)
    assert not parameter or named or parameter.split("-")[0] in content

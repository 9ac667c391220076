"""The committed reference page is the one the tables give."""

from __future__ import annotations

from pathlib import Path

from emulator.spec.reference import reference
from emulator.spec.registers import REGISTERS

PAGE = Path(__file__).parents[3] / "docs" / "reference.md"


def test_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m emulator.spec.reference > docs/reference.md"


def test_every_register_is_described() -> None:
    text = reference()
    for register in REGISTERS:
        assert f"`{register.name}`" in text
        assert register.text.replace("|", "\\|") in text

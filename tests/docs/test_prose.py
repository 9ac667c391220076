"""Prose of pages and of every package's docstrings: no finding; glossary in order and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.prose import LONGEST, docstrings, findings, pages, sentences

ROOT = Path(__file__).parents[2]
TERMS = (
    "chip die program board target sample map step crossbar tile lane row slice trial NDR ECRAM RRAM".split()
)
"""Words that the glossary must explain, whatever else it does."""


def test_the_check_finds_what_it_is_for() -> None:
    assert findings("This is " + "so " * LONGEST + "long.") != []
    assert "says nothing" in findings("A very fast chip.")[0]
    assert "right is NumPy" in findings("It needs Numpy.")[0]
    assert findings("It needs `numpy`.\n\n```sh\npip install numpy is very easy\n```\n\n| numpy |\n") == []
    assert list(sentences("One. Two\nlines? Three: **four.** Five.")) == [
        "One.",
        "Two lines?",
        "Three: four.",
        "Five.",
    ]


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_page_reads_well(page: Path) -> None:
    assert findings(page.read_text()) == []


def test_docstrings_read_well() -> None:
    for package in ("boards", "emulator", "hdl", "host", "ndrite"):
        seen, wrong = 0, []
        for path in sorted((ROOT / package).rglob("*.py")):
            for text in docstrings(path.read_text()):
                wrong += [f"{path.relative_to(ROOT)}: {line}" for line in findings(text)]
                seen += 1
        assert wrong == []
        assert seen > 150, package


def test_the_glossary_has_each_term_once() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    named = [word.strip() for row, _ in rows for word in row.split(",")]
    assert len(named) == len(set(named))
    assert set(TERMS) <= set(named)
    assert all(text.endswith((".", ").")) for _, text in rows)

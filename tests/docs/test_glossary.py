"""The glossary explains each of its terms once, and the most needed ones."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TERMS = (
    "chip die program board target sample map step crossbar tile lane row slice trial NDR ECRAM RRAM".split()
)
"""Words that the glossary must explain, whatever else it does."""


def test_the_glossary_has_each_term_once() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", (ROOT / "docs" / "index.md").read_text(), re.M)
    named = [word.strip() for row, _ in rows for word in row.split(",")]
    assert len(named) == len(set(named))
    assert set(TERMS) <= set(named)
    assert all(text.endswith((".", ").")) for _, text in rows)

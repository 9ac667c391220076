"""Numbers on pages are those of the committed runs, and stay so by one command."""

import re
import shutil
from pathlib import Path

import pytest

from ndrite.boards.fpga import TARGETS
from ndrite.emulator.errors import EmulatorError
from studies.fill import MARK, fill, part_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """README and pages as they are, with the committed runs."""
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("images"))
    return tmp_path


def test_every_page_says_what_the_runs_say(copy: Path) -> None:
    assert fill(copy) == []
    pages = [copy / "README.md", *(copy / "docs").rglob("*.md")]
    assert sum(len(MARK.findall(page.read_text())) for page in pages) > 40
    assert all(f"`{name}`" in (copy / "docs/boards.md").read_text() for name in TARGETS)


def test_every_marked_number_is_written_anew(copy: Path) -> None:
    pages = [copy / "README.md", *(copy / "docs").rglob("*.md")]
    before = {page: page.read_text() for page in pages}
    for page in pages:
        mark = r"(<!--(?:[a-z][\w-]*/[^>]*|boards)-->).*?(<!--/-->)"  # other comments begin with a space
        page.write_text(re.sub(mark, r"\1old\2", before[page], flags=re.S))
    changed = fill(copy)
    assert {page: page.read_text() for page in pages} == before
    assert changed == sorted(page for page in pages if MARK.search(before[page]))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("", "-0.97 (-1.18 .. 0.00)"),
        ("value", "-0.97"),
        ("interval", "-1.18 .. 0.00"),
        ("negated", "0.97 (0.00 .. 1.18)"),
        ("negated value", "0.97"),
        ("negated interval", "0.00 .. 1.18"),
    ],
)
def test_parts_of_a_cell(part: str, text: str) -> None:
    assert part_of("-0.97 (-1.18 .. 0.00)", part) == text


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("loss/0/no such chip/loss, points", "0 rows begin with 'no such chip'"),
        ("loss/0/dendritic-analog/loss, points", "rows begin with 'dendritic-analog'; accepted: one"),
        ("loss/0/dendritic-analog, as compiled/gain", "'gain' is not in list"),
        ("gain/0/a/b", "gain.json"),
        ("loss/0/dendritic-analog, as compiled/float, %:interval", "has no interval"),
    ],
)
def test_a_mark_that_names_nothing_is_refused(mark: str, words: str, copy: Path) -> None:
    (copy / "README.md").write_text(f"text <!--{mark}-->1<!--/--> text")
    with pytest.raises(EmulatorError, match=re.escape(words)) as error:
        fill(copy)
    assert "README.md" in str(error.value)

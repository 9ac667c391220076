"""The documentation: its examples run, its pages are current, its figures follow from each other."""

import doctest
import json
import re
from pathlib import Path

import click
import pytest
import yaml

import ndrite
from boards.fpga import find_target
from ndrite.samples import judging_set
from ndrite.shell.main import COMMANDS, group

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_arithmetic_page() -> None:
    result = doctest.testfile(str(DOCS / "arithmetic.md"), module_relative=False)
    assert result.attempted >= 100
    assert result.failed == 0


def test_the_command_page_has_every_command_and_exit_code() -> None:
    page = (DOCS / "api.md").read_text()
    for name in COMMANDS:
        assert f"`ndrite {name}`" in page
    for code in ("0", "1", "2", "3", "130"):
        assert re.search(rf"^\| {code} \|", page, re.M)


def test_commands_on_the_pages_exist() -> None:
    """Every `ndrite ...` line of a code block, run or not, names a command and options that it has."""
    checked = 0
    for path in sorted([*DOCS.rglob("*.md"), ROOT / "README.md"]):
        blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", path.read_text(), re.M | re.S)
        for line in (line for block in blocks for line in re.findall(r"^ndrite (?!-)(.*)", block, re.M)):
            words, command, context = line.split("#")[0].split(), group, click.Context(group)
            while isinstance(command, click.Group) and words:
                command = command.get_command(context, words.pop(0))
            assert command is not None, f"{path.name}: ndrite {line}"
            options = {name for p in command.params for name in p.opts + p.secondary_opts}
            unknown = {word for word in words if word.startswith("--")} - options
            assert not unknown, f"{path.name}: ndrite {line}"
            checked += 1
    assert checked > 30


def test_the_python_reference_has_every_public_name() -> None:
    named = re.findall(r"^::: ndrite\.(\w+)$", (DOCS / "api.md").read_text(), re.M)
    assert sorted(named) == sorted(set(ndrite.__all__) - {"__version__"})


def test_the_navigation_has_every_page() -> None:
    """Once each, and at most eighteen; the reference is made with the site (`make docs`)."""
    site = yaml.load((ROOT / "mkdocs.yml").read_text(), yaml.SafeLoader)
    groups = [pages for entry in site["nav"] for pages in entry.values() if isinstance(pages, list)]
    told = [page for pages in groups for entry in pages for page in entry.values()]
    told += [page for entry in site["nav"] for page in entry.values() if isinstance(page, str)]
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | {"reference.md"}
    assert sorted(told) == sorted(pages)
    assert len(pages) <= 18


def test_notebooks_are_stored_without_outputs() -> None:
    notebooks = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == 4
    for path in notebooks:
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs"), path.name
            assert cell.get("execution_count") is None, path.name


TERMS = "chip die program board target sample map step crossbar tile lane row slice trial NDR ECRAM RRAM"
"""Words that the glossary must explain, whatever else it does."""


def test_the_glossary_has_each_term_once() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", (DOCS / "index.md").read_text(), re.M)
    named = [word.strip() for row, _ in rows for word in row.split(",")]
    assert len(named) == len(set(named))
    assert set(TERMS.split()) <= set(named)
    assert all(text.endswith((".", ").")) for _, text in rows)


PAGE = (DOCS / "campaigns.md").read_text()
ROW = re.compile(
    r"^\| .+ \| `(?P<board>[\w-]+)` \| (?P<cycles>[\d,]+) \| (?P<rate>[\d,]+) at (?P<mhz>[\d.]+) MHz \| "
    r"(?P<golden>[\d,]+) \| (?P<ratio>[\d.]+) \|$",
    re.MULTILINE,
)


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def test_rates_of_single_networks_are_at_the_clock_a_board_runs_at() -> None:
    rows = list(ROW.finditer(PAGE))
    assert len(rows) == 3
    for row in rows:
        clock = find_target(row["board"]).clock_mhz
        assert float(row["mhz"]) == clock
        assert whole(row["rate"]) == pytest.approx(1e6 * clock / whole(row["cycles"]), rel=0.003)
        assert float(row["ratio"]) == pytest.approx(whole(row["rate"]) / whole(row["golden"]), abs=0.006)


def test_a_campaigns_cycles_a_program_are_no_fewer_than_its_first_layer_takes() -> None:
    found = re.search(r"An image takes ([\d,]+), the mean over all\s+1,000", PAGE)
    assert found
    x, _ = judging_set("fashion-mnist")
    groups = -(-128 // find_target("ulx3s-85f").geometry.lanes)
    rows = (x[:1000] > 0).sum() / 1000
    assert groups * rows < whole(found[1]) < 1.05 * (groups * rows + 128)

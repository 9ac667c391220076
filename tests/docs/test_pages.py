"""The documentation: its examples run, and its pages are current.

What users read imports from ``ndrite`` alone: its public names and its public modules.
"""

import ast
import doctest
import importlib
import importlib.util
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

import ndrite
from ndrite.shell.main import group
from tests.extras import needs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_arithmetic_page() -> None:
    result = doctest.testfile(str(DOCS / "arithmetic.md"), module_relative=False)
    assert result.attempted >= 100
    assert result.failed == 0


def test_commands_on_the_pages_exist() -> None:
    """Every `ndrite ...` line of a code block, run or not, names a command and
    options that it has."""
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


def test_targets_of_make_on_the_pages_exist() -> None:
    """Every `make TARGET` that a page names, in a line of its text or of a block."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md")]
    named = {
        (path.name, target)
        for path in pages
        for target in re.findall(r"(?:`|^)make ((?!\w+=)[a-z][a-z-]*)", path.read_text(), re.M)
    }
    assert len(named) > 10
    assert {(page, target) for page, target in named if target not in targets} == set()


@pytest.mark.parametrize("name", sorted(set(ndrite.__all__) - {"__version__"}))
def test_signatures_are_of_names_types_and_defaults(name: str) -> None:
    """As `help` opens with them; no page of options of the command line."""
    if name in ("analog", "cost_of", "nn"):
        needs("torch")
    public = getattr(ndrite, name)
    if inspect.isroutine(public):
        shown = str(inspect.signature(public))
        assert "Annotated" not in shown
        assert "Option(" not in shown
        assert all(parameter in shown for parameter in inspect.signature(public).parameters)


def test_the_python_reference_has_every_public_name() -> None:
    named = re.findall(r"^::: ndrite\.(\w+)$", (DOCS / "api.md").read_text(), re.M)
    assert sorted(named) == sorted(set(ndrite.__all__) - {"__version__"})


def test_the_navigation_has_every_page() -> None:
    """Once each, and at most twenty-two; the reference is made with the site (`make docs`)."""
    site = yaml.load((ROOT / "mkdocs.yml").read_text(), yaml.SafeLoader)
    groups = [pages for entry in site["nav"] for pages in entry.values() if isinstance(pages, list)]
    told = [page for pages in groups for entry in pages for page in entry.values()]
    told += [page for entry in site["nav"] for page in entry.values() if isinstance(page, str)]
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | {"reference.md"}
    assert sorted(told) == sorted(pages)
    assert len(pages) <= 22


def test_notebooks_are_stored_without_outputs() -> None:
    notebooks = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == 4
    for path in notebooks:
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs"), path.name
            assert cell.get("execution_count") is None, path.name


CONTRIBUTORS = {"docs/add-an-operator.md", "docs/architecture.md", "docs/arithmetic.md", "docs/hardware.md"}
"""Pages that explain what is inside, to those who change it."""


def python_of(path: Path) -> Iterator[str]:
    """The Python in a page, a script or a notebook."""
    text = path.read_text()
    if path.suffix == ".py":
        yield text
    elif path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        yield from ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    else:
        yield from re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def shown() -> list[Path]:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
    found = [*pages, *(ROOT / "examples").rglob("*.ipynb")]
    return sorted(path for path in found if any(True for _ in python_of(path)))


@cache
def public_names(module: str) -> set[str]:
    """Names that users may import from a module, without importing it: it may need an extra."""
    if module == "ndrite":
        return set(ndrite.__all__)
    if module.removeprefix("ndrite.") not in ndrite._MODULES:
        return set()
    names = set()
    for node in ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def foreign(text: str) -> list[str]:
    """Imports from ndrite, in a piece of Python, that are not public names."""
    wrong = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            wrong += [n for n in names if n.split(".")[0] == "ndrite" and n != "ndrite"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ndrite":
            private = sorted({alias.name for alias in node.names} - public_names(str(node.module)))
            wrong += [f"{node.module}: {', '.join(private)}"] if private else []
    return wrong


@pytest.mark.parametrize("path", shown(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_users_import_from_ndrite_alone(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    wrong = [line for text in python_of(path) for line in foreign(text)]
    assert name in CONTRIBUTORS or not wrong, f"{name}: {wrong}"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.name)
def test_what_a_benchmark_imports_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ndrite":
            module = importlib.import_module(str(node.module))
            absent = [a.name for a in node.names if not hasattr(module, a.name)]
            assert [n for n in absent if importlib.util.find_spec(f"{node.module}.{n}") is None] == []

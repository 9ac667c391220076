"""What users read imports from ``ndrite`` alone: its public names and its public modules."""

import ast
import importlib
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ndrite

ROOT = Path(__file__).parents[2]
OWN = ("emulator", "hdl", "host", "boards", "ndrite")
CONTRIBUTORS = {"docs/architecture.md", "docs/arithmetic.md", "docs/hardware.md"}
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


def foreign(text: str) -> list[str]:
    """What a piece of Python imports of ours that is no public name."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found += [n for n in names if n.split(".")[0] in OWN and n != "ndrite"]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OWN:
            names = [alias.name for alias in node.names]
            module = importlib.import_module(str(node.module))
            named = module in (ndrite, *(getattr(ndrite, name) for name in ndrite._MODULES))
            public = named and all(hasattr(module, name) for name in names)
            found += [] if public else [f"{node.module}: {', '.join(names)}"]
    return found


@pytest.mark.parametrize("path", shown(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_users_import_from_ndrite_alone(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    wrong = [line for text in python_of(path) for line in foreign(text)]
    assert name in CONTRIBUTORS or not wrong, f"{name}: {wrong}"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.name)
def test_what_a_benchmark_imports_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OWN:
            module = importlib.import_module(str(node.module))
            absent = [a.name for a in node.names if not hasattr(module, a.name)]
            assert [n for n in absent if importlib.util.find_spec(f"{node.module}.{n}") is None] == []

"""What counts as found: a test that runs and is red, not one that does not import."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trust.changes import changes_of
from tests.trust.fault import TREE, Fault, faults, with_fault
from tests.trust.sample import FOLDER, PACKAGES

WARM = Path(__file__).with_name("warm.py")
RED = "def test_it():\n    assert False\n"
SOUND = "import product\n\ndef test_it():\n    assert product.VALUE == 1\n"


def told(folder: Path, *tests: str) -> dict[str, Any]:
    """What the process that runs a package's tests says of these in ``folder``."""
    job = json.dumps({"arguments": list(tests), "limit": 60.0, "bytecode": False})
    command = [sys.executable, str(WARM)]
    done = subprocess.run(command, cwd=folder, input=job, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("product", "other", "red", "broken"),
    [
        ("VALUE = 1", SOUND, "", ""),
        ("VALUE = 2", SOUND, "test_first.py::test_it", ""),
        ("VALUE = None.nothing", SOUND, "", "test_first.py"),
        # Of two files one can still be collected, and notices.
        ("VALUE = None.nothing", RED, "test_other.py::test_it", "test_first.py"),
    ],
)
def test_a_change_under_which_nothing_imports_is_not_found(
    product: str, other: str, red: str, broken: str, tmp_path: Path
) -> None:
    for name, text in (("product", product), ("test_first", SOUND), ("test_other", other)):
        (tmp_path / f"{name}.py").write_text(text)
    answer = told(tmp_path, "test_first.py", "test_other.py")
    assert (answer["red"], answer["broken"]) == (red, broken)
    if not red and not broken:
        assert told(tmp_path, "-k", "none")["broken"] == "pytest's exit code 5"


@pytest.mark.long
def test_a_listed_fault_that_does_not_build_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "product.py").write_text("VALUE = 1")
    (tmp_path / "test_it.py").write_text(SOUND)
    fault = Fault("another value", "product.py", "= 1", "= 2", ("test_it.py",))
    assert with_fault(tmp_path, fault).red == "test_it.py::test_it"
    for new, words in (("= one", "exit code 2"), ("= print", "")):
        outcome = with_fault(tmp_path, dataclasses.replace(fault, new=new))
        assert words in outcome.error
        assert bool(outcome.red) == (not words)
    lazy = "def test_it():\n    import nowhere\n"
    (tmp_path / "test_it.py").write_text(lazy)
    assert "ModuleNotFoundError" in with_fault(tmp_path, fault).error


def test_lists_speak_of_files_and_lines_of_today() -> None:
    for fault in faults():
        assert (TREE / fault.file).read_text().count(fault.old) == 1, fault
    for entry in yaml.safe_load((FOLDER / "equivalent.yaml").read_text()):
        known = {(change.text, change.what) for change in changes_of(TREE, entry["file"])}
        assert (entry["line"], entry["change"]) in known, entry
    for package, table in PACKAGES.items():
        assert all(any(TREE.glob(pattern)) for pattern in table.get("files", [f"{package}/*.py"])), package
        paths = [test.rpartition("=")[2].partition("::")[0] for test in table["tests"] if "/" in test]
        assert all((TREE / path).exists() for path in paths), package

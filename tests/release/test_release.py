"""Wheel and sdist in empty environments; the tutorial, command by command. Set
``NDRITE_RELEASE=1`` to run it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.decoys import write_decoys
from tests.docs.test_blocks import CASES

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
pytestmark = pytest.mark.skipif(
    not os.environ.get("NDRITE_RELEASE"), reason="minutes long: make test-release"
)


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Standard output; fails with all that was said."""
    # Nothing of this tree may be found: only what was installed.
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command, cwd=folder, env=clean | (environment or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel (made from the sdist, as `python -m build` does) and sdist; NDRITE_DIST
    holds them if set."""
    out = Path(os.environ.get("NDRITE_DIST") or tmp_path_factory.mktemp("dist"))
    if not any(out.glob("*.whl")):
        run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], out)
    files = {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}
    assert files["wheel"].name.startswith("ndrite-")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(files["wheel"]).namelist()}
    assert {name.split("-")[0] for name in tops} == {"ndrite"}, "the wheel installs other names"
    return files


def environment(folder: Path) -> Path:
    """An empty virtual environment's folder of programs."""
    venv.create(folder / "venv", with_pip=True)
    return folder / "venv" / "bin"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_empty_environment_runs_the_demo(kind: str, built: dict[str, Path], tmp_path: Path) -> None:
    programs = environment(tmp_path)
    run([str(programs / "pip"), "install", "--quiet", str(built[kind])], tmp_path)
    where = run([str(programs / "python"), "-c", "import ndrite.emulator as e; print(e.__file__)"], tmp_path)
    assert str(tmp_path) in where
    (tmp_path / "user").mkdir()
    used = run([str(programs / "python"), str(write_decoys(tmp_path / "user"))], tmp_path / "user")
    assert used.startswith(str(tmp_path / "venv"))
    assert used.endswith("(3, 10)\n")
    out = run([str(programs / "ndrite"), "demo", "--count", "10", "--json"], tmp_path)
    result = json.loads(out)
    assert result["mismatches"] == 0
    assert result["accuracy_golden"] > 0.89
    assert (tmp_path / "ndrite-demo.png").stat().st_size > 10_000


def test_the_tutorial(built: dict[str, Path], tmp_path: Path) -> None:
    programs = environment(tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "agg"}
    said: dict[str, str] = {}
    text = TUTORIAL.read_text()
    for name, kind, block in re.findall(
        r"(?:Save this as `([\w.]+)`:\n\n)?^```(\w+)\n(.*?)^```", text, re.M | re.S
    ):
        if name:
            (folder / name).write_text(block)
            continue
        assert kind == "sh", "a block that is neither commands nor a file"
        for line in block.splitlines():
            command = line.replace('-e ".[onnx]"', f'"{built["wheel"]}[onnx]"')
            said[line] = run(["sh", "-ec", command], folder, path)
    assert len(said) == 15
    everything = "\n".join(said.values())
    assert "every bit equal" in everything.replace("\n", " ") or "mismatches" in everything
    for file in ("mine", "mine.yaml", "cells.png", "report.html", "figures/answers.pdf"):
        assert (folder / file).is_file(), file
    assert float(said["python use.py"].splitlines()[-1].rstrip(" %")) > 85


def test_the_code_of_every_page(built: dict[str, Path], tmp_path: Path) -> None:
    """As ``tests/docs/test_blocks.py`` runs it, with what was installed from the wheel
    and no source tree."""
    installed, copy = tmp_path / "installed", tmp_path / "copy"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed)]
    run([*pip, str(built["wheel"])], tmp_path)
    copy.mkdir()
    for name in ("tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    path = {"PYTHONPATH": str(installed), "MPLBACKEND": "agg"}
    say = "import ndrite, ndrite.hdl; print(ndrite.__file__, ndrite.hdl.__file__)"
    where = run([sys.executable, "-c", say], copy, path)
    assert all(file.startswith(str(installed)) for file in where.split())
    said = run([sys.executable, "-m", "pytest", "-q", "-rs", "tests/docs/test_blocks.py"], copy, path)
    passed = re.search(r"(\d+) passed", said)
    assert passed, said
    assert int(passed[1]) >= len(CASES), said

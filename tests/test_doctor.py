"""make doctor: says what is missing and what for, with nothing installed."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCTOR = Path(__file__).parents[1] / ".ci" / "doctor.py"


def doctor(path: Path) -> tuple[int, str]:
    """Exit code and words where these programs alone are there; no package of this
    environment either."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(DOCTOR)],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with make and a compiler that only look like them."""
    for name in ("make", "g++"):
        file = tmp_path / name
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    return tmp_path


def test_what_the_demo_needs_is_enough(programs: Path) -> None:
    code, said = doctor(programs)
    assert code == 0
    assert "`make demo` has what it needs" in said
    assert "apt install ngspice" in said
    assert "an independent judge of the neuron's circuit" in said


def test_a_missing_compiler_is_said(programs: Path) -> None:
    (programs / "g++").unlink()
    code, said = doctor(programs)
    assert code == 1
    (line,) = [line for line in said.splitlines() if line.startswith("MISSING")]
    assert "g++" in line
    assert "compiles the simulated board" in line
    assert "1 of what `make demo` needs is missing" in said

"""Files that the commands read, and commands that are run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from ndrite.shell.main import BAD_INPUT, OK, run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def program() -> Program:
    """20-6-3 for the tiny geometry, with read noise."""
    return random_program(
        PRESETS["tiny"], np.random.default_rng(1), sizes=(20, 6, 3), readout="adc", dac_bits=8, noise=True
    )


@pytest.fixture
def folder(here: Path, program: Program) -> Path:
    """The working folder: program.npz and x.npy, uint8 (5, 20)."""
    program.save("program.npz")
    np.save("x.npy", np.random.default_rng(2).integers(0, 256, (5, 20)).astype(np.uint8))
    return here


@pytest.fixture
def prints(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], str]:
    """Runs a command that must work: what it prints, and nothing of what was printed before."""

    def check(arguments: list[str]) -> str:
        capsys.readouterr()
        assert run(arguments) == OK, capsys.readouterr().err
        return capsys.readouterr().out

    return check


@pytest.fixture
def said(prints: Callable[[list[str]], str]) -> Callable[[list[str]], Any]:
    """Runs a command that must work: its JSON."""
    return lambda arguments: json.loads(prints([*arguments, "--json"]))


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Runs a command that must fail: its code, and one printable line on stderr that holds every text."""

    def check(arguments: list[str], *texts: str, code: int = BAD_INPUT) -> None:
        capsys.readouterr()
        assert run(arguments) == code, arguments
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ndrite: error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert "\x1b" not in err
        for text in texts:
            assert text in err, err

    return check

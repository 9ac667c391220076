"""Files that the commands read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from ndrite.shell.main import BAD_INPUT, run


@pytest.fixture(autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own defaults stay out of the tests."""
    monkeypatch.delenv("NDRITE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def program() -> Program:
    """20-6-3 for the tiny geometry, with read noise."""
    return random_program(
        PRESETS["tiny"], np.random.default_rng(1), sizes=(20, 6, 3), readout="adc", dac_bits=8, noise=True
    )


@pytest.fixture
def folder(tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: program.npz and x.npy, uint8 (5, 20)."""
    program.save(tmp_path / "program.npz")
    np.save(tmp_path / "x.npy", np.random.default_rng(2).integers(0, 256, (5, 20)).astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Runs a command that must fail: its code, and one printable line on stderr that holds every text."""

    def check(arguments: list[str], *texts: str, code: int = BAD_INPUT) -> None:
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

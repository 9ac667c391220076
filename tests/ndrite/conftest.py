"""Files that the commands read, and commands that are run."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.shell.main import BAD_INPUT, OK, run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def program() -> Program:
    """20-6-3 for the tiny geometry, with read noise."""
    rng = np.random.default_rng(1)
    return random_program(PRESETS["tiny"], rng, sizes=(20, 6, 3), readout="adc", dac_bits=8, noise=True)


@pytest.fixture
def folder(here: Path, program: Program) -> Path:
    """The working folder: program.npz and x.npy, uint8 (5, 20)."""
    program.save("program.npz")
    np.save("x.npy", np.random.default_rng(2).integers(0, 256, (5, 20)).astype(np.uint8))
    return here


@pytest.fixture
def working(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``folder``, which may be of a whole module, as the working one."""
    monkeypatch.chdir(folder)
    return folder


def words_of(line: str | list[str]) -> list[str]:
    """A command's words, of a line as it is typed."""
    return shlex.split(line) if isinstance(line, str) else line


@pytest.fixture
def prints(capsys: pytest.CaptureFixture[str]) -> Callable[[str | list[str]], str]:
    """Runs a command that must work: what it prints, and nothing of what was printed before."""

    def check(line: str | list[str]) -> str:
        capsys.readouterr()
        assert run(words_of(line)) == OK, capsys.readouterr().err
        return capsys.readouterr().out

    return check


@pytest.fixture
def said(prints: Callable[[list[str]], str]) -> Callable[[str | list[str]], Any]:
    """Runs a command that must work: its JSON."""
    return lambda line: json.loads(prints([*words_of(line), "--json"]))


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Runs a command that must fail: its code, and one printable line on stderr that
    holds every text."""

    def check(line: str | list[str], *texts: str, code: int = BAD_INPUT) -> None:
        capsys.readouterr()
        assert run(words_of(line)) == code, line
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ndrite: error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert "\x1b" not in err
        for text in texts:
            assert text in err, err

    return check


class Seen(Exception):
    """Ends a verb where its work begins; holds what that was given."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a verb: the arguments of what is at ``place`` in its module."""

    def run(place: str, verb: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def stop(*given: Any, **named: Any) -> None:
            raise Seen(given, named)

        monkeypatch.setattr(place, stop)
        with pytest.raises(Seen) as work:
            verb(**options)
        return work.value.args  # type: ignore[return-value]

    return run

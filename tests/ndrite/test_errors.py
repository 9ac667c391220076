"""Whatever is wrong, the user gets one clear line on stderr and a non-zero exit code."""

import dataclasses
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.shell.main import BAD_INPUT, DEVICE
from tests.host.responder import Responder, ResponderLink

INFER = "infer program.npz --inputs x.npy -o y.npy"


@pytest.fixture(autouse=True)
def nothing_is_written(folder: Path) -> Iterator[None]:
    """The working folder has a program and inputs, and no outputs at the end."""
    yield
    assert not (folder / "y.npy").exists()


def of_nobody(program: Program) -> None:
    """Provenance of the wrong kind, and samples of another dtype."""
    dataclasses.replace(program, provenance={"network": 7, "chip": 3}).save("program.npz")
    np.save("x.npy", np.zeros((2, 20)))


def headed(header: str) -> bytes:
    """A .npy file with such a header."""
    body = header.encode().ljust(600) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(20)


HEADERS = ("((((", "{" * 500, "'" + "a" * 40, "{'descr': (", "\\")
NO_SAMPLES = (b"", b"1,2,3\n", b"\x93NUMPY\x01\x00", *map(headed, HEADERS))
WRONG: list[tuple[Any, str]] = [
    (lambda p: Path("program.npz").unlink(), "program.npz: no such file"),
    (b"not a zip", "program.npz: not a program"),
    (lambda p: np.savez("program.npz", a=np.zeros(3)), "program.npz: no manifest"),
    (lambda p: Path("x.npy").unlink(), "x.npy: no such file"),
    *((content, "x.npy: not a NumPy .npy file") for content in NO_SAMPLES),
    (of_nobody, "x.npy"),
    (np.array([print], object), "x.npy: not a NumPy .npy file"),  # not run
    (np.zeros((5, 21), np.uint8), "shape (5, 21); accepted: (n, 20)"),
    (np.zeros(20, np.uint8), "shape (20,)"),
    (np.zeros((5, 20)), "dtype float64; accepted: uint8"),
    (np.zeros((5, 20), np.int8), "dtype int8"),
]
"""Samples, what spoils a file, or the content of the file that is named."""


@pytest.mark.parametrize(("spoil", "words"), WRONG, ids=range(len(WRONG)))
def test_files_that_are_not_what_they_should_be(spoil: Any, words: str, program: Program, fails: Any) -> None:
    if isinstance(spoil, bytes):
        Path(words.partition(":")[0]).write_bytes(spoil)
    elif isinstance(spoil, np.ndarray):
        np.save("x.npy", spoil)
    else:
        spoil(program)
    fails(f"{INFER} --board golden:tiny", words)


URL = ("board URL is", "accepted: golden:")
PRESET = ("preset is 'huge'; accepted: 64-lane, 8-lane, ",)
ODD_PORTS = ("alt://", "alt:///dev/null?class=x", "hwgrep://x&n=y", "loop://?x=1", "spy://")


@pytest.mark.parametrize(
    ("line", "words", "code"),
    [
        (f"{INFER} --board golden:64-lane", ("arrays of 16 rows", "'64-lane' has 128"), BAD_INPUT),
        *((f"board info '{url}'", URL, BAD_INPUT) for url in ("fpga:", "sim", "uart:", "")),
        ("board info uart:ttyNONE@0", ("ttyNONE@0: no such port",), DEVICE),
        *((f"board info {kind}:huge", PRESET, BAD_INPUT) for kind in ("sim", "golden")),
        *((f"board info 'uart:{port}'", (port,), DEVICE) for port in ODD_PORTS),
        (f"{INFER} --board uart:ttyNONE@115200", ("ttyNONE: no such port",), DEVICE),
        ("inferr", ("inferr",), BAD_INPUT),
        ("infer", ("PROGRAM",), BAD_INPUT),
        ("board nothing", ("nothing",), BAD_INPUT),
        (f"{INFER} --seed -1", ("seed is -1; accepted: 0..18446744073709551615",), BAD_INPUT),
        ("evaluate program.npz", ("names no data set", "give inputs and labels"), BAD_INPUT),
        ("evaluate program.npz --data mnist", ("mnist has 784 inputs; accepted: 20",), BAD_INPUT),
    ],
)
def test_wrong_words(line: str, words: tuple[str, ...], code: int, fails: Any) -> None:
    fails(line, *words, code=code)


@pytest.mark.parametrize(
    ("line", "registers", "words"),
    [
        (f"{INFER} --board uart:x", {"protocol": 7 << 16}, "protocol 7.0, this host 1.2: rebuild the host"),
        ("board info uart:x", {"register_map": 7}, "rebuild the gateware"),
        ("board info uart:x", None, "does not answer"),
    ],
)
def test_devices_of_another_kind(line: str, registers: Any, words: str, fails: Any, monkeypatch: Any) -> None:
    link = ResponderLink(Responder(PRESETS["tiny"]))
    link.silent = registers is None
    link.device.words.update({BY_NAME[name].address: value for name, value in (registers or {}).items()})
    monkeypatch.setattr("ndrite.url.UartLink", lambda port, baud: link)
    fails(line, words, code=DEVICE)


def test_no_compiler(fails: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ziglang" else find(n))
    fails("board info sim:tiny", "install g++", "ndrite[zig]", "golden:", code=DEVICE)

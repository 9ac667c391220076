"""Whatever is wrong, the user gets one clear line on stderr and a non-zero exit code."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.spec import PRESETS, Program
from emulator.spec.registers import BY_NAME
from host.links.uart import UartLink
from ndrite.shell.main import DEVICE
from tests.host.responder import Responder, ResponderLink

HEADERS = ("((((", "{" * 500, "'" + "a" * 40, "{'descr': (", "\\")
INFER = ["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy"]


@pytest.fixture(autouse=True)
def nothing_is_written(folder: Path) -> Iterator[None]:
    """The working folder has a program and inputs, and no outputs at the end."""
    yield
    assert not (folder / "y.npy").exists()


def damaged(program: Program) -> None:
    """The file of the program with another bias."""
    arrays = program.arrays()
    arrays["step0.bias"] = arrays["step0.bias"] + np.int32(1)
    np.savez("program.npz", manifest=np.array(json.dumps(program.manifest())), **arrays)


def deep(program: Program) -> None:
    """One of five layers."""
    last = program.layers[-1]
    layers = (*program.layers, *[dataclasses.replace(last, weights=last.weights[:3])] * 3)
    curves = {"curve_base": program.curve_base, "curve_slope": program.curve_slope}
    Program.chain(layers=layers, name=program.name, rows=program.rows, **curves).save("program.npz")


def headed(header: str) -> Any:
    """What gives the samples' file such a header."""
    body = header.encode().ljust(600) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(20)
    return lambda program: Path("x.npy").write_bytes(content)


def of_nobody(program: Program) -> None:
    """Provenance of the wrong kind, and samples of another dtype."""
    dataclasses.replace(program, provenance={"network": 7, "chip": 3}).save("program.npz")
    np.save("x.npy", np.zeros((2, 20)))


WRONG: list[tuple[Any, str]] = [
    (lambda p: Path("program.npz").unlink(), "program.npz: no such file"),
    (lambda p: Path("program.npz").write_bytes(b""), "program.npz: not a program"),
    (lambda p: Path("program.npz").write_bytes(b"not a zip"), "program.npz: not a program"),
    (lambda p: Path("program.npz").write_bytes(b"PK\x03\x04 torn"), "program.npz: not a program"),
    (lambda p: np.savez("program.npz", a=np.zeros(3)), "program.npz: no manifest"),
    (damaged, "program.npz: checksum differs"),
    (deep, "number of layers is 5; at most 4"),
    (lambda p: Path("x.npy").unlink(), "x.npy: no such file"),
    (lambda p: Path("x.npy").write_bytes(b""), "x.npy: not a NumPy .npy file"),
    (lambda p: Path("x.npy").write_bytes(b"1,2,3\n"), "x.npy: not a NumPy .npy file"),
    (lambda p: Path("x.npy").write_bytes(b"\x93NUMPY\x01\x00"), "x.npy: not a NumPy .npy file"),
    *((headed(text), "x.npy: not a NumPy .npy file") for text in HEADERS),
    (of_nobody, "x.npy"),
    (lambda p: np.save("x.npy", np.array([print], object)), "x.npy: not a NumPy .npy file"),  # not run
    (lambda p: np.save("x.npy", np.zeros((5, 21), np.uint8)), "shape (5, 21); accepted: (n, 20)"),
    (lambda p: np.save("x.npy", np.zeros(20, np.uint8)), "shape (20,)"),
    (lambda p: np.save("x.npy", np.zeros((5, 20))), "dtype float64; accepted: uint8"),
    (lambda p: np.save("x.npy", np.zeros((5, 20), np.int8)), "dtype int8"),
]


@pytest.mark.parametrize(("spoil", "words"), WRONG, ids=range(len(WRONG)))
def test_files_that_are_not_what_they_should_be(
    spoil: Any, words: str, program: Program, folder: Path, fails: Any
) -> None:
    spoil(program)
    fails([*INFER, "--board", "golden:tiny"], words)


def test_wrong_geometry(fails: Any) -> None:
    fails([*INFER, "--board", "golden:64-lane"], "arrays of 16 rows", "'64-lane' has 128")


@pytest.mark.parametrize("url", ["fpga:", "sim", "uart:", ""])
def test_unknown_board(fails: Any, url: str) -> None:
    fails(["board", "info", url], "board URL is", "accepted: golden:")


@pytest.mark.parametrize("url", ["sim:huge", "golden:huge"])
def test_unknown_preset(fails: Any, url: str) -> None:
    fails(["board", "info", url], "preset is 'huge'; accepted: 64-lane, 8-lane, ")


def test_unknown_command_and_option(fails: Any) -> None:
    fails(["inferr"], "inferr")
    fails(["infer"], "PROGRAM")
    fails(["board", "nothing"], "nothing")
    fails([*INFER, "--seed", "-1"], "seed is -1; accepted: 0..18446744073709551615")


def test_missing_port(fails: Any) -> None:
    fails([*INFER, "--board", "uart:ttyNONE@115200"], "ttyNONE: no such port", code=DEVICE)


def test_busy_port(fails: Any) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    link = UartLink(os.ttyname(slave))
    fails(["board", "info", f"uart:{os.ttyname(slave)}"], "port is busy", code=DEVICE)
    link.close()
    os.close(slave)
    os.close(master)


def _device(monkeypatch: pytest.MonkeyPatch, **registers: int) -> None:
    device = Responder(PRESETS["tiny"])
    for name, value in registers.items():
        device.words[BY_NAME[name].address] = value
    monkeypatch.setattr("ndrite.url.UartLink", lambda port, baud: ResponderLink(device))


def test_wrong_protocol_version(fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _device(monkeypatch, protocol=7 << 16)
    fails([*INFER, "--board", "uart:x"], "protocol 7.0, this host 1.2: rebuild the host", code=DEVICE)


def test_wrong_register_map(fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _device(monkeypatch, register_map=7)
    fails(["board", "info", "uart:x"], "rebuild the gateware", code=DEVICE)


def test_silent_port(fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    link = ResponderLink(Responder(PRESETS["tiny"]))
    link.silent = True
    monkeypatch.setattr("ndrite.url.UartLink", lambda port, baud: link)
    fails(["board", "info", "uart:x"], "does not answer", code=DEVICE)


def test_no_compiler(fails: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ziglang" else find(n))
    fails(["board", "info", "sim:tiny"], "install g++", "ndrite[zig]", "golden:", code=DEVICE)


def test_program_for_other_data_cannot_be_evaluated(fails: Any) -> None:
    fails(["evaluate", "program.npz"], "names no data set", "give inputs and labels")
    fails(["evaluate", "program.npz", "--data", "mnist"], "mnist has 784 inputs; accepted: 20")

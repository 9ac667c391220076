"""Whatever is wrong, the user gets one clear line on stderr and a non-zero exit code."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emulator.spec import PRESETS, Program
from emulator.spec.registers import BY_NAME
from host.links.uart import UartLink
from ndrite.shell.main import DEVICE
from tests.host.responder import Responder, ResponderLink

INFER = ["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy"]


@pytest.fixture(autouse=True)
def nothing_is_written(folder: Path) -> Iterator[None]:
    """The working folder has a program and inputs, and no outputs at the end."""
    yield
    assert not (folder / "y.npy").exists()


def test_missing_program(fails: Callable[..., None], folder: Path) -> None:
    (folder / "program.npz").unlink()
    fails(INFER, "program.npz: no such file")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 torn"])
def test_file_that_is_no_program(fails: Callable[..., None], folder: Path, content: bytes) -> None:
    (folder / "program.npz").write_bytes(content)
    fails(INFER, "program.npz: not a program")


def test_other_npz(fails: Callable[..., None], folder: Path) -> None:
    np.savez(folder / "program.npz", a=np.zeros(3))
    fails(INFER, "program.npz: no manifest")


def test_damaged_program(fails: Callable[..., None], folder: Path, program: Program) -> None:
    arrays = program.arrays()
    arrays["step0.bias"] = arrays["step0.bias"] + np.int32(1)
    np.savez(folder / "program.npz", manifest=np.array(json.dumps(program.manifest())), **arrays)
    fails(INFER, "program.npz: checksum differs")


def test_wrong_geometry(fails: Callable[..., None], folder: Path, program: Program) -> None:
    fails([*INFER, "--board", "golden:64-lane"], "arrays of 16 rows", "'64-lane' has 128")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((5, 21), np.uint8), "shape (5, 21); accepted: (n, 20)"),
        (np.zeros(20, np.uint8), "shape (20,)"),
        (np.zeros((5, 20), np.float64), "dtype float64; accepted: uint8"),
        (np.zeros((5, 20), np.int8), "dtype int8"),
    ],
)
def test_wrong_inputs(fails: Callable[..., None], folder: Path, x: np.ndarray, text: str) -> None:
    np.save(folder / "x.npy", x)
    fails(INFER, text)


def test_missing_inputs(fails: Callable[..., None], folder: Path) -> None:
    (folder / "x.npy").unlink()
    fails(INFER, "x.npy: no such file")


@pytest.mark.parametrize("content", [b"", b"1,2,3\n", b"\x93NUMPY\x01\x00"])
def test_inputs_that_are_no_array(fails: Callable[..., None], folder: Path, content: bytes) -> None:
    (folder / "x.npy").write_bytes(content)
    fails(INFER, "x.npy: not a NumPy .npy file")


def test_pickled_inputs_are_not_executed(fails: Callable[..., None], folder: Path) -> None:
    np.save(folder / "x.npy", np.array([print], object), allow_pickle=True)
    fails(INFER, "x.npy: not a NumPy .npy file")


def test_missing_output_folder(fails: Callable[..., None]) -> None:
    fails([*INFER[:-1], "nowhere/y.npy"], "nowhere: no such folder")


@pytest.mark.parametrize("url", ["fpga:", "sim", "uart:", ""])
def test_unknown_board(fails: Callable[..., None], url: str) -> None:
    fails(["board", "info", url], "board URL is", "accepted: golden:")


@pytest.mark.parametrize("url", ["sim:huge", "golden:huge"])
def test_unknown_preset(fails: Callable[..., None], url: str) -> None:
    fails(["board", "info", url], "preset is 'huge'; accepted: 64-lane, 8-lane, ")


def test_unknown_command_and_option(fails: Callable[..., None]) -> None:
    fails(["inferr"], "inferr")
    fails(["infer"], "PROGRAM")
    fails(["board", "nothing"], "nothing")
    fails([*INFER, "--seed", "-1"], "seed is -1; accepted: 0..18446744073709551615")


def test_missing_port(fails: Callable[..., None]) -> None:
    fails([*INFER, "--board", "uart:ttyNONE@115200"], "ttyNONE: no such port", code=DEVICE)


def test_busy_port(fails: Callable[..., None]) -> None:
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


def test_wrong_protocol_version(fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    _device(monkeypatch, protocol=7 << 16)
    fails([*INFER, "--board", "uart:x"], "protocol 7.0, this host 1.2: rebuild the host", code=DEVICE)


def test_wrong_register_map(fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    _device(monkeypatch, register_map=7)
    fails(["board", "info", "uart:x"], "rebuild the gateware", code=DEVICE)


def test_silent_port(fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    link = ResponderLink(Responder(PRESETS["tiny"]))
    link.silent = True
    monkeypatch.setattr("ndrite.url.UartLink", lambda port, baud: link)
    fails(["board", "info", "uart:x"], "does not answer", code=DEVICE)


def test_no_compiler(fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ziglang" else find(n))
    fails(["board", "info", "sim:tiny"], "install g++", "ndrite[zig]", "golden:", code=DEVICE)


def test_program_for_other_data_cannot_be_evaluated(fails: Callable[..., None]) -> None:
    fails(["evaluate", "program.npz"], "names no data set", "give inputs and labels")
    fails(["evaluate", "program.npz", "--data", "mnist"], "mnist has 784 inputs; accepted: 20")


def test_program_with_too_many_layers(fails: Callable[..., None], folder: Path, program: Program) -> None:
    last = program.layers[-1]
    square = dataclasses.replace(last, weights=last.weights[:3])
    Program.chain(
        layers=(*program.layers, square, square, square),
        name=program.name,
        rows=program.rows,
        curve_base=program.curve_base,
        curve_slope=program.curve_slope,
    ).save(folder / "program.npz")
    fails([*INFER, "--board", "golden:tiny"], "number of layers is 5; at most 4")

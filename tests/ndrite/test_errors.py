"""Whatever is wrong, the user gets one clear line on stderr and a non-zero exit code."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import tty
from pathlib import Path

import numpy as np
import pytest

from emulator.spec import PRESETS, Program
from emulator.spec.registers import BY_NAME
from host.links.uart import UartLink
from ndrite.shell.main import BAD_INPUT, DEVICE, run
from tests.host.responder import Responder, ResponderLink

INFER = ["infer", "program.npz", "--inputs", "x.npy", "-o", "y.npy"]


@pytest.fixture
def fails(folder: Path, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs a command that must fail: checks its code, its one line of text, and that nothing is written."""

    def check(arguments: list[str], code: int, *texts: str) -> None:
        assert run(arguments) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ndrite: error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        for text in texts:
            assert text in err
        assert not (folder / "y.npy").exists()

    return check


def test_missing_program(fails, folder: Path) -> None:  # type: ignore[no-untyped-def]
    (folder / "program.npz").unlink()
    fails(INFER, BAD_INPUT, "program.npz: no such file")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 torn"])
def test_file_that_is_no_program(fails, folder: Path, content: bytes) -> None:  # type: ignore[no-untyped-def]
    (folder / "program.npz").write_bytes(content)
    fails(INFER, BAD_INPUT, "program.npz: not a program")


def test_other_npz(fails, folder: Path) -> None:  # type: ignore[no-untyped-def]
    np.savez(folder / "program.npz", a=np.zeros(3))
    fails(INFER, BAD_INPUT, "program.npz: no manifest")


def test_damaged_program(fails, folder: Path, program: Program) -> None:  # type: ignore[no-untyped-def]
    arrays = program.arrays()
    arrays["step0.bias"] = arrays["step0.bias"] + np.int32(1)
    np.savez(folder / "program.npz", manifest=np.array(json.dumps(program.manifest())), **arrays)
    fails(INFER, BAD_INPUT, "program.npz: checksum differs")


def test_wrong_geometry(fails, folder: Path, program: Program) -> None:  # type: ignore[no-untyped-def]
    fails([*INFER, "--board", "golden:64-lane"], BAD_INPUT, "arrays of 16 rows", "'64-lane' has 128")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((5, 21), np.uint8), "shape (5, 21); accepted: (n, 20)"),
        (np.zeros(20, np.uint8), "shape (20,)"),
        (np.zeros((5, 20), np.float64), "dtype float64; accepted: uint8"),
        (np.zeros((5, 20), np.int8), "dtype int8"),
    ],
)
def test_wrong_inputs(fails, folder: Path, x: np.ndarray, text: str) -> None:  # type: ignore[no-untyped-def]
    np.save(folder / "x.npy", x)
    fails(INFER, BAD_INPUT, text)


def test_missing_inputs(fails, folder: Path) -> None:  # type: ignore[no-untyped-def]
    (folder / "x.npy").unlink()
    fails(INFER, BAD_INPUT, "x.npy: no such file")


@pytest.mark.parametrize("content", [b"", b"1,2,3\n", b"\x93NUMPY\x01\x00"])
def test_inputs_that_are_no_array(fails, folder: Path, content: bytes) -> None:  # type: ignore[no-untyped-def]
    (folder / "x.npy").write_bytes(content)
    fails(INFER, BAD_INPUT, "x.npy: not a NumPy .npy file")


def test_pickled_inputs_are_not_executed(fails, folder: Path) -> None:  # type: ignore[no-untyped-def]
    np.save(folder / "x.npy", np.array([print], object), allow_pickle=True)
    fails(INFER, BAD_INPUT, "x.npy: not a NumPy .npy file")


def test_missing_output_folder(fails) -> None:  # type: ignore[no-untyped-def]
    fails([*INFER[:-1], "nowhere/y.npy"], BAD_INPUT, "nowhere: no such folder")


@pytest.mark.parametrize("url", ["fpga:", "sim", "uart:", ""])
def test_unknown_board(fails, url: str) -> None:  # type: ignore[no-untyped-def]
    fails(["board", "info", url], BAD_INPUT, "board URL is", "accepted: golden:")


@pytest.mark.parametrize("url", ["sim:huge", "golden:huge"])
def test_unknown_preset(fails, url: str) -> None:  # type: ignore[no-untyped-def]
    fails(
        ["board", "info", url],
        BAD_INPUT,
        "preset is 'huge'; accepted: 64-lane, 8-lane, 128-lane-serial, tiny",
    )


def test_unknown_command_and_option(fails) -> None:  # type: ignore[no-untyped-def]
    fails(["inferr"], BAD_INPUT, "inferr")
    fails(["infer"], BAD_INPUT, "PROGRAM")
    fails(["board", "nothing"], BAD_INPUT, "nothing")
    fails([*INFER, "--seed", "-1"], BAD_INPUT, "seed is -1; accepted: 0..18446744073709551615")


def test_missing_port(fails) -> None:  # type: ignore[no-untyped-def]
    fails([*INFER, "--board", "uart:ttyNONE@115200"], DEVICE, "ttyNONE: no such port")


def test_busy_port(fails) -> None:  # type: ignore[no-untyped-def]
    master, slave = os.openpty()
    tty.setraw(slave)
    link = UartLink(os.ttyname(slave))
    fails(["board", "info", f"uart:{os.ttyname(slave)}"], DEVICE, "port is busy")
    link.close()
    os.close(slave)
    os.close(master)


def _device(monkeypatch: pytest.MonkeyPatch, **registers: int) -> None:
    device = Responder(PRESETS["tiny"])
    for name, value in registers.items():
        device.words[BY_NAME[name].address] = value
    monkeypatch.setattr("ndrite.url.UartLink", lambda port, baud: ResponderLink(device))


def test_wrong_protocol_version(fails, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    _device(monkeypatch, protocol=7 << 16)
    fails([*INFER, "--board", "uart:x"], DEVICE, "protocol 7.0, this host 1.2: rebuild the host")


def test_wrong_register_map(fails, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    _device(monkeypatch, register_map=7)
    fails(["board", "info", "uart:x"], DEVICE, "rebuild the gateware")


def test_silent_port(fails, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    link = ResponderLink(Responder(PRESETS["tiny"]))
    link.silent = True
    monkeypatch.setattr("ndrite.url.UartLink", lambda port, baud: link)
    fails(["board", "info", "uart:x"], DEVICE, "does not answer")


def test_no_compiler(fails, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "ziglang" else find(n))
    fails(["board", "info", "sim:tiny"], DEVICE, "install g++", "ndrite[zig]", "golden:")


def test_program_for_other_data_cannot_be_evaluated(fails) -> None:  # type: ignore[no-untyped-def]
    fails(["evaluate", "program.npz"], BAD_INPUT, "names no data set", "give inputs and labels")
    fails(["evaluate", "program.npz", "--data", "mnist"], BAD_INPUT, "mnist has 784 inputs; accepted: 20")


def test_program_with_too_many_layers(fails, folder: Path, program: Program) -> None:  # type: ignore[no-untyped-def]
    last = program.layers[-1]
    square = dataclasses.replace(last, weights=last.weights[:3])
    Program.chain(
        layers=(*program.layers, square, square, square),
        name=program.name,
        rows=program.rows,
        curve_base=program.curve_base,
        curve_slope=program.curve_slope,
    ).save(folder / "program.npz")
    fails([*INFER, "--board", "golden:tiny"], BAD_INPUT, "number of layers is 5; at most 4")

"""``ndrite board serve`` in one process, a client through its pseudo-terminal in another."""

import dataclasses
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ndrite
from emulator.device.description import load_chip
from emulator.golden import Core
from emulator.network import Dense, Ndr, Network, zoo
from emulator.spec import Program
from host import LinkError
from ndrite import connect
from ndrite.shell.main import DEVICE, INTERRUPTED, OK, run
from tests.system.serving import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server("tiny", tmp_path / "port")
    yield server
    if server.process.poll() is None:
        server.stop()


def test_infer_through_the_terminal(
    server: Server, tmp_path: Path, program: Program, x: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.said == f"serving tiny on {server.link}\n"
    program.save(tmp_path / "program.npz")
    np.save(tmp_path / "x.npy", x)
    files = [
        str(tmp_path / "program.npz"),
        "--inputs",
        str(tmp_path / "x.npy"),
        "-o",
        str(tmp_path / "y.npy"),
    ]
    for seed in (1, 2):  # the second client finds the terminal alive
        assert run(["infer", *files, "--board", f"uart:{server.link}", "--seed", str(seed)]) == OK
        y = np.load(tmp_path / "y.npy")
        np.testing.assert_array_equal(y, Core(program).infer(x, seed=seed))
    with connect(f"uart:{server.link}") as board:
        capsys.readouterr()
        assert run(["board", "info", f"uart:{server.link}"]) == DEVICE
        assert "port is busy" in capsys.readouterr().err
        board.program(program)
        assert board.identity()["program_tag"] == f"{program.tag:08x}"


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_clean_and_has_then_vanished(
    server: Server, with_signal: int, program: Program, x: np.ndarray
) -> None:
    with connect(f"uart:{server.link}") as board:
        board.program(program)
        assert server.link.is_symlink()
        assert server.stop(with_signal) == INTERRUPTED
        assert not server.link.is_symlink()
        with pytest.raises(LinkError):
            board.infer(x)


@pytest.mark.long
def test_evaluate_through_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server("64-lane", tmp_path / "port")
    try:
        options = ["--board", f"uart:{server.link}", "--count", "20", "--json"]
        assert run(["evaluate", str(zoo.program()), *options]) == OK
    finally:
        server.stop()
    report = json.loads(capsys.readouterr().out)
    assert report["mismatches"] == 0
    assert report["samples"] == 20
    assert 0 < report["bound_cycles"] < 1696 < report["cycles_per_inference"]


@pytest.mark.long
def test_calibrate_through_the_terminal(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chip = load_chip("dendritic-ndr+ecram-pair")
    chip = dataclasses.replace(chip, array=dataclasses.replace(chip.array, rows=16))  # the tiny geometry's
    rng = np.random.default_rng(3)
    neurons = Ndr(np.ones(8, np.float32), np.full(8, 0.5, np.float32))
    hidden = Dense(rng.normal(size=(20, 8)), np.full(8, 0.3), neurons)
    network = Network.chain((hidden, Dense(rng.normal(size=(8, 3)), np.zeros(3))), "small")
    x = rng.integers(0, 256, (300, 20), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", network.forward(x / np.float32(255)).argmax(axis=1))
    ndrite.compile(network, chip, samples=x, seed=1, output=tmp_path / "program.npz")
    files = [str(tmp_path / "program.npz")]
    samples = ["--inputs", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "y.npy"), "--measure", "50"]
    short = ["--steps", "3", "--batch", "100", "--read-cells", "--json"]
    reports = []
    for url in (f"uart:{server.link}", "golden:"):
        output = ["-o", str(tmp_path / "tuned.npz"), "--board", url]
        assert run(["calibrate", *files, *samples, *output, *short]) == OK
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0]["pulses"] > 0
    for name in ("tag", "accuracy_before", "accuracy_after", "pulses", "cross_entropy_last"):
        assert reports[0][name] == reports[1][name], name
    assert reports[0]["tag"] != f"{Program.load(tmp_path / 'program.npz').tag:08x}"

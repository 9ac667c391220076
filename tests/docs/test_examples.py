"""Every example of every command's help runs, from a clean folder; so do the tutorial's commands.

What cannot run here and what is made shorter is listed below by its text. An example that is neither run nor
listed fails the test.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from emulator.mapping import die_path
from emulator.network import zoo
from emulator.network.datasets import fashion_mnist_test
from ndrite.cli.main import COMMANDS, OK, run
from tests.system.serving import MAIN, Server

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
GROUPS = {"chip": ("list", "show", "check", "diff", "table"), "fit": ("rram", "ndr", "ecram")}
ELSEWHERE = {
    "ndrite flash ulx3s-85f": "needs a board",
    "ndrite bringup ulx3s-85f --port /dev/ttyUSB0": "needs a board; see tests/ndrite/test_bringup.py",
    "ndrite build ulx3s-85f --seeds 4": "hours; tests/boards/test_build.py builds a small design",
    "ndrite serve --link /tmp/ndrite": "runs until Ctrl-C; tests/system/test_serve.py",
    "ndrite serve --udp": "runs until Ctrl-C; tests/system/test_udp.py",
    "ndrite evaluate program.npz --board udp:127.0.0.1": "needs that; tests/system/test_udp.py",
    "ndrite scrub program.npz --board uart:/dev/ttyUSB0 --every 60": "runs on; tests/trust/test_upsets.py",
}
SHORTER = (
    (r"--epochs \d+", "--epochs 1"),
    (r"--chips 1000", "--chips 3"),
    (r"--images (1000|10000|2000)\b", "--images 40"),
    (r"uart:\S+ --images 100\b", "uart:board --images 2"),
    (r"uart:/tmp/ndrite", "uart:board --images 2"),
    (r"uart:/\S+", "uart:board"),
    (r"--steps 200", "--steps 1 --batch 2 --measure 2"),
    (r"(calibrate .*--board golden:)", r"\1 --steps 2"),
    (r"experiment loss -o docs/results --resume", "experiment xor -o . --smoke --resume"),
    (r"chip table", "chip table wan2022 ideal --images 40"),
    (r"explain (\w+).npz", r"explain \1.npz --images 40 --samples s.npy"),
    (r"report program.npz", "report program.npz --images 200"),
    (r"bringup --simulated", "bringup --simulated --inferences 16"),
    (r"demo( --images \d+|$)", "demo --images 10"),
    (r"demo --board (\S+) --images 40", r"demo --board \1 --images 2"),
)
NEEDS = {
    "import": ("onnx", "torch"),
    "train": ("torch",),
    "sweep": ("dask", "pyarrow"),
    "explore": ("dask", "pyarrow"),
    "experiment": ("torch",),
}
SIMULATED = ("sim:", "uart:", "ndrite trace", "ndrite report", "ndrite demo", "ndrite bringup")


def examples(command: list[str]) -> list[str]:
    """The commands of a help's example, what makes their files first."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run([*command, "--help"]) == OK
    text = out.getvalue()
    made = re.findall(r"with a program made by: (ndrite .*)", text)
    given = re.findall(
        r"^\s*(?:Example: )?((?:\w+ \| )?ndrite \w.*)$",
        text[text.index("Example") : text.index("\nOptions:")],
        re.M,
    )
    return [re.split(r"  +\(", line.strip())[0] for line in [*made, *given]]


def test_every_command_has_an_example() -> None:
    for command in (c for name in COMMANDS for c in ([name], *([name, s] for s in GROUPS.get(name, ())))):
        assert examples(command), command


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that examples name."""
    monkeypatch.chdir(tmp_path)
    Path("program.npz").write_bytes(zoo.program().read_bytes())
    Path("program.die.npz").write_bytes(die_path(zoo.program()).read_bytes())
    Path("float.npz").write_bytes(zoo.float_network().read_bytes())
    x, labels = fashion_mnist_test()
    np.save("x.npy", x[:64])
    np.save("s.npy", x[64:128])
    np.save("y.npy", labels[:64])
    rng = np.random.default_rng(0)
    v = np.linspace(0, 0.5, 120)
    current = 1e3 * (v / 0.1 * np.exp(1 - v / 0.1) + 0.1 * np.exp(30 * (v - 0.5)))
    _csv("iv.csv", "voltage_V,current_uA", v, current)
    target = np.repeat(np.linspace(0, 60, 16), 40)
    read = np.abs(target + rng.normal(size=target.size))
    _csv("g.csv", "target_uS,conductance_uS", target, read)
    up = 1 + 39 * np.linspace(0, 1, 100)
    _csv("pulses.csv", "pulse,conductance_uS", np.arange(200), np.concatenate([up, up[::-1]]))
    assert run(["fit", "rram", "g.csv", "-o", "mine.yaml"]) == OK
    Path("plan.yaml").write_text("chip: wan2022\ngrid: {cell.levels: [8, 16]}\nimages: 40\nsamples: 64\n")
    return tmp_path


def _csv(name: str, header: str, *columns: np.ndarray) -> None:
    np.savetxt(name, np.column_stack(columns), delimiter=",", header=header, comments="", fmt="%.6g")


CASES = [
    pytest.param(command, marks=[pytest.mark.slow] if command[0] in ("demo", "trace", "report") else [])
    for name in COMMANDS
    for command in ([name], *([name, s] for s in GROUPS.get(name, ())))
]


@pytest.mark.parametrize("command", CASES, ids=lambda c: "-".join(c))
def test_help_examples(command: list[str], files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in NEEDS.get(command[0], ()):
        pytest.importorskip(package)
    if command[0] == "import":
        _write_onnx(Path("model.onnx"))
    ran = 0
    lines = examples(command)
    with _board() if any("uart:" in line for line in lines) else contextlib.nullcontext():
        for line in lines:
            if line in ELSEWHERE:
                continue
            short = line
            for pattern, replacement in SHORTER:
                short = re.sub(pattern, replacement, short)
            if command == ["fit"] and "Gset" in short:
                _csv("g.csv", "Gset,Gread", *np.loadtxt("g.csv", delimiter=",", skiprows=1).T)
            if "|" in short:
                _piped(short)
            else:
                words = shlex.split(short)
                target = Path(words.pop()) if ">" in words else None
                words = words[: words.index(">")] if ">" in words else words
                capsys.readouterr()
                assert run(words[1:]) == OK, f"{line}\n{capsys.readouterr().err}"
                if target is not None:
                    Path(target.name).write_text(capsys.readouterr().out)
            ran += 1
    assert ran or all(line in ELSEWHERE for line in lines)


@contextlib.contextmanager
def _board() -> Iterator[None]:
    """The simulated board's UART at ``board`` in the working folder."""
    server = Server("64-lane", Path("board"))
    try:
        yield
    finally:
        server.stop()


def _piped(line: str) -> None:
    """make_inputs | ndrite ... > file, in a shell."""
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(MAIN)} "
    command = line.replace("make_inputs", "cat x.npy").replace("| ndrite ", f"| {program}")
    subprocess.run(command, shell=True, check=True)


def _write_onnx(path: Path) -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(784, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    torch.onnx.export(model, (torch.zeros(1, 784),), path, dynamo=False)


def _blocks() -> Iterator[tuple[str, str]]:
    """Kind and text of the tutorial's code blocks; a Python block's kind is the file it is saved as."""
    text = TUTORIAL.read_text()
    for match in re.finditer(r"(?:Save this as `([\w.]+)`:\s*)?^```(\w+)\n(.*?)^```", text, re.M | re.S):
        yield match[1] or match[2], match[3]


@pytest.mark.slow
def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one empty folder, with the packages of this environment."""
    missing = [p for p in ("onnx", "sklearn", "skl2onnx") if importlib.util.find_spec(p) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.chdir(tmp_path)
    ran = []
    for kind, block in _blocks():
        if kind.endswith(".py"):
            Path(kind).write_text(block)
            continue
        assert kind == "sh"
        for line in block.splitlines():
            words = shlex.split(line)
            if words[0] == "pip":
                continue
            if words[0] == "python":
                subprocess.run([sys.executable, *words[1:]], check=True)
            else:
                assert words[0] == "ndrite"
                assert run(words[1:]) == OK, line
            ran.append(line)
    assert len(ran) >= 10
    assert Path("report.html").stat().st_size > 100_000

"""Files and names from strangers: one line, exit code 2, nothing executed, no
command to a terminal."""

import os
import pickle
import subprocess
import sys
import time
import tty
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.boards.sim import serve
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.network import Dense, Network
from ndrite.emulator.spec import PRESETS
from ndrite.host.errors import LinkError
from ndrite.shell.main import BAD_INPUT, OK, run
from tests.extras import needs
from tests.system.serving import MAIN

MARKUP = "a[bold]b[/nothing]red"
ESCAPES = "a\x1b[31mred\x1b]0;title\x07\u202eback"
COMPILE = "compile float.npz --chip ideal --samples x.npy -o program.npz"


@pytest.fixture(autouse=True)
def working(here: Path) -> None:
    """An empty folder."""


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "alias *a; accepted: no aliases"),
        ("name: x\ncell: {levels: 2001-01-01}\n", "cell.levels is a date; accepted: text, a number"),
        ("name: x\ncell: {levels: 2001-13-45}\n", "not YAML"),
        ("name: x\ncell: {levels: !!binary aGVsbG8=}\n", "cell.levels is a bytes"),
        ("name: x\ncell: !!set {a, b}\n", "cell is a set"),
        ("name: x\ncell: {levels: " + "9" * 5000 + "}\n", "not YAML"),
        ("name: x\ncell: {1: 2}\n", "cell key is 1; accepted: text"),
        ("name: x\ncell: {g_max_uS: .inf, levels: 16}\n", "cell.g_max_uS is inf"),
        ("? [a, b]\n: 1\n", "not YAML"),
        ("[" * 3000, "not YAML"),
        ("name: x\ncell: {levels: 16, levels: 4}\n", "line 2 repeats the key 'levels' of line 2; accepted"),
        ("name: x\ncell: {levels: 16}\ncell: {levels: 4}\n", "line 3 repeats the key 'cell' of line 2"),
        ("name: x\ncell: {levels: 020}\n", "line 2 has 020, a number of base 8 or 60; accepted: decimal"),
        ("name: x\ncell: {levels: 1:30}\n", "line 2 has 1:30, a number of base 8 or 60"),
        ("{a: " * 40 + "1" + "}" * 40, "nested deeper than 16"),
        ("name: x\ncell: !!python/object/apply:os.system [true]\n", "not YAML"),
    ],
)
def test_chip_descriptions(fails: Any, text: str, words: str) -> None:
    Path("chip.yaml").write_text(text)
    began = time.monotonic()
    fails("chip check chip.yaml", "chip.yaml", words)
    assert time.monotonic() - began < 60, "a few bytes took a minute"


def _lzma_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.npy", bytes(2000))
    data = bytearray(path.read_bytes())
    start = data.index(b"manifest.npy") + len("manifest.npy")
    data[start + 9 : start + 30] = b"\xff" * 21  # behind the coder's properties
    path.write_bytes(data)


def test_archives(fails: Any) -> None:
    _lzma_member(Path("program.npz"))
    np.save("x.npy", np.zeros((1, 3), np.uint8))
    fails("infer program.npz --inputs x.npy -o y.npy", "program.npz: not")
    fails("compile program.npz --chip ideal -o y.npz", "program.npz: not")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


PICKLES = [pickle.dumps(Evil()), b"", b"PK\x03\x04" + bytes(50), b"\x80\x02" + b"(" * 5000]


@pytest.mark.parametrize("content", [*PICKLES, pickle.dumps({"a": 1}, protocol=5)], ids=range(5))
def test_a_pickle_is_not_run(content: bytes, fails: Any) -> None:
    needs("torch")
    Path("a.pt").write_bytes(content)
    fails("compile a.pt --chip ideal -o mine", "a.pt")
    assert not Path("pwned").exists()


def test_two_servers_on_one_path() -> None:
    """The second is told, and the first one's link survives it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    Path("board").symlink_to(os.ttyname(slave))
    with pytest.raises(LinkError, match="board: another board is served there"):
        serve._point(Path("board"), "/dev/pts/none")
    assert Path("board").is_symlink()
    os.close(slave)
    os.close(master)


def small(name: str) -> Network:
    """20-3 as float.npz, and samples with labels."""
    rng = np.random.default_rng(1)
    network = Network.chain((Dense(rng.normal(size=(20, 3)), np.zeros(3)),), name)
    network.save("float.npz")
    np.save("x.npy", rng.integers(0, 256, (32, 20), np.uint8))
    np.save("y.npy", np.zeros(32, np.int64))
    return network


def test_names_do_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A name from a file is shown as it is, no markup; one with an escape
    sequence is refused."""
    network = small(MARKUP)
    for line in (COMPILE, "evaluate program.npz --inputs x.npy --labels y.npy"):
        assert run(line.split()) == OK
        assert MARKUP in capsys.readouterr().out
    object.__setattr__(network, "name", ESCAPES)
    network.save("float.npz")
    assert run(COMPILE.split()) == BAD_INPUT
    out, err = capsys.readouterr()
    assert "float.npz: name is " in err
    assert not {"\x1b", "\u202e", "\x07"} & set(out + err)


@pytest.mark.slow
def test_tables_in_a_pipe_are_not_broken() -> None:
    """A long name stays one word where no terminal sets a width."""
    name = "a/" * 60 + "end"
    small(name)
    line = [sys.executable, "-c", MAIN, *COMPILE.split()]
    done = subprocess.run(
        line, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "80"}
    )
    assert name in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "compile float.npz --chip ideal",
        "compile model.onnx --chip ideal",
        "campaign program.npz",
        "calibrate mine",
        "train --data digits",
        "fit ndr iv.csv",
        "infer program.npz --inputs x.npy",
        "report program.npz",
    ],
)
def test_a_destination_is_judged_before_the_work(fails: Any, line: str) -> None:
    """Nothing is read or trained first, and the file in the message is the user's."""
    if line.startswith("train"):
        needs("torch")
    Path("taken").mkdir()
    if line.startswith("infer"):
        rng = np.random.default_rng(1)
        random_program(PRESETS["tiny"], rng, sizes=(20, 3)).save("program.npz")
        np.save("x.npy", np.zeros((1, 20), np.uint8))
    fails(f"{line} -o nowhere/out", "nowhere: no such folder")
    fails(f"{line} -o taken", "taken")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("compile float.npz --chip ideal -o float.npz", "output is float.npz, the file of network"),
        ("compile float.npz --chip ideal --samples x.npy -o x.npy", "output is x.npy, the file of samples"),
        ("infer mine --inputs x.npy -o ../{here}/mine", "the file of program"),
        ("infer mine --inputs x.npy -o link.npy", "output is link.npy, the file of inputs"),
        ("campaign mine --chips 2 --inputs x.npy --labels y.npy -o y.npy", "the file of labels"),
        ("campaign mine --chips 2 -o a.svg -p a.svg", "picture is a.svg, the file of output"),
        ("report mine -o mine", "output is mine, the file of program"),
        ("calibrate mine -o mine", "output is mine, the file of program"),
        ("train --start float.npz -o float.npz", "output is float.npz, the file of start"),
        ("compile mine --chip wan2022+more.yaml -o more.yaml", "output is more.yaml, the file of chip"),
        ("learn --data digits --device more.yaml -o more.yaml", "output is more.yaml, the file of device"),
        ("export mine --inputs x.npy --spice x.npy", "spice is x.npy, the file of inputs"),
        ("export mine --spice deck --verilog-a deck", "verilog_a is deck, the file of spice"),
    ],
)
def test_an_output_is_no_input(line: str, words: str, fails: Any, tmp_path: Path) -> None:
    """Whatever a command reads is there after it, bit for bit."""
    ndrite.compile(small("small"), "ideal", samples="x.npy", output="mine")
    Path("link.npy").symlink_to("x.npy")
    Path("more.yaml").write_text("name: more\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    fails(line.format(here=tmp_path.name), words, "accepted: another file")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

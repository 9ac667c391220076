"""demo and `ndrite board`: they do what they are told, and tell what they find.
Boards are doubles."""

import contextlib
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ndrite.boards.fpga import find_target
from ndrite.boards.golden import GoldenBoard
from ndrite.boards.selftest import Check
from ndrite.compiled import load
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.datagrams import PORT
from ndrite.host.memory import Upset
from ndrite.intervals import percent
from ndrite.samples import judging_set
from ndrite.shell.main import BAD_INPUT, FAILED_CHECK, INTERRUPTED, OK, run
from ndrite.verbs import board as commands
from ndrite.verbs.bringup import bringup
from ndrite.verbs.demo import demo


class Clocked:
    """A golden board whose answers are off by ``wrong``; an inference takes 100
    cycles, 25 with rows."""

    def __init__(self, wrong: Any) -> None:
        self.golden, self.wrong, self.geometry = GoldenBoard(), wrong, PRESETS["64-lane"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.golden, name)

    def __enter__(self) -> "Clocked":
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def infer(self, x: Any, **options: Any) -> Any:
        return self.golden.infer(x, **options) + self.wrong

    def counters(self) -> dict[str, int]:
        return {"inference_cycles": 4000, "busy_cycles": 1000}


@pytest.mark.parametrize("faulty", [True, False])
def test_demo_tells_what_each_model_gets_right(
    faulty: bool, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """All samples by the golden model, the first ones on a board."""
    whole, (x, labels) = load(), judging_set("fashion-mnist")
    wrong = faulty * np.eye(40, 10, -6, np.int32) << 20  # ten samples, of which each gets another class
    monkeypatch.setattr("ndrite.verbs.demo.connect", lambda url: Clocked(wrong))
    code, line = (FAILED_CHECK if faulty else OK), "demo --board sim:tiny --count 40 --seed 3 -p demo.png"
    assert run([*line.split(), "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    golden = GoldenBoard()
    golden.program(whole.program)
    y = golden.infer(x, seed=3)
    wanted = {
        "accuracy_golden": y,
        "accuracy_golden_on_rtl_samples": y[:40],
        "accuracy_rtl": y[:40] + wrong,
        "accuracy_float": whole.network.forward(x / np.float32(255)),
    }
    for name, outputs in wanted.items():
        right = (outputs.argmax(axis=1) == labels[: len(outputs)]).mean()
        assert told[name] == pytest.approx(right), name
    assert (told["samples_golden"], told["samples_rtl"], told["mismatches"]) == (10_000, 40, 10 * faulty)
    assert (told["seed"], told["board"], told["cycles_per_inference"]) == (3, "sim:tiny", 100)
    assert run(line.split()) == code
    text = " ".join(capsys.readouterr().out.split())
    assert ("10 samples differ" if faulty else "every bit equal") in text
    percents = [percent(told[name], len(outputs)) for name, outputs in wanted.items()]
    assert all(" ".join(words.split()) in text for words in percents)
    used, zeros = (f"{100 * told[name]:.1f} %" for name in ("mac_use", "zeros"))
    assert f"100.0; array busy 25.0 %, of its products {used} used, {zeros} of the network's are" in text
    monkeypatch.setattr("ndrite.verbs.demo.connect", lambda url: contextlib.nullcontext(golden))
    assert run(["-q", *line.split()]) == OK
    assert "clock cycles" not in capsys.readouterr().out
    reports: dict[str, Any] = {}

    def stage(name: str) -> Any:
        return contextlib.nullcontext(lambda *report: reports.update({name: report}))

    found = demo(board="sim:tiny", count=40, seed=3, picture="demo.png", progress=stage)
    assert not list(found.lines())
    assert reports == {"golden model": (10_000, 10_000), "programming": (1, 1), "RTL": (40, 40)}


def test_a_server_serves_what_it_is_told(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, socket = "ndrite.boards.sim.serve.serve", "ndrite.boards.sim.serve_udp.serve_udp"
    monkeypatch.setattr(socket, pytest.fail)
    told: list[Any] = []
    monkeypatch.setattr("builtins.print", lambda *words, **how: told.append((words, how)))
    (geometry,), named = seen(terminal, commands.serve)
    assert (geometry, named["link"]) == (PRESETS["64-lane"], None)
    (geometry,), named = seen(terminal, commands.serve, preset="tiny", link="port")
    assert (geometry, named["link"]) == (PRESETS["tiny"], Path("port"))
    named["announce"]("here")
    (geometry,), named = seen(socket, commands.serve, preset="tiny", udp=True)
    assert (geometry, named["host"], named["port"]) == (PRESETS["tiny"], "127.0.0.1", PORT)
    named["announce"]("there")
    # At once, for who reads it through a pipe.
    assert told == [((f"serving tiny on {where}",), {"flush": True}) for where in ("here", "there")]
    _, named = seen(socket, commands.serve, udp=True, at="0.0.0.0:0")
    assert (named["host"], named["port"]) == ("0.0.0.0", 0)


def test_flash_loads_what_it_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, said: Any, prints: Any
) -> None:
    loaded: list[Any] = []
    monkeypatch.setattr(commands.loader, "flash", lambda *given, **named: loaded.append((*given, named)))
    assert said("board flash ulx3s-85f") == {"board": "ulx3s-85f", "permanent": False}
    assert said("board flash ulx3s-85f --folder mine --permanent")["permanent"]
    assert "ulx3s-85f: loaded" in prints("board flash ulx3s-85f")
    target = find_target("ulx3s-85f")
    assert loaded[:2] == [
        (target, Path("build/ulx3s-85f"), {"permanent": False}),
        (target, Path("mine"), {"permanent": True}),
    ]


def test_info_shows_identity_counters_and_versions(said: Any, prints: Any) -> None:
    told, text = said("board info golden:tiny"), prints("board info golden:tiny")
    assert told["counters"] == {"inferences": 0}
    assert told["versions"]["numpy"] == np.__version__
    assert "loader" not in told["versions"]
    rows = [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in text.splitlines()]
    assert ("board", told["board"]) in rows
    for part in ("geometry", "counters", "versions"):
        assert [(f"{part}.{name}", str(value)) for name, value in told[part].items()] == [
            row for row in rows if row and row[0].startswith(part)
        ]


BOARD = {"lanes": 4, "clock_mhz": 27, "fmax_mhz": 33.5, "luts": 10, "samples_per_s_compute": 5}
BOARD |= {"samples_per_s_link": 6, "timing_met": True, "earlier": False, "reported": True, "family": "ecp5"}


@pytest.mark.parametrize(
    ("change", "name", "fmax", "note"),
    [
        ({}, "mine", "33.5", ""),
        ({"timing_met": False}, "mine !", "33.5", "! timing is not met"),
        ({"earlier": True}, "mine*", "33.5", "* of an earlier netlist"),
        ({"fmax_mhz": None}, "mine", "-", "without Fmax: synthesised, not routed"),
        ({"fmax_mhz": None, "reported": False}, "mine", "-", ""),
        ({"family": "gowin"}, "mine", "-", ""),
    ],
)
def test_the_list_marks_what_a_figure_lacks(
    change: dict[str, Any], name: str, fmax: str, note: str, monkeypatch: pytest.MonkeyPatch, prints: Any
) -> None:
    rows = [{"board": "mine", **BOARD, **change}, {"board": "other", **BOARD}]
    monkeypatch.setattr(commands, "summaries", lambda: rows)
    text = prints("board list")
    (row,) = (
        [cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "mine" in line
    )
    assert row == [name, "4", "27", fmax, "10", "5", "6"]
    below = text.rpartition("┘")[2].strip()
    assert below.startswith(note)
    assert bool(below) == bool(note)


def test_selftest_tests_with_its_seed(seen: Any, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    test = partial(commands.selftest, "golden:tiny")
    for seed in (0, 7):
        (device,), named = seen("ndrite.verbs.board.checks_of", test, **({"seed": seed} if seed else {}))
        assert (device.geometry, named["seed"]) == (PRESETS["tiny"], seed)

    monkeypatch.setattr(commands, "checks_of", lambda *given, **named: iter([Check("word", True, "seen")]))
    told = said("board selftest golden:tiny")
    assert (told["board"], told["failed"], len(told["checks"])) == ("golden:tiny", 0, 1)


UPSETS = [Upset(f"weights {i}", 1, 2, 3, 4, 5) for i in range(3)]


@pytest.mark.parametrize(
    ("looks", "every", "code", "upsets"),
    [
        ([[]], None, OK, []),
        ([UPSETS[:2]], None, FAILED_CHECK, UPSETS[:2]),
        ([KeyboardInterrupt()], None, INTERRUPTED, None),
        ([[], [], KeyboardInterrupt()], 0.5, OK, []),
        ([UPSETS[:1], [], UPSETS[1:], KeyboardInterrupt()], 0.5, FAILED_CHECK, UPSETS),
        ([], 0.0, BAD_INPUT, None),
    ],
)
def test_scrub_tells_every_change(
    looks: list[Any],
    every: float | None,
    code: int,
    upsets: list[Upset] | None,
    folder: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    """``looks``: what each look at the board finds, once or until Ctrl-C."""
    found, pauses, opened = iter(looks), list[float](), list[str]()

    def scrub(asked: Program) -> Any:
        assert asked.tag == program.tag
        if isinstance(look := next(found), KeyboardInterrupt):
            raise look
        return look

    def connect(url: str) -> Any:
        opened.append(url)
        return contextlib.nullcontext(SimpleNamespace(scrub=scrub))

    monkeypatch.setattr(commands, "connect", connect)
    monkeypatch.setattr(commands.time, "sleep", pauses.append)
    line = ["board", "scrub", "program.npz", "--board", "sim:tiny"]
    line += [] if every is None else ["--every", str(every)]
    assert run([*line, "--json"]) == code
    out, err = capsys.readouterr()
    if upsets is None:
        return
    told = json.loads(out)
    whole = [look for look in looks if isinstance(look, list)]
    assert pauses == [0.5] * (len(whole) * (every is not None))
    assert (told["looks"], told["upsets"]) == (len(whole), [vars(upset) for upset in upsets])
    assert (opened, told["board"], told["program"]) == (["sim:tiny"], "sim:tiny", program.name)
    assert all(str(upset) in err for upset in upsets)
    found = iter(looks)
    assert run(line) == code
    counted = f"{program.name} on sim:tiny: {len(whole)} looks, {len(upsets)} changed sections"
    assert counted in " ".join(capsys.readouterr().out.split())


def test_bringup_does_what_it_is_told(seen: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = "ndrite.verbs.bringup.stages_of"
    (device,), named = seen(stages, bringup, simulated=True)
    assert (device.target, named) == (find_target("tang-nano-9k"), {"inferences": 500, "seed": 0})
    (device,), named = seen(stages, partial(bringup, "ulx3s-85f"), port="/dev/x", inferences=17, seed=3)
    assert (device.target, device.port, named) == (
        find_target("ulx3s-85f"),
        "/dev/x",
        {"inferences": 17, "seed": 3},
    )
    assert (device.folder, device.loaded) == (Path("build/ulx3s-85f"), False)
    heard: list[str] = []
    how = {"port": "p", "folder": "mine", "loaded": True, "announce": heard.append}
    (device,), _ = seen(stages, partial(bringup, "ulx3s-85f"), **how)
    assert (device.folder, device.loaded) == (Path("mine"), True)
    device.announce("so far")
    assert heard == ["so far"]
    monkeypatch.setattr(stages, lambda way, **options: iter([Check("round trips", True, "seen")]))
    monkeypatch.setattr("ndrite.verbs.bringup.loader_version", lambda: "loader 1.2")
    found = bringup("ulx3s-85f", port="p", seed=4)
    assert found.values["versions"]["loader"] == "loader 1.2"
    assert (found.values["board"], found.values["simulated"], found.values["seed"]) == ("ulx3s-85f", False, 4)
    assert found.values["report"] == "bringup-ulx3s-85f.md"
    assert "round trips" in Path("bringup-ulx3s-85f.md").read_text()
    assert "loader" not in bringup(simulated=True, output="s.md").values["versions"]
    assert Path("s.md").is_file()

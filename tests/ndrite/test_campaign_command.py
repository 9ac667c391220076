"""ndrite campaign on the golden board: keys, files, interruption, refusals."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.golden.campaign import campaign
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from emulator.spec.campaign import Campaign
from emulator.spec.variation import Variation
from ndrite.intervals import mean_interval, wilson
from ndrite.shell.main import BAD_INPUT, INTERRUPTED, OK, run
from tests.stimulus import random_inputs, same_cells

OPTIONS = ["--inputs", "x.npy", "--labels", "labels.npy", "--trials", "2", "--seed", "5"]


@pytest.fixture
def varied(here: Path) -> Program:
    """Working folder with program.npz, x.npy, labels.npy."""
    rng = np.random.default_rng(2)
    program = random_program(PRESETS["tiny"], rng, sizes=(20, 6, 3), readout="adc", noise=True)
    sigma = np.full(256, 4000, np.uint16)
    program = dataclasses.replace(program, variation=Variation(mean=same_cells().mean, sigma=sigma))
    program.save(here / "program.npz")
    x = random_inputs(program, rng, 12)
    np.save(here / "x.npy", x)
    np.save(here / "labels.npy", rng.integers(0, 3, 12))
    return program


def test_json_is_the_campaign(varied: Program, said: Any) -> None:
    got = said(["campaign", "program.npz", "--chips", "40", *OPTIONS, "--threshold", "0.3"])
    x, labels = np.load("x.npy"), np.load("labels.npy")
    expected = campaign(varied, x, labels, Campaign(chips=40, trials=2, seed=5))
    assert got["votes"] == expected.votes.tolist()
    assert got["accuracy_per_chip"] == expected.accuracy_per_chip.tolist()
    assert (got["chips"], got["samples"], got["trials"], got["seed"]) == (40, 12, 2, 5)
    assert got["accuracy_mean"] == pytest.approx(expected.accuracy_per_chip.mean())
    assert got["yield"] == (expected.accuracy_per_chip >= 0.3).mean()
    worst = got["worst_samples"][0]
    share = expected.votes[np.arange(12), labels] / 80
    assert worst["share_correct"] == share.min()


def test_interrupted_and_resumed_equals_uninterrupted(
    varied: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["campaign", "program.npz", "--chips", "50", *OPTIONS]
    assert run([*command, "-o", "whole.json"]) == OK
    calls: list[int] = []

    def third_time(*a: Any, **k: Any) -> Any:
        calls.append(a[3].first_chip)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return campaign(*a, **k)

    with monkeypatch.context() as patch:
        patch.setattr("boards.golden.campaign", third_time)
        assert run([*command, "-o", "parts.json"]) == INTERRUPTED
        assert not Path("parts.json").exists()
        assert run([*command, "-o", "parts.json"]) == OK
    assert calls == [0, 16, 32, 32, 48]
    assert Path("parts.json").read_bytes() == Path("whole.json").read_bytes()
    assert sorted(p.name for p in Path().iterdir() if "part" in p.name) == ["parts.json"]


def test_a_state_of_another_campaign_or_an_edited_one_is_refused(
    varied: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fails: Any
) -> None:
    command = ["campaign", "program.npz", *OPTIONS, "-o", "out.json", "--chips"]

    def stopped(self: Any, path: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ndrite.verbs.campaign.Wafer.save", stopped)
        assert run([*command, "20"]) == INTERRUPTED
    state = Path(".out.json.part.npz")
    whole = state.read_bytes()
    capsys.readouterr()
    for other, what in (
        (["--seed", "9"], "another seed"),
        (["--trials", "5"], "another trials"),
        (["--count", "5"], "another inputs, labels"),
        (["--no-noise"], "another noise"),
    ):
        fails([*command, "20", *other], f"{state}: state of a run with {what}")
    for place in range(0, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        state.write_bytes(damaged)
        assert run([*command, "20"]) == BAD_INPUT, place
        assert str(state) in capsys.readouterr().err
    state.write_bytes(b"no archive")
    assert run([*command, "20"]) == BAD_INPUT
    state.write_bytes(whole)
    monkeypatch.setattr("emulator.spec.state_file.code_digest", lambda: "newer")
    capsys.readouterr()
    fails([*command, "20"], "another code of emulator")


def test_figure_and_table(varied: Program, capsys: pytest.CaptureFixture[str], fails: Any) -> None:
    assert run(["campaign", "program.npz", "--chips", "8", *OPTIONS, "-p", "f.svg"]) == OK
    assert Path("f.svg").read_text().count("<svg") == 1
    assert "accuracy_mean_interval_95" in capsys.readouterr().out
    fails(["campaign", "program.npz", "--chips", "8", *OPTIONS, "-p", "f.xyz"], ".html, .svg, .png, .pdf")
    pytest.importorskip("plotly", reason="needs ndrite[sweep]")
    command = ["campaign", "program.npz", "--chips", "8", *OPTIONS, "-p", "f.html", "--json"]
    assert run(command) == OK
    accuracy = np.array(json.loads(capsys.readouterr().out)["accuracy_per_chip"])
    data = json.loads(re.search(r'id="data">(.*?)</script>', Path("f.html").read_text(), re.S)[1])
    values = np.array([point["values"] for point in data["points"]])
    assert values[:, 0] == pytest.approx(100 * accuracy)
    assert values[:, 1] == pytest.approx([100 * (accuracy >= a).mean() for a in accuracy])
    fails([*command[:3], "30000", *command[4:]], "page has 30000 points; accepted: 1..20000")


def test_a_program_of_one_chip_needs_to_know_whose_spread(varied: Program, fails: Any) -> None:
    dataclasses.replace(varied, variation=None).save("one.npz")
    fails(["campaign", "one.npz", "--chips", "2", *OPTIONS], "say with chip")
    assert run(["campaign", "one.npz", "--chips", "2", *OPTIONS, "--chip", "wan2022"]) == OK


def test_intervals() -> None:
    """Against Brown, Cai, DasGupta 2001 (Wilson, 1 of 10) and a t table (0.975, 3 degrees: 3.182446)."""
    assert wilson(1, 10) == pytest.approx((0.017876, 0.404150), abs=1e-5)
    assert wilson(0, 10)[0] == 0.0
    mean, half = mean_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert mean == 2.5
    assert half == pytest.approx(3.182446 * np.sqrt(5 / 3) / 2, rel=1e-6)
    assert mean_interval(np.array([1.0])) == (1.0, None)

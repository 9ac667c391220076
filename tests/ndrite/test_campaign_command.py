"""ndrite campaign on the golden board: keys, files, interruption, refusals."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.variation import Campaign, Variation
from ndrite.shell.main import INTERRUPTED, run
from tests.stimulus import random_inputs, same_cells

CAMPAIGN = "campaign program.npz --inputs x.npy --labels labels.npy --trials 2 --seed 5 --chips"


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
    got = said(f"{CAMPAIGN} 40 --threshold 0.3")
    x, labels = np.load("x.npy"), np.load("labels.npy")
    expected = campaign(varied, x, labels, Campaign(chips=40, trials=2, seed=5))
    assert got["votes"] == expected.votes.tolist()
    assert got["accuracy_per_chip"] == expected.accuracy_per_chip.tolist()
    assert (got["chips"], got["samples"], got["trials"], got["seed"]) == (40, 12, 2, 5)
    assert got["accuracy_mean"] == pytest.approx(expected.accuracy_per_chip.mean())
    assert got["yield"] == (expected.accuracy_per_chip >= 0.3).mean()


def test_interrupted_and_resumed_equals_uninterrupted(varied: Program, monkeypatch: Any, prints: Any) -> None:
    prints(f"{CAMPAIGN} 50 -o whole.json")
    calls: list[int] = []

    def third_time(*a: Any, **k: Any) -> Any:
        calls.append(a[3].first_chip)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return campaign(*a, **k)

    with monkeypatch.context() as patch:
        patch.setattr("ndrite.boards.golden.campaign", third_time)
        assert run(f"{CAMPAIGN} 50 -o parts.json".split()) == INTERRUPTED
        assert not Path("parts.json").exists()
        prints(f"{CAMPAIGN} 50 -o parts.json")
    assert calls == [0, 16, 32, 32, 48]
    assert Path("parts.json").read_bytes() == Path("whole.json").read_bytes()
    assert sorted(p.name for p in Path().iterdir() if "part" in p.name) == ["parts.json"]


def test_another_campaigns_state_or_an_edited_one_is_refused(
    varied: Program, monkeypatch: Any, fails: Any
) -> None:
    line = f"{CAMPAIGN} 20 -o out.json"

    def stopped(self: Any, path: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ndrite.verbs.campaign.Wafer.save", stopped)
        assert run(line.split()) == INTERRUPTED
    state = Path(".out.json.part.npz")
    whole = state.read_bytes()
    for other, what in (
        ("--seed 9", "seed"),
        ("--trials 5", "trials"),
        ("--count 5", "inputs, labels"),
        ("--no-noise", "noise"),
    ):
        fails(f"{line} {other}", f"{state}: state of a run that differs in {what};")
    fails(f"{CAMPAIGN} 19 -o out.json", f"chips is 19; accepted: 20 and more, as far as {state} has come")
    for place in range(0, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        state.write_bytes(damaged)
        fails(line, str(state))
    state.write_bytes(b"no archive")
    fails(line, str(state))
    state.write_bytes(whole)
    monkeypatch.setattr("ndrite.emulator.spec.state_file.code_digest", lambda: "newer")
    fails(line, "differs in code of emulator")


def test_figure_and_table(varied: Program, said: Any, prints: Any, fails: Any) -> None:
    assert "accuracy_mean_interval_95" in prints(f"{CAMPAIGN} 8 -p f.svg")
    assert Path("f.svg").read_text().count("<svg") == 1
    fails(f"{CAMPAIGN} 8 -p f.html", "picture is f.html; accepted: a name that ends in .png, .svg, .pdf")


def test_a_program_of_one_chip_needs_to_know_whose_spread(varied: Program, prints: Any, fails: Any) -> None:
    dataclasses.replace(varied, variation=None).save("program.npz")
    fails(f"{CAMPAIGN} 2", "say with chip")
    prints(f"{CAMPAIGN} 2 --chip wan2022")

"""ndrite campaign on the golden board: keys, files, interruption, refusals."""

import dataclasses
import json
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


@pytest.fixture
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of 16 chips, of 12 samples in two trials."""
    monkeypatch.setattr("ndrite.wafers.INFERENCES", 16 * 24)


def hidden() -> list[str]:
    """Folders of ranges that are done."""
    return [path.name for path in Path().iterdir() if path.name.startswith(".")]


@pytest.mark.usefixtures("short_ranges")
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
    assert not hidden()


@pytest.mark.usefixtures("short_ranges")
def test_workers_shares_and_boards_give_the_file_of_one_process(
    varied: Program, prints: Any, fails: Any
) -> None:
    prints(f"{CAMPAIGN} 50 -o whole.json")
    whole = Path("whole.json").read_bytes()
    assert whole.decode() == json.dumps(json.loads(whole), indent=1)
    prints(f"{CAMPAIGN} 50 -o two.json --workers 2")
    assert Path("two.json").read_bytes() == whole
    told = prints(f"{CAMPAIGN} 50 -o part.json --shard 2/3")
    assert told == "share 2/3 is done; without shard the same command joins all shares\n"
    prints(f"{CAMPAIGN} 50 -o part.json --shard 1/3")
    assert not Path("part.json").exists()
    prints(f"{CAMPAIGN} 50 -o part.json")
    assert Path("part.json").read_bytes() == whole
    assert not hidden()
    prints(f"{CAMPAIGN} 50 -o boards.json --board golden: --board golden:tiny")
    assert Path("boards.json").read_text() == whole.decode().replace('"golden:"', '"golden:, golden:tiny"')
    fails(f"{CAMPAIGN} 50 --shard 1/2", "shard is given without output; accepted: both, since every share")


@pytest.mark.usefixtures("short_ranges")
def test_ranges_of_another_campaign_are_told_and_edited_ones_refused(
    varied: Program, monkeypatch: Any, prints: Any, fails: Any, capsys: Any
) -> None:
    line = f"{CAMPAIGN} 20 -o out.json"

    def stopped(self: Any, path: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ndrite.verbs.campaign.Wafer.save", stopped)
        assert run(line.split()) == INTERRUPTED
    ranges = sorted(Path(".out.json.runs/runs").iterdir())
    assert len(ranges) == 2
    content = ranges[0].read_bytes()
    for place in range(0, len(content), len(content) // 20):
        damaged = bytearray(content)
        damaged[place] ^= 1
        ranges[0].write_bytes(damaged)
        fails(line, str(ranges[0]))
    ranges[0].write_bytes(content)
    for other in ("--seed 9", "--trials 5", "--count 5", "--no-noise"):
        with monkeypatch.context() as patch:
            patch.setattr("ndrite.verbs.campaign.Wafer.save", stopped)
            assert run([*line.split(), *other.split()]) == INTERRUPTED
        assert ".out.json.runs has 2 results of another plan or other code" in capsys.readouterr().err
        for path in set(Path(".out.json.runs/runs").iterdir()) - set(ranges):
            path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("ndrite.boards.golden.campaign", pytest.fail)
        prints(line)
    assert not hidden()


def test_figure_and_table(varied: Program, said: Any, prints: Any, fails: Any) -> None:
    assert "accuracy_mean_interval_95" in prints(f"{CAMPAIGN} 8 -p f.svg")
    assert Path("f.svg").read_text().count("<svg") == 1
    fails(f"{CAMPAIGN} 8 -p f.html", "picture is f.html; accepted: a name that ends in .png, .svg, .pdf")


def test_a_program_of_one_chip_needs_to_know_whose_spread(varied: Program, prints: Any, fails: Any) -> None:
    dataclasses.replace(varied, variation=None).save("program.npz")
    fails(f"{CAMPAIGN} 2", "the program names no chip; give chip, whose cell variation is sampled")
    prints(f"{CAMPAIGN} 2 --chip wan2022")

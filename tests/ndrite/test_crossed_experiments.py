"""Experiments of one die of one network a run: their tables, of networks whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ndrite import intervals
from ndrite.experiments import adaptation, crossing, ecram, insitu, recovery, valley
from ndrite.experiments.bits import packed

N = 1000
SEEDS = (1, 2, 3)


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "DRAWS", 200)


def first(count: int) -> npt.NDArray[np.bool_]:
    """Right on the first samples only."""
    return np.arange(N) < count


def dies(states: Mapping[str, int], seeds: tuple[int, ...] = SEEDS, **said: Any) -> list[dict[str, Any]]:
    """Two dies of every network, 900 right in float; the second die has two less in every state."""
    return [
        {"seed": seed, "die": die, "samples": N, **said}
        | crossing.kept(first(900), {state: first(count - 2 * die) for state, count in states.items()})
        for seed in seeds
        for die in (0, 1)
    ]


def mean(cell: str) -> float:
    """The value before an interval."""
    return float(cell.split()[0].rstrip("%"))


def test_bits_are_networks_by_dies_by_samples() -> None:
    results = dies({"on": 880})
    bits = crossing.crossed_bits(results, "on")
    assert bits.shape == (3, 2, N)
    assert bits.sum(axis=2).tolist() == [[880, 878]] * 3
    assert crossing.crossed_bits(results, crossing.FLOAT).mean() == 0.9
    assert crossing.crossed_bits(results[:-1], "on").shape == (3, 1, N), "as many dies as every network has"
    assert (crossing.facts(results)["networks"], crossing.facts(results)["dies"]) == (3, 2)


def test_recovery_is_of_the_loss_as_programmed() -> None:
    states = dict(zip(recovery.STATES, (801, 851, 881, 891), strict=True))
    (table,) = recovery.tables(dies(states, axis="programming error", value=3.0))
    ((chip, *lost, by_pulses, by_both),) = table.rows
    assert chip == "programming error 3 x the preset's"
    assert [mean(cell) for cell in lost] == [10.0, 5.0, 2.0, 1.0]
    assert (mean(by_pulses), mean(by_both)) == (50, 90)
    assert "3 networks x 2 dies x 1000 samples" in table.title


def test_the_preset_is_a_point_on_every_axis() -> None:
    states = dict.fromkeys(recovery.STATES, 880)
    results = dies(states, axis="programming error", value=1.0) + dies(states, axis="stuck cells", value=3.0)
    assert list(recovery.along(results, "stuck cells")) == [0.2, 3.0]
    assert list(recovery.along(results, "time")) == [86_400.0]
    assert list(recovery.along(results, recovery.HARD)) == []


def test_ecrams_are_compared_on_the_same_dies() -> None:
    results = []
    for axis, value, after in (("pulses", 8.0, 861), ("pulses", 64.0, 881), ("noise", 300.0, 871)):
        results += dies({"before": 801, "after": after}, axis=axis, value=value)
    (table,) = ecram.tables(results)
    rows = {row[:2]: row[2:] for row in table.rows}
    labels = {axis: label for axis, (label, _) in ecram.AXES.items()}
    before, after, gain, against = rows[labels["pulses"], "8"]
    assert (mean(before), mean(after), mean(gain), mean(against)) == (10.0, 4.0, 6.0, -2.0)
    assert rows[labels["pulses"], "64"][-1] == "-"
    assert mean(rows[labels["noise"], "300"][-1]) == -1.0
    assert mean(rows[labels["noise"], "0"][2]) == 8.0, "without noise it is the plain device"


def test_adaptation_compares_ways_on_the_same_dies() -> None:
    states = {"die": 701, **dict(zip(adaptation.WAYS, (801, 701, 901), strict=True))}
    accuracies, gains = adaptation.tables(dies(states, task="half as bright"))
    assert accuracies.rows[0] == ("half as bright", "90.00", "70.00", "80.00", "70.00", "90.00")
    pulses, nothing, most = gains.rows[0][1:]
    assert nothing == "0.00 (0.00 .. 0.00)"
    assert (mean(pulses), mean(most)) == (10.0, 20.0)
    assert adaptation.facts(dies(states))["dies"] == 2


def test_starts_in_the_loop_have_intervals_over_samples_too() -> None:
    """All starts are alike here: what is left of the interval is of samples."""
    case = next(iter(insitu.CASES))
    results = [
        {
            "data": "digits",
            "case": case,
            "seed": seed,
            "samples": N,
            "pulses": 10 * seed,
            "after": packed(first(800)),
        }
        for seed in SEEDS
    ]
    table, compared = insitu.tables(results)
    assert not compared.rows
    ((data, trained, starts, accuracy, pulses),) = table.rows
    assert (data, trained, starts, pulses) == ("digits", case, "3", "20")
    low, high = (float(word.strip("().")) for word in accuracy.split()[1::2])
    assert 75 < low < 80 < high < 85


def test_what_curves_add_is_of_the_same_starts() -> None:
    results: list[dict[str, Any]] = []
    for case, count in zip(insitu.COMPARED[0], (820, 800), strict=True):
        said = {"data": "digits", "case": case, "samples": N, "pulses": 1, "after": packed(first(count))}
        results += [said | {"seed": seed} for seed in SEEDS]
    ((_, case, other, difference),) = insitu.tables(results)[1].rows
    assert (case, other) == insitu.COMPARED[0]
    assert mean(difference) == 2.0
    assert float(difference.split()[1].strip("(")) > 0, "80 % of the samples are right in both"


def test_valleys_are_compared_with_the_presets() -> None:
    results = []
    for (volts, milliamperes), count in zip(valley.SHAPES[:2], (871, 881), strict=True):
        results += dies({"chip": count}, valley_V=volts, excess_mA=milliamperes)
    (table,) = valley.tables(results)
    other, preset = table.rows
    assert (preset[:2], preset[-1]) == (("0.5", "0.1"), "-")
    assert (mean(preset[4]), mean(preset[5]), mean(preset[6])) == (90.0, 87.0, 3.0)
    assert mean(other[-1]) == 1.0
    assert float(preset[3]) < float(other[3]), "a nearer valley is less deep"


@pytest.mark.parametrize("experiment", [recovery, ecram, adaptation, valley])
def test_every_die_is_measured_in_every_case(experiment: Any) -> None:
    plan = experiment.runs(smoke=False)
    assert len({r["seed"] for r in plan}) >= (3 if experiment is valley else 5)
    cases: dict[str, list[tuple[int, int]]] = {}
    for r in plan:
        rest = {name: value for name, value in r.items() if name not in ("seed", "die")}
        cases.setdefault(str(rest), []).append((r["seed"], r["die"]))
    assert len({tuple(sorted(found)) for found in cases.values()}) == 1
    assert len(cases) >= 5


def test_error_bars_reach_to_the_interval() -> None:
    on_dies, others = (crossing.crossed_bits(dies({"on": count}), "on") for count in (880, 700))
    means, reach = intervals.bars(on_dies, others)
    np.testing.assert_allclose(means, [87.9, 69.9])
    low, high = intervals.crossed(others)
    np.testing.assert_allclose(reach[:, 1], [69.9 - 100 * low, 100 * high - 69.9])
    assert reach.shape == (2, 2)

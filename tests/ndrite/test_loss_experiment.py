"""The loss experiment's tables from runs that are made up: what is told apart, chosen, and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndrite.experiments import loss
from ndrite.experiments.bits import packed

N = 2000
FIRST, LAST = next(iter(loss.STATES)), tuple(loss.STATES)[-1]


def made_up() -> list[dict[str, Any]]:
    """Three networks of 90 %; their dies lose 2 points, worse ones 10, of which pulses take back 5; software
    of two rates, the better one on held-out samples worse on the test samples."""
    rng = np.random.default_rng(0)
    found: list[dict[str, Any]] = []
    for seed in (1, 2, 3):
        right = rng.random(N) < 0.9
        common = {"seed": seed, "samples": N, "dies": 4, "worse": 2, "tuned": 1, "epochs": 1}

        def lost(part: float, right: np.ndarray = right) -> str:
            return packed(right & ~(rng.random(N) < part / 0.9), right)

        run = {"on": loss.ANALOG, **common, "right": packed(right), "held_out": 0.9, "float": 0.9}
        run[FIRST] = [lost(0.02) for _ in range(4)]
        run[LAST] = [lost(0.10) for _ in range(2 + seed % 2)]
        run[f"{FIRST}, tuned"] = [lost(0.01)]
        run[f"{LAST}, tuned"] = [lost(0.05)]
        found.append(run)
        for rate, held, part in ((0.1, 0.93, 0.88), (0.2, 0.91, 0.95)):
            right = rng.random(N) < part
            found.append({"on": "software", "rate": rate, **common, "right": packed(right), "held_out": held})
    found.append({**found[-1], "rate": 0.3, "held_out": 0.99})  # one network only
    return found


def test_losses_are_against_the_networks_own_float() -> None:
    in_float, on_dies = loss.correct(made_up(), loss.ANALOG, FIRST)
    assert (in_float.shape, on_dies.shape) == ((3, 1, N), (3, 4, N))
    assert (in_float - on_dies).mean() == pytest.approx(0.02, abs=0.004)
    assert loss.correct(made_up(), loss.ANALOG, LAST)[1].shape == (3, 2, N), (
        "as many dies as every network has"
    )
    assert not len(loss.correct(made_up(), loss.CONVERTERS, FIRST)[1])
    rows = loss.tables(made_up())[0].rows
    assert [row[:3] for row in rows] == [
        (loss.ANALOG, FIRST, "3 x 4"),
        (loss.ANALOG, LAST, "3 x 2"),
    ]
    value, low, high = numbers(rows[0][-1])
    assert low < value < high
    assert value == pytest.approx(2.0, abs=0.4)


def test_software_is_chosen_on_held_out_samples() -> None:
    rate, right, line = loss.software(made_up())
    assert rate == 0.1, "not what is best on the test samples, nor what one seed alone has"
    assert right.shape == (3, N)
    assert "0.3: 99.00 %" in line
    table = loss.tables(made_up())[1]
    behind = numbers(table.rows[1][-1])
    assert behind[0] == pytest.approx(0.0, abs=1.5)  # 88 against 88
    assert behind[1] < behind[0] < behind[2]
    assert [row[:2] for row in table.rows] == [
        ("ReLU in software, rate 0.1", "3"),
        (loss.ANALOG, "3 x 4"),
        (f"{loss.ANALOG}, after ECRAM pulses", "3 x 1"),
    ]


def test_what_pulses_take_back_has_an_interval() -> None:
    row = loss.tables(made_up())[2].rows[-1]
    assert row[2] == "3 x 1"
    value, low, high = numbers(row[-1])
    assert value == pytest.approx(50, abs=12)
    assert low < value < high
    same = np.zeros((3, 1, N))
    assert loss.recovered(same, same) == "-", "nothing was lost"


def test_the_json_says_over_what_intervals_are() -> None:
    held = loss.facts(made_up())
    assert (held["networks"], held["dies"], held["samples"]) == (3, 4, N)
    assert held["bootstrap"]["draws"] == 2000


def numbers(text: str) -> tuple[float, float, float]:
    """Value, low and high of ``1.0 (0.5 .. 1.5)``."""
    value, rest = text.replace("%", "").split(" (")
    low, high = rest.rstrip(")").split(" .. ")
    return float(value), float(low), float(high)

"""The table of depths: what is lost and how far behind, of networks whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emulator.learning.training.architecture import read_hidden
from ndrite import intervals
from ndrite.experiments import depth
from ndrite.experiments.bits import packed

SAMPLES = 1000


def first(count: int) -> Any:
    """Right on so many samples, the same ones each time."""
    return np.arange(SAMPLES) < count


def results() -> list[dict[str, Any]]:
    """One hidden layer: 900 in software, 880 of the chip's network in float, 870 on its dies; two: 10 more
    are lost."""
    found = []
    for seed in (1, 2, 3):
        for layers in (1, 2):
            hidden = depth.HIDDEN["digits"][layers - 1]
            common = {"data": "digits", "hidden": hidden, "seed": seed, "dies": 2, "samples": SAMPLES}
            in_float, on_die = first(880), first(880 - 10 * layers)
            dies = [packed(on_die, in_float)] * 2
            found.append(common | {"on": depth.CHIP, "right": packed(in_float), "on_dies": dies})
            found.append(common | {"on": "software", "right": packed(first(900)), "on_dies": []})
    return found


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "DRAWS", 200)


def test_a_line_for_each_depth() -> None:
    (table,) = depth.tables(results())
    assert {row[2] for row in table.rows} == {"3 x 2"}
    assert [row[:2] for row in table.rows] == [("digits", "32"), ("digits", "32, 32")]
    for layers, row in enumerate(table.rows, start=1):
        software, in_float, on_dies, lost, behind = (float(cell.split()[0]) for cell in row[3:])
        assert (software, in_float) == (90.0, 88.0)
        assert on_dies == pytest.approx(88.0 - layers)
        assert lost == pytest.approx(layers)
        assert behind == pytest.approx(2 + layers)


def test_intervals_are_over_samples_too() -> None:
    """Networks and dies are all alike here: what is left of the interval is of samples."""
    (table,) = depth.tables(results())
    low, high = (float(word.strip("().")) for word in table.rows[0][6].split()[1::2])
    assert 0 < low < 1.0 < high < 2


def test_every_shape_has_both_sides_of_the_same_networks() -> None:
    plan = depth.runs(smoke=False)
    shapes = {(r["data"], r["hidden"]) for r in plan}
    assert {len(read_hidden(hidden)) for data, hidden in shapes if data == "fashion-mnist"} == {1, 2, 3, 4}
    assert ("fashion-mnist", depth.CONVOLUTIONS) in shapes
    for data, hidden in shapes:
        mine = [r for r in plan if (r["data"], r["hidden"]) == (data, hidden)]
        seeds = sorted((r["on"], r["seed"], r["epochs"]) for r in mine)
        epochs, networks = mine[0]["epochs"], 3 if "conv" in hidden else 5
        assert seeds == [(on, s, epochs) for on in (depth.CHIP, "software") for s in range(1, networks + 1)]

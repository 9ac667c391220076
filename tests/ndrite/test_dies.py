"""Over dies: each is what compiling and judging it by hand gives; the interval is over dies."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import ndrite
from ndrite.host import InputError
from ndrite.runs.run import RunError
from tests.chips import centred_network, samples

DIES = 3


@pytest.fixture
def whole(here: Path) -> Any:
    network = centred_network(12)
    x = samples(network, 120)
    np.save("x.npy", x[:60])
    np.save("y.npy", network.forward(x[:60] / np.float32(255)).argmax(axis=1))
    return ndrite.compile(network, "wan2022", samples=x, output="mine", seed=9)


def by_hand(whole: Any) -> list[Any]:
    """Every die compiled anew."""
    return [ndrite.compile(whole.network, "wan2022", samples=whole.samples, seed=die) for die in range(DIES)]


def test_evaluate_over_dies_is_each_die_evaluated(whole: Any, prints: Any) -> None:
    judged = ndrite.evaluate("mine", "x.npy", "y.npy", dies=DIES, seed=4)
    expected = [ndrite.evaluate(die, "x.npy", "y.npy", seed=4).accuracy for die in by_hand(whole)]
    assert judged.rows["program"].tolist() == expected
    assert len(set(expected)) > 1
    row = judged.as_dict()["rows"]["program"]
    assert row["mean"] == pytest.approx(np.mean(expected))
    half = stats.t.ppf(0.975, DIES - 1) * np.std(expected, ddof=1) / np.sqrt(DIES)
    assert row["half_interval_95"] == pytest.approx(half)
    assert judged.reference == 1.0
    two = ndrite.evaluate(whole, np.load("x.npy"), np.load("y.npy"), dies=DIES, seed=4, workers=2)
    assert two.as_dict()["rows"] == judged.as_dict()["rows"]
    assert "3 dies, 95 % by Student's t over dies" in " ".join(prints("evaluate mine --dies 3").split())


def test_explain_over_dies_is_each_die_explained(whole: Any) -> None:
    judged = ndrite.explain("mine", "x.npy", "y.npy", dies=DIES, seed=4)
    each = [ndrite.explain(die, "x.npy", "y.npy", seed=4) for die in by_hand(whole)]
    assert list(judged.rows) == [row.cause for row in each[0].causes]
    for number, cause in enumerate(judged.rows):
        assert judged.rows[cause].tolist() == [loss.causes[number].score for loss in each], cause


def test_several_boards_share_dies(whole: Any) -> None:
    one = ndrite.evaluate("mine", "x.npy", "y.npy", dies=DIES, seed=4).as_dict()
    assert (
        ndrite.evaluate("mine", "x.npy", "y.npy", dies=DIES, seed=4, board="golden:8-lane").as_dict() == one
    )
    two = ["golden:", "golden:8-lane"]
    assert ndrite.evaluate("mine", "x.npy", "y.npy", dies=DIES, seed=4, board=two).as_dict() == one


def test_dies_are_refused_where_there_is_one(whole: Any) -> None:
    with pytest.raises(
        InputError, match=r"board is given 2 times; accepted: once, or several times with dies"
    ):
        ndrite.evaluate("mine", board=["golden:", "sim:"])
    with pytest.raises(RunError, match=r"workers is given with board sim:; accepted: one of them"):
        ndrite.evaluate("mine", dies=2, board="sim:", workers=2)
    with pytest.raises(InputError, match=r"golden:none: geometry preset is 'none'"):
        ndrite.evaluate("mine", dies=2, board=["golden:", "golden:none"])
    with pytest.raises(InputError, match=r"board is \[3\]; accepted: a URL or several, golden:"):
        ndrite.evaluate("mine", dies=2, board=[3])
    with pytest.raises(InputError, match="mitigation and picture show a single die"):
        ndrite.explain("mine", dies=2, mitigation=True)

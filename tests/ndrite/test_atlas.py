"""atlas: the dot is the user's device, the nearest place and the gains are what the
rows say, one page."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import ndrite
from ndrite.emulator.learning.insitu import IMPROVEMENTS, Place
from ndrite.emulator.network.datasets import digits
from ndrite.pages.atlas import OWN, Atlas, Dot
from ndrite.shell.main import INTERRUPTED, run
from ndrite.sweeps import trained
from ndrite.sweeps.plan import plan_of
from ndrite.sweeps.trained import learn_point
from tests.refusals import refused

HOW: dict[str, Any] = {"hidden": "4", "samples": 40, "held_out": 40, "epochs": 1, "seeds": 2}
AXES = {"states": (64,), "asymmetry": (0.5,), "noise": (0.3,)}
SMALL = "--hidden 4 --samples 40 --held-out 40 --epochs 1 --seeds 2 --states 64 --asymmetry 0.5 --noise 0.3"
MINE = "ecram: {model: linear-step, step_up: 0.05, step_down: 0.03, gamma_up: 0.4}\n"
DEVICE = ndrite.load_chip("ideal")
RATES = [0.01, 0.1]


@pytest.fixture(autouse=True)
def few_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rates in place of five."""
    monkeypatch.setattr("ndrite.verbs.atlas.RATES", RATES)


def row(rule: str, accuracy: list[float], **of: Any) -> dict[str, Any]:
    mean = sum(accuracy) / len(accuracy)
    held = {"accuracy_held_out": mean, "accuracy_half_interval_95": 0.01, "trainings": 2}
    return {"rule": rule, "rate": 0.1, "accuracy": mean, "accuracy_per_seed": accuracy, **held, **of}


@pytest.fixture
def drawn() -> Atlas:
    """Two rules on places of 16, 64 and 256 states, asymmetry 0.25 and 0.5, noise 0.1;
    floats have 90 %."""
    accuracies = {
        (16, 0.5): 60, (64, 0.5): 70, (256, 0.5): 88, (16, 0.25): 75, (64, 0.25): 87.5, (256, 0.25): 89.5,
    }  # fmt: skip
    rows = [
        row(rule, [a / 100 - less] * 2, states=s, asymmetry=y, noise=0.1)
        for rule, less in (("plain", 0.0), ("other", 0.3))
        for (s, y), a in accuracies.items()
    ]
    gains = dict(zip((OWN, *IMPROVEMENTS), (0.0, 0.02, 0.06, -0.01), strict=True))
    for rule in ("plain", "other"):
        rows += [
            row(rule, [0.74 + 2 * g - (rule == "other") / 9, 0.70 + g], device="d", change=c)
            for c, g in gains.items()
        ]
    dots = [Dot("d", change, DEVICE, Place(32, 0.5, 0.1)) for change in gains]
    return Atlas(dots, row("", [0.9, 0.9]) | {"count": 500}, rows)


def test_the_nearest_place_is_the_fewest_doublings_away(drawn: Atlas) -> None:
    def nearest(place: Place, points: float, rule: str = "plain") -> tuple[float, float] | None:
        found = drawn.nearest(place, rule, points)
        return None if found is None else (found["states"], found["asymmetry"])

    assert nearest(Place(32, 0.5, 0.1), 3) == (64, 0.25)  # 2 doublings; (256, 0.5) is 3 away
    assert nearest(Place(200, 0.5, 0.1), 3) == (256, 0.5)
    assert nearest(Place(32, 0.5, 0.1), 1) == (256, 0.25)
    assert nearest(Place(32, 0.5, 0.1), 3, "other") is None
    assert nearest(Place(256, 0.5, 0.0), 1) == (256, 0.25)


def test_gains_are_paired_seed_by_seed(drawn: Atlas) -> None:
    assert drawn.best_rule("d") == "plain"
    mean, half = drawn.gain("d", "plain", "twice the states")
    assert mean == pytest.approx(0.03)
    assert half == pytest.approx(0.01 * 12.706, rel=1e-3)  # of 0.02 and 0.04 by Student's t
    assert drawn.worth_most("d", "plain") == "half the asymmetry"
    assert "worth most: half the asymmetry, 9.0" in next(iter(drawn.lines()))
    assert drawn.as_dict()["devices"]["d"]["rules"]["plain"]["loss"] == pytest.approx(0.18)


def test_a_dot_is_the_users_device(here: Path) -> None:
    """Its row is that of a plan with the same file; each improvement is trained
    as another device."""
    Path("mine.yaml").write_text(MINE)
    found = ndrite.atlas(device="mine.yaml", rules=("stochastic", "agad"), **HOW, **AXES)
    learn = {k: v for k, v in HOW.items() if k != "seeds"} | {"rates": RATES}
    plan = {"chip": "ideal", "seeds": 2, "learn": learn | {"device": "mine.yaml"}}
    name = found.own[0].name
    for rule in ("stochastic", "agad"):
        (point,) = plan_of(plan | {"grid": {"learn.rule": [rule]}}).points
        alone = learn_point(**point.run.parameters)
        dot = found.of_dot(name, rule)
        for field in ("rate", "accuracy_per_seed", "states_digest"):
            assert dot[field] == alone[field]
    digests = {row["states_digest"] for row in found.rows}
    assert len(digests) == len(found.rows) == 2 * (4 + 1)
    place = found.own[0].place
    assert place.states == pytest.approx(2 / 0.04)
    assert [dot.place.states / place.states for dot in found.dots] == pytest.approx([1, 2, 1, 1], rel=0.02)


def test_a_map_has_the_places_that_were_asked_for(here: Path) -> None:
    found = ndrite.atlas(device="ecram-tang2018", rules=("agad",), **HOW, **AXES | {"states": (256, 16)})
    assert [(row["states"], row["asymmetry"], row["noise"]) for row in found.map] == [
        (16, 0.5, 0.3),
        (256, 0.5, 0.3),
    ]
    learn = {k: v for k, v in HOW.items() if k != "seeds"} | {"rates": RATES}
    grid = {"learn.rule": ["agad"], "device.states": [256], "device.asymmetry": [0.5], "device.noise": [0.3]}
    (point,) = plan_of({"chip": "ideal", "seeds": 2, "learn": learn, "grid": grid}).points
    assert found.map[1]["states_digest"] == learn_point(**point.run.parameters)["states_digest"]


def test_one_page_with_its_numbers_beside_it(here: Path, said: Any) -> None:
    Path("<b>mine.yaml").write_text(MINE)
    told = said(f"atlas --device '<b>mine.yaml' --rules agad {SMALL} -o atlas.html -p map.svg")
    page = Path("atlas.html").read_text()
    written = {"output": "atlas.html", "picture": "map.svg"}
    assert told == written | json.loads(Path("atlas.json").read_text())
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "<b>mine" not in page
    assert "&lt;b&gt;mine" in page
    shown = f"{100 * told['float']['accuracy']:.1f} ±"
    assert shown in page
    assert {path.name for path in Path().iterdir()} == {"<b>mine.yaml", "atlas.html", "atlas.json", "map.svg"}


def test_it_goes_on_where_it_was_stopped(here: Path, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    line = f"atlas --device ecram-tang2018 --rules agad {SMALL} -o atlas.html"
    calls, chosen = [], trained._chosen

    def stopping(given: Any, *more: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return chosen(given, *more)

    with monkeypatch.context() as patch:
        patch.setattr("ndrite.sweeps.trained._chosen", stopping)
        assert run(line.split()) == INTERRUPTED
        assert {path.name for path in Path().iterdir()} == {".atlas.html.runs"}
        assert len(list(Path(".atlas.html.runs/runs").iterdir())) == 3
        told = said(line)
    assert len(calls) == 4 + 3
    assert len(told["rows"]) == 5


def test_own_samples_are_learned_from(here: Path) -> None:
    x, labels, *_ = digits()
    found = ndrite.atlas(x[:130], labels[:130], device="ecram-tang2018", rules=("agad",), **HOW, **AXES)
    assert found.floats["count"] == 50


def wrong(**given: Any) -> None:
    ndrite.atlas(**{"device": "ecram-tang2018"} | HOW | AXES | given)


test_wrong_calls_are_refused = refused(
    (ndrite.InputError, ndrite.EmulatorError),
    (lambda: wrong(output="a.json"), "output is a.json; accepted: a page such as atlas.html"),
    (lambda: wrong(device="wan2022"), "wan2022 has an ecram of model 'none'; accepted: linear-step"),
    (
        lambda: wrong(device=["ecram-pair"] * 2),
        "device is given as ecram-pair twice; accepted: different devices",
    ),
    (lambda: wrong(states=(1,)), r"device.states is 1; accepted: 2\.\.65536"),
    (lambda: wrong(noise=("a",)), "device.noise is a; accepted: a number"),
    (lambda: wrong(rules=("plain",)), "learn.rule is 'plain'; accepted: stochastic, manhattan"),
    (lambda: wrong(seeds=1), r"seeds is 1; accepted: 2\.\.1000"),
    (lambda: wrong(inputs="x.npy"), "inputs and labels belong together"),
    (lambda: wrong(held_out=2000), "held_out is 2040; accepted: at most 1297"),
)

"""Sweeps that learn in situ: plans, the choice of a rate, and rows that plain
`learn` gives too."""

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import ndrite
from ndrite.emulator.device.ecram.pulses import LinearStep
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import Learner
from ndrite.emulator.learning import insitu
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec.learning import Tiles
from ndrite.runs import File
from ndrite.sweeps import trained
from ndrite.sweeps.fields import SweepError, checked
from ndrite.sweeps.learning import LEARN
from ndrite.sweeps.plan import FIELDS, load_plan, plan_of
from ndrite.sweeps.trained import float_point, learn_point, prepared, samples_of
from tests.extras import needs

PLAN: dict[str, Any] = {
    "chip": "ideal",
    "learn": {"hidden": "8", "samples": 200, "held_out": 100, "epochs": 2, "rates": [0.003, 0.1]},
    "grid": {"learn.rule": ["stochastic", "agad"], "device.states": [50, 500]},
    "seeds": 2,
}


def plan(changed: dict[str, Any], /, **fields: Any) -> dict[str, Any]:
    """The plan with fields of ``learn`` and of itself changed; None removes one."""
    content = PLAN | {"learn": PLAN["learn"] | changed} | fields
    return {name: value for name, value in content.items() if value is not None}


# Changes of ``learn`` and of the plan, and what is said of them; the file's name comes before.
@pytest.mark.parametrize(
    ("learn", "fields", "said"),
    [
        ({"rule": "tikitaka"}, {}, "learn.rule is 'tikitaka'; accepted: stochastic, manhattan, tiki-taka"),
        (
            {"rate": 0.1},
            {},
            "field learn.rate is unknown; accepted: data, hidden, neuron",
        ),
        ({"rates": 0.1}, {}, r"learn.rates is 0.1; accepted: a list of numbers 0\.\.10"),
        ({"slots": 32}, {}, r"learn.slots is 32; accepted: an integer, 1\.\.31"),
        ({"hidden": 32}, {}, 'learn.hidden is 32; accepted: text: widths such as "32" or "64,32"'),
        ({"threshold": 9}, {}, "threshold is 9; accepted with stochastic: not set, as only tiki-taka"),
        ({"tiles": 4}, {}, "tiles is 4; accepted with stochastic: not set, as only residual"),
        ({"rule": "residual", "tiles": 1}, {}, r"learn.tiles is 1; accepted: an integer, 2\.\.8"),
        ({"rule": "residual", "gamma": 0}, {}, r"learn.gamma is 0; accepted: a number, 0\.0001\.\.1"),
        ({"device": "wan2022"}, {}, "wan2022 has an ecram of model 'none'; accepted: linear-step"),
        ({}, {"networks": ["a.npz"]}, "field networks is unknown; accepted: name, chip, .*, learn"),
        ({}, {"grid": {"device.steps": [8]}}, "grid field device.steps is unknown; accepted: learn.FIELD"),
        ({}, {"grid": {"device.states": 8}}, "grid.device.states is 8; accepted: a list of values"),
        ({}, {"grid": {"device.states": []}}, r"grid.device.states is \[\]; accepted: a list of values"),
        ({}, {"grid": {"device.states": ["8"]}}, "'8'}: device.states is 8; accepted: a number"),
        ({}, {"grid": {"device.asymmetry": [1]}}, r"device.asymmetry is 1; accepted: 0\.\.0.5"),
        ({}, {"grid": {"learn.slots": [0]}}, r"grid point .*learn.slots is 0; accepted: an integer, 1"),
        ({}, {"grid": {"device.gamma_up": [2]}}, r"ecram.gamma_up is 2.0; accepted: 0\.\.1"),
        ({}, {"chip": None}, "chip is missing; accepted: a preset"),
        ({}, {"inputs": "x.npy"}, "inputs alone; accepted: inputs and labels, or neither"),
        ({}, {"learn": [1]}, r"learn is \[1\]; accepted: a mapping of fields"),
    ],
)
def test_bad_plans_are_named(here: Path, learn: Any, fields: dict[str, Any], said: str) -> None:
    Path("bad.yaml").write_text(yaml.safe_dump(plan(learn, **fields)))
    with pytest.raises(SweepError, match=f"bad.yaml: .*{said}") as refused:
        load_plan(Path("bad.yaml"))
    assert "\n" not in str(refused.value)


def test_a_point_is_keyed_by_what_decides_it() -> None:
    keys = [point.run.key for point in plan_of(PLAN).points]
    assert len(set(keys)) == 4
    grid = PLAN["grid"] | {"device.states": [500, 100, 50]}
    assert set(keys) < {point.run.key for point in plan_of(plan({}, grid=grid)).points}
    for other in (plan({"rates": [0.003]}), plan({"epochs": 3}), plan({}, seeds=3), plan({}, chip="wan2022")):
        assert not set(keys) & {point.run.key for point in plan_of(other).points}


def test_what_a_plan_leaves_out_is_as_documented() -> None:
    plan = plan_of({"chip": "ideal", "learn": {}})
    (point,) = plan.points
    assert (plan.name, plan.axes, plan.learns, plan.needs) == ("sweep", (), True, ("ndrite.sweeps.trained",))
    told = {"hidden": "32", "neuron": "ndr", "rule": "stochastic", "rates": [0.003, 0.01, 0.03, 0.1]}
    told |= {"hidden_rate": 1.0, "slots": 15, "reference_error": 0.0, "transfer_noise": False, "bound": 1.0}
    told |= {"epochs": 20, "samples": 600, "held_out": 200}
    unset = dict.fromkeys(("data", "threshold", "tiles", "gamma", "chopper_period"))
    assert point.run.parameters["learn"] == told | unset
    assert (point.run.parameters["device"]["name"], point.run.parameters["seeds"]) == (
        "ideal+ecram-tang2018",
        [0],
    )


@pytest.mark.parametrize("fields", [FIELDS, LEARN], ids=["plan", "learn"])
def test_fields_accept_what_their_words_say(fields: Any) -> None:
    """Both bounds of a range, and nothing beyond."""
    for name, (_, _, words) in fields.items():
        if bounds := re.search(r"(integer|number).* ([\d.]+?)\.\.([\d.]+)$", words):
            low, high = (int(b) if bounds[1] == "integer" else float(b) for b in bounds.groups()[1:])
            many = name == "rates"
            for value in (low, high):
                content = {name: [value] if many else value}
                assert checked(content, fields)[name] == content[name]
            for value in (low - (1 if bounds[1] == "integer" else 1e-9), high + 1):
                with pytest.raises(SweepError, match=f"{name} is .*; accepted: {re.escape(words)}"):
                    checked({name: [value] if many else value}, fields)


def test_as_many_points_as_a_sweep_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked({"seeds": 1_000_000}, FIELDS)["seeds"] == 1_000_000
    with pytest.raises(SweepError, match="seeds is 1000001; accepted: a count"):
        checked({"seeds": 1_000_001}, FIELDS)
    monkeypatch.setattr("ndrite.sweeps.learning.POINTS_MAX", 4)
    assert len(plan_of(PLAN).points) == 4
    with pytest.raises(SweepError, match="number of points is 6; accepted: at most 4"):
        plan_of(plan({}, grid=PLAN["grid"] | {"device.states": [50, 500, 5]}))


def test_start_networks_are_kept_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped: list[int] = []

    def prepare(plan: Any, *given: Any) -> Any:
        mapped.append(plan.seed)
        return insitu_prepare(plan, *given)

    insitu_prepare = insitu.prepare
    monkeypatch.setattr("ndrite.sweeps.trained.insitu.prepare", prepare)
    monkeypatch.setattr(trained, "STARTS_MAX", 2)
    monkeypatch.setattr(trained, "_starts", {})
    given = dict(plan_of(PLAN).points[0].run.parameters)
    for seed, rate in ((1, 0.1), (1, 0.2), (2, 0.1), (1, 0.3), (3, 0.1), (1, 0.1)):
        ready = prepared(given, rate, seed)
        assert (ready.plan.seed, ready.plan.rate) == (seed, rate)
        assert len(trained._starts) <= 2
    assert mapped == [1, 2, 3, 1]


def test_fields_reach_chip_device_and_learning() -> None:
    axes = {"device.states": [40], "device.noise": [0.5], "device.bound_variation_percent": [7.0]}
    axes |= {"learn.hidden": ["8", "12"], "readout.adc_bits": [6]}
    fields = {"rule": "agad", "slots": 7, "hidden_rate": 0.5, "bound": 0.75, "neuron": "relu"}
    points = plan_of(plan(fields, grid=axes)).points
    for point, hidden in zip(points, (8, 12), strict=True):
        ready = prepared(dict(point.run.parameters), 0.01, 5)
        assert ready.plan.widths == (64, hidden, 10)
        assert (ready.plan.rule, ready.plan.rate, ready.plan.seed) == ("agad", 0.01, 5)
        assert (ready.plan.slots, ready.plan.hidden_rate, ready.plan.bound) == (7, 0.5, 0.75)
        assert ready.plan.activation == "relu"
        assert ready.die.chip.readout.adc_bits == 6
        assert isinstance(ready.law, LinearStep)
        assert (ready.law.step_up, ready.law.step_down, ready.law.cycle_sigma) == (0.05, 0.05, 0.5)
        tang = insitu.place_of(ndrite.load_chip("ideal+ecram-tang2018").ecram.device)
        assert ready.law.gamma_up == ready.law.gamma_down == pytest.approx(2 * tang.asymmetry)
        assert ndrite.load_chip("ideal+ecram-tang2018").ecram.step_variation_percent == 10
        assert ready.learning.layers[0].devices.upper.std() > 0
    (point,) = plan_of(plan({"rule": "residual"}, grid={"learn.tiles": [3], "learn.gamma": [0.25]})).points
    tiles = prepared(dict(point.run.parameters), 0.01, 5).learning.layers[0].transfer
    assert isinstance(tiles, Tiles)
    assert (tiles.count, tiles.gamma) == (2, 1 << 14)


@pytest.fixture
def own(here: Path) -> dict[str, Any]:
    """Parameters of a point on digits in files; its last 300 samples judge."""
    x, labels, *_ = digits()
    np.save("x.npy", x[:900])
    np.save("y.npy", labels[:900])
    learn = {"samples": 400, "held_out": 200, "epochs": 6, "rates": [0.0, 0.02]}
    content = plan(learn, inputs="x.npy", labels="y.npy", grid={}, seeds=2)
    return dict(plan_of(content).points[0].run.parameters)


@pytest.mark.parametrize("trains", [learn_point, float_point])
def test_test_samples_judge_and_choose_nothing(own: dict[str, Any], trains: Any) -> None:
    """Where test classes are all wrong, the rate that learns nothing is better on them,
    and is not chosen."""
    row = trains(**own)
    labels = np.load("y.npy")
    labels[600:] = (labels[600:] + 5) % 10
    np.save("wrong.npy", labels)
    wrong = trains(**own | {"labels": File.of(Path("wrong.npy"))})
    for name in ("rate", "accuracy_held_out", "states_digest"):
        assert wrong.get(name) == row.get(name)
    untrained = trains(
        **own | {"labels": File.of(Path("wrong.npy")), "learn": own["learn"] | {"rates": [0.0]}}
    )
    assert wrong["accuracy"] < untrained["accuracy"] < row["accuracy"]
    assert (row["rate"], row["count"], row["trainings"]) == (0.02, 300, 4)


def test_no_sample_is_of_two_kinds(own: dict[str, Any]) -> None:
    x = np.load("x.npy")
    parts = samples_of(own)
    kinds = (parts.learned.x, parts.held_x, parts.learned.test_x)
    assert [len(kind) for kind in kinds] == [400, 200, 300]
    np.testing.assert_array_equal(np.concatenate(kinds), x)
    labels = (parts.learned.labels, parts.held_labels, parts.learned.test_labels)
    np.testing.assert_array_equal(np.concatenate(labels), np.load("y.npy"))
    most = samples_of(own | {"learn": own["learn"] | {"held_out": 499}})
    assert (len(most.held_x), len(most.learned.test_x)) == (499, 1)
    given = dict(plan_of(PLAN).points[0].run.parameters)
    np.testing.assert_array_equal(samples_of(given).learned.test_x, digits()[2])
    with pytest.raises(ndrite.EmulatorError, match=r"held_out is 900; accepted: at most 899, 1 of 900"):
        learn_point(**own | {"learn": own["learn"] | {"held_out": 500}})


def test_the_row_is_of_the_dies_that_learn_trains() -> None:
    """The plain learner, sample by sample, leads to the states of the row's digest and
    to its accuracies."""
    content = plan({"rates": [0.02], "samples": 60}, grid={"device.states": [300]}, chip="wan2022")
    given = dict(plan_of(content).points[0].run.parameters)
    row = learn_point(**given)
    x, labels, test_x, test_labels = digits()
    samples = Labelled("digits", x[:60], labels[:60], test_x, test_labels)
    right, digest = [], hashlib.sha256()
    for seed in (0, 1):
        ready = prepared(given, 0.02, seed)
        learner = Learner(ready.learning, seed=seed)
        insitu.follow(learner, insitu.Course(), samples, epochs=2, seed=seed)
        answers = Core(learner.program()).infer(test_x, seed=seed).argmax(axis=1)
        right.append(float((answers == test_labels).mean()))
        for states in learner.states:
            digest.update(states.astype("<i4").tobytes())
    assert row["states_digest"] == digest.hexdigest()[:16]
    assert row["accuracy_per_seed"] == pytest.approx(right)
    assert row["accuracy"] == pytest.approx(np.mean(right))
    assert (row["accuracy_min"], row["accuracy_max"]) == (min(right), max(right))
    assert row["accuracy_half_interval_95"] == pytest.approx(12.706 * abs(right[0] - right[1]) / 2, rel=1e-4)
    assert (row["rate"], row["count"], row["trainings"]) == (0.02, len(test_labels), 2)
    assert 0 < row["seconds"] < 600


def test_the_float_row_is_of_the_networks_trained_in_floats() -> None:
    (point,) = plan_of(plan({"rates": [0.1]}, grid={})).points
    given = dict(point.run.parameters)
    x, labels, test_x, test_labels = digits()
    right = []
    for seed in (0, 1):
        start = prepared(given, 0.1, seed)
        network = insitu.float_network(start, x[:200], labels[:200], epochs=2, seed=seed)
        right.append((network.forward(test_x / np.float32(255)).argmax(axis=1) == test_labels).mean())
    assert float_point(**given)["accuracy_per_seed"] == pytest.approx(right)


def test_manhattan_has_no_rate_to_choose() -> None:
    (point,) = plan_of(plan({"rule": "manhattan", "samples": 20, "rates": [0.1, 0.2]}, grid={})).points
    row = learn_point(**point.run.parameters)
    assert (row["rate"], row["trainings"]) == (0.1, 2)


def test_a_data_set_and_own_samples_exclude_each_other(own: dict[str, Any]) -> None:
    files = {"inputs": "x.npy", "labels": "y.npy"}
    with pytest.raises(SweepError, match=r"learn.data is digits; accepted: none, with own samples"):
        plan_of(plan({"data": "digits"}, **files))
    assert plan_of(plan({"data": "digits"})).points[0].run.parameters["inputs"] is None


def test_the_command_goes_on_and_joins(here: Path, said: Any, prints: Any, fails: Any) -> None:
    needs("pyarrow")
    Path("plan.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
    whole = said("sweep plan.yaml -o whole")
    assert [row["device.states"] for row in whole["rows"]] == [50, 500, 50, 500]
    for i, part in enumerate(("1/2", "2/2"), 1):
        prints(f"sweep plan.yaml -o parts --shard {part}")
        assert len(list(Path("parts/runs").iterdir())) == 2 * i
    joined = said("sweep plan.yaml -o parts")

    def steady(result: Any) -> Any:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in result["rows"]]

    assert steady(joined) == steady(whole)
    assert "learn.rule" in prints("sweep plan.yaml -o whole")
    fails(
        "sweep plan.yaml -o whole -p front.svg",
        "picture is front.svg, but a plan that learns has no picture; leave it out",
    )
    fails(
        "sweep plan.yaml -o whole --board sim:",
        "but a plan that learns runs on the golden model; leave it out",
    )

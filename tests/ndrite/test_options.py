"""Options of verbs reach what does the work, where they are others than the defaults;
and the defaults."""

import dataclasses
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.boards.fpga.reports import known_seed
from ndrite.boards.fpga.reports import load as board_report
from ndrite.boards.fpga.search import Tries
from ndrite.boards.fpga.tools import TimingError
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.golden import Core
from ndrite.emulator.learning import tuning
from ndrite.emulator.learning.insitu import THRESHOLDS, Plan
from ndrite.emulator.mapping import MapOptions, Mitigation
from ndrite.emulator.mapping.explain import Outcome
from ndrite.emulator.mapping.weights import variation_of
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec.task import Task
from ndrite.emulator.spec.variation import Campaign
from ndrite.samples import EvaluationSet
from ndrite.verbs.board import info, selftest, serve
from ndrite.verbs.bringup import SHOWN, Addresses, bringup, build, find_target
from ndrite.verbs.calibrate import calibrate_board
from ndrite.verbs.chip import diff
from ndrite.verbs.compile import samples_within
from ndrite.verbs.demo import demo
from ndrite.verbs.export import export
from ndrite.verbs.infer import Answers
from ndrite.wafers import Votes
from tests.chips import random_network, samples
from tests.extras import needs


def test_learn_plans_what_it_is_told(seen: Any) -> None:
    told = {"rate": 0.03, "hidden_rate": 0.5, "neuron_rate": 0.01, "slots": 7, "bound": 1.5, "seed": 4}
    told |= {"rule": "tiki-taka", "threshold": 12.0, "reference_error": 0.1}
    where = {"hidden": "9,8", "chip": "dendritic-ndr", "device": "ecram-kim2019", "samples": 600}
    prepare = "ndrite.emulator.learning.insitu.prepare"
    (plan, chip, law, _, x, _), _ = seen(prepare, ndrite.learn, data="digits", **where, **told)
    assert plan == Plan(widths=(64, 9, 8, 10), **told)
    assert chip.name == "dendritic-ndr"
    assert law.gamma_up != law.gamma_down
    np.testing.assert_array_equal(x, digits()[0][:512])
    of_residual = {"rule": "residual", "threshold": 3.0, "reference_error": 0.1, "tiles": 6, "gamma": 0.3}
    (plan, *_), _ = seen(prepare, ndrite.learn, data="digits", hidden="9", **of_residual)
    assert plan == Plan(widths=(64, 9, 10), rate=0.02, seed=1, **of_residual)
    of_agad = {"rule": "agad", "threshold": 3.0, "chopper_period": 7, "transfer_noise": True}
    (plan, *_), _ = seen(prepare, ndrite.learn, data="digits", hidden="9", **of_agad)
    assert plan == Plan(widths=(64, 9, 10), rate=0.02, seed=1, **of_agad)
    for rule, threshold in {**THRESHOLDS, "stochastic": Plan.threshold}.items():
        (plan, *_), _ = seen(prepare, ndrite.learn, data="digits", neuron="relu", rule=rule)
        assert plan == Plan(
            widths=(64, 128, 10), rate=0.02, rule=rule, threshold=threshold, activation="relu", seed=1
        )


def test_train_does_the_job_it_is_told(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = needs("torch")
    told = {"neuron": "relu", "normalise": False, "chip": "wan2022", "noise_scale": 0.5, "held_out": 89}
    told |= {
        "half": True,
        "epochs": 3,
        "batch": 50,
        "weight_decay": 0.25,
        "seed": 6,
        "shift": 2,
        "flip": True,
    }
    place = "ndrite.emulator.learning.training.job.run_job"
    reports: list[Any] = []
    monkeypatch.setattr("sys.argv", ["/bin/ndrite", "train", "a file"])

    def listen(stage: str) -> Any:
        reports.append(torch.get_num_threads())
        return nullcontext(lambda *report: reports.append((stage, *report)))

    run = partial(ndrite.train, data="digits", progress=listen, threads=3)
    (job, samples, _), named = seen(place, run, hidden="9,8", rate=0.07, **told)
    named["progress"](2, 3, 0.5, 0.75)
    assert reports == [3, ("epochs", 2, 3)]
    assert named["command"] == "ndrite train 'a file'"
    assert dataclasses.asdict(job) | told == dataclasses.asdict(job)
    assert (job.hidden, job.learning_rate, job.height) == ((9, 8), 0.07, None)
    assert (samples.side, named["resume"], named["start"]) == (8, False, None)
    assert job.average == pytest.approx(1 - 5 / (3 * 24))  # of 3 epochs of 24 steps
    (job, *_), _ = seen(place, ndrite.train, data="digits", epochs=1, batch=64)
    assert (job.hidden, job.neuron, job.normalise, job.held_out) == ((128,), "ndr", True, 1297 // 12)
    assert (job.shift, job.flip, job.half, job.chip) == (0, False, False, None)
    x, labels, *_ = digits()
    how = {"side": 8, "shift": None, "height": 0.6, "neuron": "ndr-shared", "epochs": 1, "batch": 8}
    (job, samples, _), _ = seen(place, ndrite.train, inputs=x[:60], labels=labels[:60], **how)
    assert (job.shift, job.height, job.neuron, samples.side) == (1, 0.6, "ndr-shared", 8)


def test_compile_maps_what_it_is_told(seen: Any) -> None:
    network = random_network((20, 12, 3))
    x = samples(network)
    options = {"samples": x[:100], "codes": True, "seed": 4, "name": "mine", "nominal": True}
    options |= {"target": "ulx3s-85f", "mitigation": Mitigation(bias_correction=False), "place_rows": True}
    options |= {"classes": ("a", "b", "c"), "input_unit": "V", "output_unit": "A"}
    compiled = partial(ndrite.compile, network, "wan2022")
    (floats, chip, typical), named = seen("ndrite.verbs.compile.map_network", compiled, **options)
    meaning = floats.meaning
    assert (meaning.classes, meaning.input_unit, meaning.output_unit) == (("a", "b", "c"), "V", "A")
    assert chip.name == "wan2022"
    np.testing.assert_array_equal(typical, x[:100])
    measures = Mitigation(bias_correction=False, row_placement=True)
    target = find_target("ulx3s-85f").geometry
    assert named["options"] == MapOptions(nominal=True, target=target, mitigation=measures)
    assert (named["seed"], named["name"]) == (4, "mine")
    _, named = seen("ndrite.verbs.compile.map_network", compiled, samples=x[:100], codes=True)
    assert (named["options"], named["seed"], named["name"]) == (MapOptions(), 0, None)


@pytest.fixture(scope="module")
def judged() -> tuple[ndrite.Compiled, np.ndarray, np.ndarray]:
    """A compiled chain of three classes, for virtual chips too, 120 samples
    and their classes."""
    network = random_network((20, 12, 3))
    x = samples(network, 120)
    compiled = ndrite.compile(network, "wan2022", samples=x, codes=True, seed=3, nominal=True)
    return compiled, x, network.forward(x / np.float32(255)).argmax(axis=1)


def test_campaign_runs_what_it_is_told(seen: Any, judged: Any, tmp_path: Path) -> None:
    compiled, *given = judged
    run, place = partial(ndrite.campaign, compiled), "ndrite.verbs.campaign.judge_wafer"
    own = {"inputs": given[0], "labels": given[1], "codes": True}
    told = {"chips": 5, "trials": 2, "seed": 9, "noise": False}
    (own_chip, samples_of, plan, *_, carry_out), _ = seen(
        place, run, count=30, shard=(2, 3), output=tmp_path / "c.json", **own, **told
    )
    assert plan == Campaign(**told)
    assert own_chip is compiled.program
    assert (len(samples_of.x), len(samples_of.labels), carry_out.keywords["share"]) == (30, 30, (2, 3))
    (varied, samples_of, plan, *_, carry_out), _ = seen(place, run, chip="dendritic-ndr", **own)
    assert plan == Campaign(chips=100, trials=1, seed=0, noise=True)
    assert (len(samples_of.x), carry_out.keywords["share"]) == (120, None)
    np.testing.assert_array_equal(varied.variation.words(), variation_of(load_chip("dendritic-ndr")).words())


@pytest.mark.parametrize(
    # The measure and threshold, what wafer's chips score of 20 samples, and the
    # share of good chips.
    ("options", "scores", "good"),
    [
        ({}, [16, 17, 18], {"yield": 2 / 3, "threshold": 0.85}),
        ({"threshold": 0.9}, [16, 17, 18], {"yield": 1 / 3, "threshold": 0.9}),
        ({"threshold": 1.0}, [20, 20, 20], {"yield": 1.0, "threshold": 1.0}),
        ({"measure": "rms_error", "threshold": 2.0}, [1.5, 2.0, 2.5], {"yield": 2 / 3, "threshold": 2.0}),
        ({"measure": "rms_error"}, [1.5, 2.0, 2.5], {}),
    ],
)
def test_chips_are_good_by_a_threshold(
    options: Any, scores: list[float], good: dict[str, float], judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, x, labels = judged
    values = "measure" in options
    labels = np.zeros((20, 3)) if values else labels[:20]
    counted = Votes(np.zeros(() if values else (20, 3), np.int64), np.array(scores), False)
    monkeypatch.setattr("ndrite.verbs.campaign.judge_wafer", lambda *given, **named: counted)
    found = ndrite.campaign(compiled, x[:20], labels, codes=True, chips=3, **options)
    assert {name: found.summary[name] for name in ("yield", "threshold") if name in found.summary} == good
    each = np.array(scores) / (1 if values else 20)
    assert found.summary[f"{options.get('measure', 'accuracy')}_mean"] == pytest.approx(each.mean())
    assert (found.votes is None, found.on_host, "votes" in found.summary) == (values, False, not values)


def test_workers_need_what_their_runs_import(seen: Any, judged: Any) -> None:
    compiled, x, labels = judged
    plan = {"chip": "ideal", "count": 20, "samples": 64}
    how = {"inputs": x, "labels": labels, "codes": True}
    for verb, modules, boards in (
        (partial(ndrite.campaign, compiled, **how), ["ndrite.wafers"], ("golden:",)),
        (partial(ndrite.learn, data="digits", samples=20, dies=2), ["ndrite.verbs.learn"], None),
        (partial(ndrite.sweep, plan), ("ndrite.sweeps.run",), ("golden:",)),
    ):
        place = f"{verb.func.__module__}.open_workers"
        (count, scheduler), named = seen(place, verb, workers=2, scheduler="tcp://h:1")
        assert (count, scheduler, named["needs"], named.get("boards")) == (2, "tcp://h:1", modules, boards)


def test_judges_are_told_everything(seen: Any, judged: Any) -> None:
    compiled, *given = judged
    own = {"inputs": given[0], "labels": given[1], "codes": True}
    network = compiled.network
    run = partial(ndrite.evaluate, compiled)
    (_, loaded, x, _), named = seen("ndrite.verbs.evaluate.judge", run, seed=8, noise=False, count=30, **own)
    assert loaded is compiled.program
    assert (len(x), named["seed"], named["noise"], named["network"]) == (30, 8, False, network)
    (_, _, x, _), named = seen("ndrite.verbs.evaluate.judge", run, **own)
    assert (len(x), named["seed"], named["noise"]) == (120, 0, True)
    dies = {"dies": 4, "workers": 2, "scheduler": "tcp://h:1", "seed": 6}
    for verb, noise, most, was_seen in (
        (ndrite.evaluate, False, None, True),
        (ndrite.explain, True, 2000, False),
    ):
        how = dies | ({"noise": noise} if verb is ndrite.evaluate else {})
        place = f"{verb.__module__}.over_dies"
        given, named = seen(place, partial(verb, compiled), count=30, measure="accuracy", **how, **own)
        _, source, judged_on, number, crew, _ = given
        assert (source is compiled, number) == (True, 4)
        assert vars(judged_on) == vars(EvaluationSet(**own, measure="accuracy", seen=was_seen))
        assert (crew.count, crew.scheduler, crew.boards) == (2, "tcp://h:1", ("golden:",))
        assert named == {"seed": 6, "noise": noise, "count": 30, "most": most}
    given = (network, compiled.program, compiled.die)
    (*of, typical, x, _), named = seen(
        "ndrite.verbs.explain.causes_of", partial(ndrite.explain, compiled), seed=5, **own
    )
    assert (tuple(of), len(x), named["seed"]) == (given, 120, 5)
    np.testing.assert_array_equal(typical, compiled.samples)
    (*of, x, constants), named = seen(
        "ndrite.verbs.cost.account_of",
        partial(ndrite.cost, compiled),
        inputs=own["inputs"],
        codes=True,
        node_nm=65,
    )
    assert (tuple(of), len(x), constants.node_nm, named["network"]) == (given[1:], 100, 65, network)


def test_as_many_samples_as_documented(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a data set, where the user does not say how many."""
    whole = ndrite.load()
    for place, verb, most in (
        ("ndrite.verbs.evaluate.judge", ndrite.evaluate, 10_000),
        ("ndrite.verbs.evaluate.judge", partial(ndrite.evaluate, board="sim:"), 500),
        ("ndrite.verbs.explain.causes_of", ndrite.explain, 2000),
        ("ndrite.verbs.cost.account_of", ndrite.cost, 100),
        ("ndrite.verbs.campaign.judge_wafer", partial(ndrite.campaign, chip="ideal"), 1000),
    ):
        monkeypatch.setattr("ndrite.verbs.evaluate.connect", lambda url: ndrite.connect("golden:"))
        given, _ = seen(place, partial(verb, whole))
        x = max(
            (getattr(part, "x", part) for part in given if hasattr(part, "x") or np.ndim(part) == 2), key=len
        )
        assert len(x) == most, place
    for products, samples_max in ((0, 2000), (10_000_000, 2000), (40_000_000, 500), (10**9, 100)):
        monkeypatch.setattr("ndrite.verbs.compile.work_of", lambda program, work=products: work)
        assert samples_within(whole.program) == samples_max


def test_compile_judges_by_what_it_is_told(seen: Any, judged: Any) -> None:
    compiled, x, labels = judged
    run = partial(ndrite.compile, compiled.network, "wan2022", samples=x[:50])
    place = "ndrite.verbs.compile.judged_answer"

    def wanted(run: Any = run, **options: Any) -> dict[str, Any]:
        (_, judged_on), named = seen(place, run, **options)
        assert not named
        return vars(judged_on)

    unset = vars(EvaluationSet(seen=False))
    own = unset | {"inputs": x, "labels": labels}
    every = wanted(codes=True, inputs=x, labels=labels, measure="accuracy")
    assert every == own | {"codes": True, "measure": "accuracy"}
    half = wanted(labels=labels[:50])
    assert (len(half["inputs"]), len(half["labels"])) == (50, 50)
    assert half | {"inputs": None, "labels": None} == unset
    assert wanted(inputs=x, labels=labels) == own
    assert wanted() == unset
    again = partial(ndrite.compile, compiled, "ideal")
    stored = wanted(again, labels=labels)
    assert stored | {"inputs": None} == unset | {"labels": labels, "codes": True}, (
        "samples of the file are codes"
    )
    np.testing.assert_array_equal(stored["inputs"], compiled.samples)
    assert ndrite.compile(compiled.network, "ideal", samples=x, nominal=True).answer is None
    for options in ({"place_rows": True}, {"mitigation": Mitigation(row_placement=True)}):
        (floats, chip, typical, seed), _ = seen("ndrite.verbs.compile.in_order", run, seed=3, **options)
        assert (floats.widths, chip.name, len(typical), seed) == ((20, 12, 3), "wan2022", 50, 3)


def test_report_and_infer_answer_what_they_are_told(seen: Any, judged: Any) -> None:
    compiled, x, labels = judged
    own, step = {"inputs": x, "labels": labels, "codes": True}, compiled.program.meaning.output_step
    run = partial(ndrite.report, compiled)
    _, page = seen("ndrite.verbs.report.Report", run, seed=5, **own)
    outputs = Core(compiled.program).infer(x, seed=5)
    np.testing.assert_array_equal(page["answers"], outputs * step)
    np.testing.assert_array_equal(page["x"], x)
    np.testing.assert_array_equal(page["labels"], labels)
    assert (page["subject"], page["seed"], page["task"].kind) == (compiled, 5, "classes")
    assert page["board"] == board_report("ulx3s-85f")
    assert page["cost"].samples == 100
    assert page["cost"].macs == 20 * 12 + 12 * 3
    assert page["explanation"].rows == ndrite.explain(compiled, seed=5, **own).explanation.rows
    assert set(page["sources"]) == {"judged by"}
    _, page = seen("ndrite.verbs.report.Report", run, fpga="ulx3s-25f", count=7, **own)
    assert (page["board"], page["cost"].samples, len(page["x"])) == (board_report("ulx3s-25f"), 7, 7)
    found = ndrite.infer(compiled, x, codes=True, seed=5)
    np.testing.assert_array_equal(found.outputs, outputs)
    told = {"program": compiled.program.name, "board": "golden:", "inferences": 120, "outputs": 3, "seed": 5}
    assert found.summary == told | {"first_index": 0, "noise": True, "on_host": []}
    assert found.step == step
    found = ndrite.infer(compiled, x, codes=True, first_index=9, noise=False, model_unit=True)
    np.testing.assert_array_equal(found.outputs, step * Core(compiled.program).infer(x, noise=False))
    assert (found.step, found.summary["noise"], found.summary["first_index"]) == (1.0, False, 9)


@pytest.mark.parametrize(
    # Outputs in steps of 0.25, what they mean, and the table: its header and the
    # count of each class.
    ("outputs", "task", "header", "counts"),
    [
        ([[1], [3], [2]], {"kind": "two classes", "shape": (1, 1, 1)}, "samples", "21"),
        ([[1, 2, 3, 4, 4, 3, 2, 1]], {"kind": "classes", "shape": (2, 2, 2)}, "places", "22"),
        ([[1, 3], [4, 5], [2, 3]], {"kind": "labels", "shape": (2, 1, 1)}, "samples", "13"),
    ],
)
def test_answers_are_counted_in_the_models_unit(outputs: Any, task: Any, header: str, counts: str) -> None:
    named = Task(classes=("a", "b"), threshold=0.5, **task)
    (table,) = Answers(np.array(outputs), {}, named, 0.25).tables()
    assert table.header == ("class", header)
    assert [row[1] for row in table.rows] == list(counts)
    for silent in (None, Task(**task)):
        assert not list(Answers(np.array(outputs), {}, silent, 0.25).tables())


SHORT = {"data": "digits", "samples": 20, "hidden": "4"}


@pytest.mark.parametrize(
    # A verb, its options, and its stages: the last report of each, or None for a
    # stage without reports.
    ("verb", "options", "stages"),
    [
        (ndrite.compile, {}, {"nodes": None, "layers": (2, 2), "test samples": None}),
        (ndrite.calibrate, {"steps": 3}, {"programming": (1, 1), "updates": (3, 3)}),
        (ndrite.evaluate, {}, {"programming": (1, 1), "inference": (120, 120)}),
        (ndrite.infer, {}, {"programming": (1, 1), "inference": (120, 120)}),
        (ndrite.evaluate, {"dies": 2}, {"dies": (2, 2)}),
        (ndrite.explain, {"dies": 2}, {"dies": (2, 2)}),
        (ndrite.explain, {"mitigation": True}, {"causes": (20, 20), "measures": (9, 9)}),
        (ndrite.campaign, {"chips": 2, "chip": "ideal"}, {"ranges of chips": (1, 1)}),
        (ndrite.report, {}, {"report": (2, 2)}),
        (ndrite.cost, {}, {"samples": (100, 100)}),
        (
            ndrite.learn,
            SHORT | {"epochs": 2},
            {"epoch 1 of 2": (20, 20), "epoch 2 of 2, 10.00 % right": (20, 20)},
        ),
        (ndrite.learn, SHORT | {"epochs": 1, "dies": 2}, {"dies": (2, 2)}),
    ],
)
def test_progress_is_told_to_the_end(verb: Any, options: Any, stages: dict[str, Any]) -> None:
    network = random_network((20, 12, 3))
    x, reports = samples(network, 120), dict[str, list[Any]]()
    labels = network.forward(x / np.float32(255)).argmax(axis=1)
    compiled = ndrite.compile(network, "dendritic-ndr", samples=x, codes=True)
    own = {"inputs": x, "labels": labels, "codes": True} if "data" not in options else {}
    if verb in (ndrite.infer, ndrite.cost):
        own.pop("labels")
    first = {ndrite.compile: (network, "ideal"), ndrite.learn: ()}.get(verb, (compiled,))

    @contextmanager
    def stage(name: str) -> Iterator[Any]:
        reports[name] = [None]
        yield lambda *report: reports[name].append(report)

    verb(*first, **own, **options, progress=stage, **({"samples": x} if verb is ndrite.compile else {}))
    assert {name: report[-1] for name, report in reports.items()} == stages


def test_a_report_of_a_chain_is_half_done_when_it_is_explained(judged: Any) -> None:
    compiled, x, labels = judged
    done: list[tuple[int, int]] = []

    def progress(stage: str) -> Any:
        return nullcontext(lambda *report: done.append(report))

    ndrite.report(compiled, inputs=x, labels=labels, codes=True, progress=progress)
    assert done == [(1, 2), (2, 2)]


def test_what_measures_gain_is_shown(judged: Any) -> None:
    compiled, x, labels = judged
    loss = ndrite.explain(compiled, x, labels, codes=True)
    assert len(list(loss.tables())) == 1
    outcomes = tuple(
        Outcome(name=name, measure="accuracy", score=0.5, snr_db=snr)
        for name, snr in (("a", 99.94), ("b", 99.95))
    )
    _, table = dataclasses.replace(loss, mitigation=outcomes).tables()
    assert [tuple(row[::2]) for row in table.rows] == [("a", "99.9 dB"), ("b", "none")]
    assert all(row[1].startswith("50") for row in table.rows)


def test_calibrate_learns_from_what_it_does_not_measure_on(seen: Any, monkeypatch: Any) -> None:
    network = random_network((20, 12, 3))
    x = np.tile(samples(network, 120), (42, 1))
    labels = network.forward(x / np.float32(255)).argmax(axis=1)
    compiled = ndrite.compile(network, "dendritic-ndr", samples=x[:120], codes=True)
    place, run = "ndrite.verbs.calibrate.calibrate_board", partial(ndrite.calibrate, compiled)
    for count, measure, learned in ((120, None, 90), (3, None, 2), (5040, None, 4040), (120, 7, 113)):
        own = {"inputs": x[:count], "labels": labels[:count], "codes": True, "measure": measure}
        (_, *given, seen_x, seen_labels), named = seen(place, run, **own)
        assert given == [compiled.program, compiled.die, compiled.network]
        np.testing.assert_array_equal(seen_x, x[:learned])
        np.testing.assert_array_equal(seen_labels, labels[:learned])
        plan = tuning.Plan(steps=40, batch=1000, rate=0.01, method="gradient", seed=0)
        assert (named["plan"], named["seed"], named["noise"], named["cells"]) == (plan, 0, True, False)
    told = {"seed": (1 << 64) - 2, "noise": False}
    (*_, floats, _, _), named = seen(place, run, **own, **told, method="perturb")
    assert floats is None
    assert {name: named[name] for name in told} == told
    corrected: list[Any] = []
    monkeypatch.setattr(tuning.Learner, "correct", lambda self, *given: corrected.append(given))
    board: Any = SimpleNamespace(infer=lambda batch, **options: options, program=print)
    parts = (board, compiled.program, compiled.die, compiled.network, x, labels)
    work = partial(calibrate_board, *parts, plan=plan, cells=True, **told)
    _, named = seen("ndrite.emulator.learning.tuning.calibrate", work)
    # Reads while learning have another seed than those that measure.
    assert named["infer"](x, (1 << 32) + 5) == {"seed": (1 << 32) - 2, "first_index": 5, "noise": False}
    assert named["load"] is print
    ((last, chip, measures),) = corrected
    np.testing.assert_array_equal(last, x[-2000:])
    assert (chip, measures) == (compiled.die.chip, compiled.die.mitigation)


@pytest.mark.parametrize(
    ("losses", "first", "last"), [([2.0, 1.0, 0.5], 2.0, 0.5), ([2.0], 2.0, 2.0), ([], None, None)]
)
def test_calibrate_tells_the_first_and_the_last_cross_entropy(
    losses: list[float], first: float | None, last: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network((20, 12, 3))
    x = samples(network, 120)
    labels = network.forward(x / np.float32(255)).argmax(axis=1)
    compiled = ndrite.compile(network, "dendritic-ndr", samples=x, codes=True)
    result = SimpleNamespace(die=compiled.die, losses=losses, pulses_total=0)
    monkeypatch.setattr("ndrite.verbs.calibrate.calibrate_board", lambda *given, **named: result)
    summary = ndrite.calibrate(compiled, inputs=x, labels=labels, codes=True).summary
    assert (summary["cross_entropy_first"], summary["cross_entropy_last"]) == (first, last)


def test_build_builds_what_it_is_told(seen: Any, tmp_path: Path) -> None:
    place, output = "ndrite.verbs.bringup.builder.build", str(tmp_path / "out")
    told = {"seeds": 3, "first_seed": 5, "jobs": 2}
    (board, folder), named = seen(place, partial(build, "ulx3s-85f"), output=output, **told)
    assert (board.name, folder) == ("ulx3s-85f", tmp_path / "out")
    assert named["tries"] == Tries(first=5, count=3, jobs=2)
    (board, _), named = seen(
        place,
        partial(build, "ecpix5-85f-maps-udp"),
        output=output,
        address="10.1.2.3",
        mac="02:00:00:00:00:09",
    )
    assert str(board.addresses) == str(Addresses.of("10.1.2.3", "02:00:00:00:00:09"))
    assert named["tries"].count == 1
    (board, _), _ = seen(place, partial(build, "ulx3s-25f"), output=output, part="12k")
    assert board.device == "12k"


def test_build_takes_a_new_an_empty_or_an_earlier_folder(seen: Any, here: Path, monkeypatch: Any) -> None:
    place, told = "ndrite.verbs.bringup.builder.build", list[Any]()
    how = {
        "announce": told.append,
        "progress": lambda stage: nullcontext(lambda *done: told.append((stage, *done))),
    }
    (_, folder), named = seen(place, partial(build, "ulx3s-85f"), **how)
    assert folder == Path("build/ulx3s-85f")
    assert (named["tries"].first, named["tries"].jobs) == (known_seed("ulx3s-85f"), os.cpu_count())
    named["announce"]("routed")
    named["progress"](1, 2)
    assert told == ["ulx3s-85f: routed", ("ulx3s-85f", 1, 2)]
    Path("there").mkdir()
    for content in (None, "report.json"):
        if content:
            Path("there", content).touch()
        (_, folder), named = seen(place, partial(build, "ulx3s-85f"), output="there", first_seed=0)
        assert (folder, named["tries"].first) == (Path("there"), 0)
    Path("file").touch()
    with pytest.raises(ndrite.InputError, match="file would be replaced and is not a build"):
        build("ulx3s-85f", output="file")

    def late(*given: Any, **named: Any) -> None:
        raise TimingError("33 MHz")

    monkeypatch.setattr(place, late)
    failed = build("ulx3s-85f")
    assert (failed.failed, failed.values) == ("33 MHz", {"board": "ulx3s-85f", "folder": "build/ulx3s-85f"})


def test_build_shows_what_its_report_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = {"fmax_is": "met", "wall_s": {"synthesis": 1.4, "routing": 2.0}, SHOWN[1]: 17, "other": 3}
    monkeypatch.setattr("ndrite.verbs.bringup.builder.build", lambda *given, **named: report)
    found = build("ulx3s-85f", output=str(tmp_path / "out"))
    (table,) = found.tables()
    assert [tuple(row) for row in table.rows] == [(SHOWN[1], "17"), ("wall time", "3 s")]


GOLDEN, DIGITAL = {"board": ("golden:",), "workers": 1}, {"codes": False, "seed": 0}
LEARN = {"rule": "stochastic", "rate": 0.02, "hidden_rate": 1.0, "neuron_rate": 0.0, "slots": 15}
LEARN |= {
    "bound": 1.0,
    "reference_error": 0.0,
    "transfer_noise": False,
    "epochs": 20,
    "seed": 1,
    "learning_seed": 0,
}
LEARN |= {"hidden": "128", "chip": "ideal", "device": "ecram-tang2018", "neuron": "ndr", "resume": False}
TRAIN = {"epochs": 100, "batch": 256, "rate": 8e-3, "weight_decay": 0.0, "noise_scale": 1.0, "seed": 1}
TRAIN |= {"normalise": True, "flip": False, "half": False, "resume": False, "threads": 1}
TUNE = {"method": "gradient", "steps": 40, "batch": 1000, "rate": 0.01, "read_cells": False}


@pytest.mark.parametrize(
    # A verb, and the defaults that scripts rely on; every other option is None or a listener.
    ("verb", "defaults"),
    [
        (ndrite.learn, LEARN | {"board": "golden:", "noise": True, "workers": 1}),
        (ndrite.train, TRAIN),
        (ndrite.calibrate, TUNE | DIGITAL | {"board": "golden:", "noise": True, "learning_seed": 0}),
        (ndrite.compile, DIGITAL | {"program_only": False, "nominal": False, "place_rows": False}),
        (ndrite.evaluate, DIGITAL | GOLDEN | {"noise": True}),
        (ndrite.explain, DIGITAL | {"mitigation": False, "products": True, "workers": 1}),
        (ndrite.campaign, DIGITAL | GOLDEN | {"chips": 100, "trials": 1, "noise": True}),
        (ndrite.sweep, GOLDEN),
        (ndrite.cost, {"codes": False, "show": False}),
        (ndrite.report, DIGITAL | {"fpga": "ulx3s-85f", "workers": 1}),
        (export, {"product": 0, "count": 1}),
        (ndrite.infer, DIGITAL | {"model_unit": False, "board": "golden:", "first_index": 0, "noise": True}),
        (demo, {"board": "sim:", "count": 500, "seed": 0, "picture": "ndrite-demo.png"}),
        (diff, {"exit_code": False}),
        (build, {"seeds": 1}),
        (bringup, {"loaded": False, "simulated": False, "inferences": 500, "seed": 0}),
        (selftest, {"seed": 0}),
        (serve, {"preset": "64-lane", "udp": False, "at": "127.0.0.1:20807"}),
        (info, {"board": "golden:"}),
    ],
    ids=lambda of: getattr(of, "__name__", ""),
)
def test_defaults_stay(verb: Any, defaults: dict[str, Any]) -> None:
    every = {name: option.default for name, option in inspect.signature(verb).parameters.items()}
    plain = {
        name: value
        for name, value in every.items()
        if value not in (None, inspect.Parameter.empty) and not callable(value)
    }
    assert plain == defaults

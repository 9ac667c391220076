"""learn: a die that other commands take, the same after Ctrl-C, and one clear
line where it cannot."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.boards.golden import GoldenBoard
from ndrite.emulator.golden import Core
from ndrite.emulator.learning import insitu
from ndrite.emulator.mapping import program_of
from ndrite.emulator.network.datasets import digits
from ndrite.host.errors import LinkError
from ndrite.results import percents
from ndrite.shell.main import BAD_INPUT, DEVICE, INTERRUPTED, run
from tests.chips import changed
from tests.refusals import refused

LEARN = "learn --data digits --hidden 32 --samples 400 --epochs 6 --seed 3"
# Enough to tell one die from another, and a third of a second.


def test_what_it_writes_is_a_die_like_any_other(here: Path, said: Any, prints: Any) -> None:
    told = said(f"{LEARN} -o learned")
    assert told["updates"] == 2400
    assert told["accuracy"] > 0.6
    assert len(told["right_by_epoch"]) == 6
    whole = ndrite.load("learned")
    *_, x, labels = digits()
    found = ndrite.evaluate(whole, x, labels, codes=True)
    assert found.accuracy == told["accuracy"]
    assert found.mismatches == 0
    assert found.accuracy_float == pytest.approx(told["accuracy"], abs=0.04)
    for layer, array in zip(whole.program.layers, whole.die.arrays, strict=True):
        np.testing.assert_array_equal(layer.weights, array.mapped.codes)
    now, later = (Core(each.program).infer(x[:20]) for each in (whole, whole.at(1e6)))
    np.testing.assert_array_equal(later, now, "devices do not drift")
    for words in ("explain learned --count 40", "cost learned", "evaluate learned"):
        prints(words)


def test_neurons_that_learned_are_the_dies(tmp_path: Path) -> None:
    """The program's curves are those of the die's ECRAMs, after a file too."""
    how = {"data": "digits", "chip": "dendritic-ndr", "neuron_rate": 0.01}
    found = ndrite.learn(hidden="12", samples=200, epochs=2, **how)
    found.compiled.save(tmp_path / "learned")
    whole = ndrite.load(tmp_path / "learned")
    again = program_of(whole.die, whole.program)
    state, layer, same = whole.die.states[0], whole.program.layers[0], again.layers[0]
    assert state is not None
    assert len(np.unique(state.current)) > 3
    np.testing.assert_array_equal(again.curve_base[same.curve], whole.program.curve_base[layer.curve])
    np.testing.assert_array_equal(again.curve_slope[same.curve], whole.program.curve_slope[layer.curve])
    assert len(whole.program.curve_base) <= 13
    *_, x, labels = digits()
    judged = ndrite.evaluate(whole, x, labels, codes=True)
    assert judged.accuracy == found.summary["accuracy"]
    assert judged.accuracy_float == pytest.approx(judged.accuracy, abs=0.06)


LATE = changed("wan2022", conditions={"time_since_programming_s": 100.0, "corrected_at_s": 50.0})


@pytest.mark.parametrize("how", [{"chip": LATE}, {"bound": 100.0}], ids=["corrected late", "read as 0"])
def test_what_is_no_matter_to_devices_that_learn(how: dict[str, Any]) -> None:
    assert ndrite.learn(data="digits", hidden="4", samples=20, epochs=1, **how).summary["updates"] == 20


@pytest.mark.parametrize(
    ("states", "asymmetry", "rule", "warns"),
    [
        (31, 0.1, "stochastic", True),
        (31, 0.1, "agad", False),
        (33, 0.1, "stochastic", False),
        (100, 0.45, "stochastic", True),
        (100, 0.35, "stochastic", False),
    ],
)
def test_a_device_that_plain_pulses_train_badly_is_told(
    states: float, asymmetry: float, rule: str, warns: bool, recwarn: pytest.WarningsRecorder
) -> None:
    device = insitu.placed(ndrite.load_chip("ideal+ecram-tang2018"), insitu.Place(states, asymmetry, 0.1))
    ndrite.learn(data="digits", hidden="4", samples=16, epochs=1, device=device, rule=rule)
    told = [str(warning.message) for warning in recwarn]
    wanted = f" has {states} states and an asymmetry of {asymmetry:.2g}"
    assert [wanted in text and "rule tiki-taka or agad" in text for text in told] == [True] * warns


def test_same_call_same_die() -> None:
    first, again = (ndrite.learn(data="digits", hidden="8", samples=100, epochs=1) for _ in range(2))
    other = ndrite.learn(data="digits", hidden="8", samples=100, epochs=1, learning_seed=1)
    assert first.compiled.program.tag == again.compiled.program.tag != other.compiled.program.tag
    *_, table = other.tables()
    assert table.rows == [("1", percents(other.summary["right_by_epoch"][0]))]
    noisy, quiet = (
        ndrite.learn(data="digits", chip="wan2022", hidden="8", samples=50, epochs=1, noise=noise)
        for noise in (True, False)
    )
    assert noisy.compiled.program.tag != quiet.compiled.program.tag
    *_, x, labels = digits()
    outputs = Core(quiet.compiled.program).infer(x, noise=False)
    assert quiet.summary["accuracy"] == (outputs.argmax(axis=1) == labels).mean()


def cut() -> None:
    raise LinkError("the cable is out")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def stopped(monkeypatch: pytest.MonkeyPatch, method: str, calls: int, how: Any) -> Iterator[None]:
    """``how()`` in the middle of the call of a board's method after so many; ``end``
    once it has worked."""
    whole, seen = getattr(GoldenBoard, method), []

    def one(self: GoldenBoard, *given: Any, **options: Any) -> Any:
        seen.append(1)
        found = whole(self, *given, **options) if how is end else None
        if len(seen) == calls + 1:
            how()
        return found or whole(self, *given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(GoldenBoard, method, one)
        yield


@pytest.fixture
def whole(here: Path, prints: Any) -> int:
    """The tag of the program that a run learns which is not stopped."""
    prints(f"{LEARN} -o whole")
    return ndrite.load("whole").program.tag


@pytest.mark.parametrize(("how", "code"), [(interrupt, INTERRUPTED), (end, INTERRUPTED), (cut, DEVICE)])
def test_it_goes_on_where_it_was_stopped(
    how: Any, code: int, whole: int, monkeypatch: Any, capsys: Any, prints: Any, fails: Any
) -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as main does
    with stopped(monkeypatch, "learn", 5, how):
        assert run([*LEARN.split(), "-o", "part"]) == code
    signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr().err
    assert "the cable is out" in said or "updates; the same command with --resume goes on" in said
    assert not Path("part").exists()
    assert Path("part.course").is_file()
    fails(f"{LEARN} -o part --resume --rate 0.01", "state of a run that differs in plan")
    fails(
        f"{LEARN} -o part --resume --epochs 1",
        "epochs is 1; accepted: at least ",
        "the epochs begun in part.course",
    )
    prints(f"{LEARN} -o part --resume")
    assert not Path("part.course").exists()
    assert ndrite.load("part").program.tag == whole
    assert run([*LEARN.split(), "-o", "part", "--resume"]) == BAD_INPUT


def test_other_ecrams_at_the_neurons_are_another_learning(here: Path, monkeypatch: Any, fails: Any) -> None:
    Path("slow.yaml").write_text("ecram: {step_up: 0.001}\n")
    line = f"{LEARN} -o part --neuron-rate 0.01 --chip dendritic-ndr"
    with stopped(monkeypatch, "learn", 1, interrupt):
        assert run(line.split()) == INTERRUPTED
    fails(f"{line}+slow.yaml --resume", "part.course: state of a run that differs in ecrams")


def test_after_a_cut_link_the_last_whole_epoch_is_kept(whole: int, monkeypatch: Any, prints: Any) -> None:
    """The board cannot be asked for its states any more."""
    with stopped(monkeypatch, "states", 2, cut):
        assert run([*LEARN.split(), "-o", "part"]) == DEVICE
    prints(f"{LEARN} -o part --resume")
    assert ndrite.load("part").program.tag == whole


def test_own_samples(here: Path, prints: Any) -> None:
    x, labels, *_ = digits()
    np.save("x.npy", x[:240])
    np.save("y.npy", labels[:240])
    prints("learn --inputs x.npy --labels y.npy --hidden 0 --epochs 2 -o own")
    whole = ndrite.load("own")
    assert whole.network.widths == (64, 10)
    assert whole.program.provenance["learning"]["updates"] == 440
    prints(
        "learn --inputs x.npy --labels y.npy --hidden 0 --epochs 1 -o once"
    )  # nothing to go on with is left


def test_other_classes_of_the_same_samples_are_another_learning(
    here: Path, monkeypatch: Any, fails: Any
) -> None:
    x, labels, *_ = digits()
    np.save("x.npy", x[:240])
    np.save("y.npy", labels[:240])
    line = "learn --inputs x.npy --labels y.npy --hidden 0 --epochs 2 -o own"
    with stopped(monkeypatch, "learn", 1, interrupt):
        assert run(line.split()) == INTERRUPTED
    np.save("y.npy", np.roll(labels[:240], 1))
    fails(f"{line} --resume", "own.course: state of a run that differs in samples")


def test_samples_in_the_order_of_their_classes_are_told() -> None:
    """What is held out has the last classes only."""
    x, labels, *_ = digits()
    order = np.argsort(labels[:240], kind="stable")
    with pytest.warns(UserWarning, match="labels: classes are in order"):
        ndrite.learn(x[order], labels[order], hidden="0", epochs=1)


def test_endurance_is_counted_in_epochs() -> None:
    device = changed("ideal+ecram-linear-ysz", ecram={"endurance_pulses": 1e6})
    found = ndrite.learn(data="digits", hidden="8", samples=100, epochs=2, device=device).summary
    assert found["endurance_epochs"] == int(1e6 * 2 / max(found["pulses_a_device"]))
    assert ndrite.learn(data="digits", hidden="8", samples=50, epochs=1).summary["endurance_epochs"] is None


def test_pulses_are_of_the_devices_that_get_them() -> None:
    """Of fast devices, where there are any: neither sums nor references have a pulse."""
    found = ndrite.learn(data="digits", hidden="8", samples=50, epochs=1, rule="tiki-taka", seed=np.int64(3))
    told = found.compiled.program.provenance["learning"]
    assert told["updates"] == found.summary["updates"]
    plain = ndrite.learn(data="digits", hidden="8", samples=50, epochs=1, seed=3).summary
    for many, few in zip(found.summary["pulses_a_device"], plain["pulses_a_device"], strict=True):
        assert few < 2 * many < 4 * few


DIES = "learn --data digits --hidden 8 --samples 60 --epochs 2 --seed 4 --dies 3"


def test_dies_that_learn_are_each_learned_alone(here: Path, said: Any, prints: Any, fails: Any) -> None:
    how: dict[str, Any] = {"data": "digits", "hidden": "8", "samples": 60, "epochs": 2}
    each = [ndrite.learn(seed=seed, **how).summary for seed in (4, 5, 6)]
    told = said(DIES)
    assert told["dies"] == [4, 5, 6]
    assert told["accuracy_per_die"] == [summary["accuracy"] for summary in each]
    assert len(set(told["accuracy_per_die"])) > 1
    rights = np.mean([summary["right_by_epoch"] for summary in each], axis=0)
    assert told["right_by_epoch"] == rights.tolist()
    low, high = told["accuracy_mean_interval_95"]
    assert low < np.mean(told["accuracy_per_die"]) < high
    prints(f"{DIES} -o two --workers 2")
    for part in ("1/2", "2/2"):
        assert not Path("shares").exists()
        prints(f"{DIES} -o shares --shard {part}")
    assert Path("two").read_text() == json.dumps(told, indent=1) == Path("shares").read_text()
    assert {path.name for path in Path().iterdir()} == {"two", "shares"}
    fails(f"{DIES} --board sim:", "board is sim:, but dies are trained on golden: alone; accepted: golden:")
    fails(f"{DIES} -o dies --resume", "resume is given with dies; leave it out: the same command")
    fails(f"{DIES} --seed {(1 << 63) - 2}", f"accepted: at most {(1 << 63) - 3} with 3 dies")
    fails(f"{DIES} --chip dendritic-analog", "readout.kind is 'analog'; accepted to learn on: adc")


def test_own_samples_and_devices_reach_the_dies(here: Path, said: Any) -> None:
    x, labels, *_ = digits()
    np.save("x.npy", x[:240])
    np.save("y.npy", labels[:240])
    Path("slow.yaml").write_text("ecram: {gamma_up: 0.4, gamma_down: 0.4}\n")
    line = "learn --inputs x.npy --labels y.npy --hidden 0 --epochs 1 --device ecram-tang2018+slow.yaml"
    line += " --chip wan2022 --bound 0.1 --seed 7"
    alone, dies = said(line), said(f"{line} --dies 1")
    for name in ("right_by_epoch", "pulses_a_device"):
        assert dies[name] == alone[name]
    assert dies["accuracy_per_die"] == [alone["accuracy"]]


def test_dies_go_on_where_they_were_stopped(here: Path, monkeypatch: Any, said: Any) -> None:
    with stopped(monkeypatch, "states", 1, interrupt):
        assert run([*DIES.split(), "-o", "dies"]) == INTERRUPTED
    kept = {path: path.stat().st_mtime_ns for path in Path(".dies.runs/runs").iterdir()}
    assert len(kept) == 1
    with stopped(monkeypatch, "states", 2, interrupt):  # of two dies only
        assert len(said(f"{DIES} -o dies")["accuracy_per_die"]) == 3
    assert not Path(".dies.runs").exists()


def given(options: dict[str, Any]) -> None:
    ndrite.learn(data="digits", samples=50, **options)


test_another_type_is_refused = refused(
    ndrite.HostError,
    (given, {"seed": "7"}, "seed is '7'; accepted: a whole number"),
    (given, {"epochs": 1.5}, "epochs is 1.5; accepted: a whole number"),
    (given, {"rate": "fast"}, "rate is 'fast'; accepted: a number"),
    (given, {"noise": "no"}, "noise is 'no'; accepted: True or False"),
    (given, {"hidden": [64, 32]}, r"hidden is \[64, 32\]; accepted: text"),
    (given, {"seed": True}, "seed is True; accepted: a whole number"),
    (given, {"output": 3}, "output is 3; accepted: text or a path"),
)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--hidden a", "hidden is 'a'; accepted: widths such as 128 or 64,32"),
        ("--device wan2022", "device wan2022 has an ecram of model 'none'; accepted: linear-step"),
        ("--chip dendritic-analog", "readout.kind is 'analog'; accepted to learn on: adc"),
        ("--resume", "resume needs output"),
        ("--resume -o none", "none.course: no such file"),
        ("--held-out 3", "held_out applies only to your own samples"),
        (
            "--threshold 3",
            "threshold is 3; accepted with stochastic: not set, as only tiki-taka, agad, res",
        ),
        (
            "--rule agad --reference-error 0.1",
            "reference_error is 0.1; accepted with agad: not set, as only tiki-taka",
        ),
        ("--rule agad --tiles 3", "tiles is 3; accepted with agad: not set, as only residual"),
        ("--rule residual --tiles 1", "tiles is 1; accepted: 2..8"),
        ("--gamma 0.5", "gamma is 0.5; accepted with stochastic: not set, as only residual"),
        (
            "--rule tiki-taka --chopper-period 2",
            "chopper_period is 2; accepted with tiki-taka: not set, as only",
        ),
        (
            "--transfer-noise",
            "transfer_noise is 1; accepted with stochastic: not set, as only tiki-taka, agad",
        ),
        (
            "--rule agad --transfer-noise",
            "transfer_noise is on, and the chip's cells have no read noise; acc",
        ),
        (
            "--rule agad --chopper-period 2 --board sim:",
            "chopper period of layer 0 is 2; accepted: 1; golden:",
        ),
        (
            "--chip wan2022 --rule agad --transfer-noise --board sim:",
            "noise of readings in layer 0 is 653 states; accepted: 0; golden: has",
        ),
        (
            "--rule residual --board sim:",
            "residual learning over tiles, which no board can do; accepted: other",
        ),
        ("--samples 2000", "samples is 2000; accepted: 1..1297, as many as there are samples"),
        ("--labels y.npy", "inputs and labels belong together"),
        ("--device ecram-linear-ysz --rule agad --threshold 1e5", "threshold is 100000; accepted: at most 1"),
        ("--chip wan2022 --bound 0.01", "bound is 0.01; accepted: 0.047 or more on this chip"),
        ("--epochs 99999999", "epochs is 99999999; accepted: at most 85899345"),
        ("--rate 10", "rate / (slots * step) is 1.30719 pulses per code; accepted: below 1"),
        ("--device one-sided.yaml", "ecram.gamma_down is 0.5; accepted: below twice the bound, -1e-06"),
    ],
)
def test_refused(here: Path, words: str, told: str, fails: Any) -> None:
    Path("one-sided.yaml").write_text("ecram: {model: linear-step, w_min: -1.0e-6, gamma_down: 0.5}\n")
    fails(f"learn --data digits --samples 50 {words}", told)


def test_a_board_that_does_not_learn_is_refused(here: Path, monkeypatch: Any, fails: Any) -> None:
    monkeypatch.setattr("ndrite.verbs.learn.connect_learner", lambda url: contextlib.nullcontext(object()))
    fails(f"{LEARN} -o learned", "board golden: does not learn")


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """learn, on boards that no program may reach."""
    monkeypatch.setattr(GoldenBoard, "program_learning", lambda *a, **k: pytest.fail("a board was touched"))
    return lambda x, labels: ndrite.learn(x, labels, hidden="4")


DARK, CLASSES = np.zeros((40, 6), np.uint8), np.zeros(40, int)
test_wrong_samples_are_refused_at_once = refused(
    (ndrite.InputError, ndrite.EmulatorError),
    (lambda learn: learn(DARK, CLASSES - 1), "labels: every class is -1; accepted: two"),
    (
        lambda learn: learn(DARK, CLASSES[1:]),
        r"int64 \(39,\), 0; accepted: classes \(40,\), whole numbers or text",
    ),
    (lambda learn: learn(DARK * 1.0, CLASSES), r"float64 \(40, 6\); accepted: uint8 \(n, inputs\)"),
    (lambda learn: learn(DARK, np.arange(40) % 2), r"code of the samples is 0; accepted: 1\.\.255"),
    (lambda learn: learn(DARK[:, :0], CLASSES), r"uint8 \(40, 0\); accepted: uint8 \(n, inputs\)"),
    (lambda learn: learn(DARK, CLASSES + 3), "labels: every class is 3; accepted: two classes or more"),
    given="untouched",
)

"""learn: trains a chip in situ: pulses move every weight device, sample by sample."""

import dataclasses
import json
import math
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from ndrite import signature as sig
from ndrite.boards.learning import learner_of
from ndrite.compiled import Compiled, LearnedOn
from ndrite.emulator.device.description import Chip, load_chip, parse_chip
from ndrite.emulator.device.ecram.pulses import LinearStep, StepTable
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.golden import Core
from ndrite.emulator.learning import insitu
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.mapping.explain import accuracy
from ndrite.emulator.spec.files import write_whole
from ndrite.files import array_of, save_array
from ndrite.host import HostError, InputError, InputWarning
from ndrite.host.api import LearningApi
from ndrite.intervals import proportion, spread
from ndrite.results import Found, Summary, Table, percents, share_done
from ndrite.runs import File, Row, Run, execute, folder_beside, open_workers
from ndrite.samples import CALIBRATION_SAMPLES, first, learning_samples
from ndrite.url import connect_learner

OWN_HELD = 12
"""Default of ``held_out`` for a user's own samples: one of OWN_HELD is held out to
measure accuracy."""
COARSE, ASYMMETRIC = 32, 0.4
"""Number of states below which, and asymmetry above which, plain pulses learned digits
much worse than other rules (docs/atlas.md)."""


class LearnedInSitu(LearnedOn):
    """The result of ``ndrite.learn``: the chip that learned, ``compiled``, and
    ``summary``: its accuracy (0..1) with interval, the right answers of each epoch, and
    the mean number of pulses of a device."""

    left_out = ("right_by_epoch",)

    def tables(self) -> Iterable[Table]:
        yield from super().tables()
        epochs = [(str(i + 1), percents(value)) for i, value in enumerate(self.summary["right_by_epoch"])]
        yield Table("answers before each update", ("epoch", "right, %"), epochs)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LearnedDies(Summary):
    """The result of ``ndrite.learn`` over several dies. ``summary`` has the accuracy
    (0..1) of each die, its mean and 95 % interval over dies, and the mean right answers
    of each epoch and pulses of a device."""

    name: str
    summary: dict[str, Any]
    heading = "{name}: dies that learned, each from its own devices"
    left_out = ("accuracy_per_die", "right_by_epoch", "dies")


@sig.verb
def learn(
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    data: sig.DataSet | None = None,
    folder: sig.OriginalFiles | None = None,
    samples: sig.Count | None = None,
    held_out: sig.Count | None = None,
    hidden: sig.Hidden = "128",
    chip: sig.ChipName = "ideal",
    device: Annotated[Any, sig.Option("NAME", joined=True)] = "ecram-tang2018",
    neuron: Literal["ndr", "relu", "sigmoid", "tanh"] = "ndr",
    rate: Annotated[float, sig.Option("STEP", least=0, most=10)] = 0.02,
    hidden_rate: Annotated[float, sig.Option("FACTOR", least=0, most=1e3)] = 1.0,
    neuron_rate: Annotated[float, sig.Option("STEP", least=0, most=10)] = 0.0,
    slots: Annotated[int, sig.Option("N", least=1, most=31)] = 15,
    rule: Literal["stochastic", "manhattan", "tiki-taka", "agad", "residual"] = "stochastic",
    threshold: Annotated[float | None, sig.Option("PULSES", least=0.1, most=100_000)] = None,
    reference_error: Annotated[float, sig.Option("WEIGHT", least=0, most=1)] = 0.0,
    tiles: Annotated[int | None, sig.Option("N", least=2, most=8)] = None,
    gamma: Annotated[float | None, sig.Option("FACTOR", least=1e-4, most=1)] = None,
    chopper_period: Annotated[int | None, sig.Option("READINGS", least=1, most=255)] = None,
    transfer_noise: bool = False,
    bound: Annotated[float, sig.Option("WEIGHT", least=1e-3, most=100)] = 1.0,
    epochs: sig.Count = 20,
    board: sig.Board = "golden:",
    seed: sig.DieSeed = 1,
    learning_seed: sig.Seed = 0,
    noise: sig.Noise = True,
    resume: bool = False,
    dies: Annotated[int, sig.Option("N", least=1, most=1_000_000)] | None = None,
    workers: sig.Workers = 1,
    scheduler: sig.Scheduler | None = None,
    shard: sig.Shard | None = None,
    progress: sig.Stages = sig.silent,
    announce: sig.Announce = sig.unheard,
) -> LearnedInSitu | LearnedDies | Found:
    """Train in situ: pulses move every weight, sample by sample.

    Each sample goes forward and its error backward through the same devices; then
    trains of pulses on rows and columns move all devices at once, each by its own law.
    The result is a die like any other, whose weights have the states after the last
    pulse. The same call gives the same die on every board.

    Parameters
    ----------
    inputs, labels:
        Your own samples, uint8 (n, inputs), and their classes from 0, (n,).
    output:
        File to write, which every other command accepts. During training, OUTPUT.course
        holds the state that --resume needs.
    data:
        A data set by name, in place of samples; default: fashion-mnist.
    samples:
        Number of samples to learn from, the first ones.
    held_out:
        Number of your own samples, the last ones, to measure on and not to learn from;
        default: a twelfth.
    chip:
        Chip that supplies converters, read noise and neurons.
    device:
        Description of the weights' devices, with an ecram of model linear-step,
        step-table or exponential (the latter two need golden:, sim:, sim-udp: or a
        board with step tables).
    neuron:
        Kind of hidden neurons.
    rate:
        Step of gradient descent, for weights and inputs of size 1; for residual the
        step of the last tile.
    hidden_rate:
        Multiplies `rate` in every layer but the last.
    neuron_rate:
        Step of gradient descent for the ECRAMs of hidden NDR neurons, for states
        of -1..1; 0: they do not learn. Needs a chip with ECRAM at its neurons,
        such as dendritic-ndr.
    slots:
        Number of slots in a train of pulses.
    rule:
        stochastic: the probability of a pulse is proportional to input and error.
        manhattan: one pulse wherever both are not 0; rate and slots then have no
        effect. tiki-taka: trains move fast devices, which are read row by row against
        their symmetry points; the read-out pulses the devices of the weights. agad:
        as tiki-taka with choppers, against the value read before. residual: a weight
        is a sum over tiles, each of which learns the remaining error of the tiles
        before it (golden: only).
    threshold:
        For tiki-taka and agad: accumulated read-out that triggers one pulse, in pulses
        of the fast device; default: 25 for tiki-taka, 8 for agad; at least the number
        of pulses that moves a device by 1/255 of its bound. For residual: read-out that
        gives one pulse on average; default: 10.
    reference_error:
        For tiki-taka and residual: standard deviation of the references from the
        symmetry points, where the nominal bound is 1.
    tiles:
        For residual: number of tiles of a weight; default: 4.
    gamma:
        For residual: scale of each tile relative to the one before; default: 0.5.
    chopper_period:
        For agad: number of readings of a row after which its chopper is reversed;
        default: 1. More than 1 needs golden:.
    transfer_noise:
        For tiki-taka, agad and residual: give readings of fast devices and tiles the
        read noise of the chip's cells (golden: only).
    bound:
        Weight that corresponds to the device's nominal bound.
    epochs:
        Number of passes over all samples.
    learning_seed:
        Seed of the sample order, the trains, the pulse noise and the read noise.
    resume:
        Continue where Ctrl-C or a failing link stopped the training; the result is
        the same. If the board could not report its last update, continue from the
        last whole epoch.
    dies:
        Number of dies to train, with the seeds seed, seed + 1, ...; the output is a
        JSON file of their accuracies. The same command continues where it was stopped.

    Examples
    --------
    $ ndrite learn --data digits --hidden 32 --samples 600 --seed 3 -o learned
    > ndrite learn --inputs x.npy --labels y.npy --hidden 64 --device ecram-kim2019 --epochs 5
    >>> import ndrite
    >>> found = ndrite.learn(data="digits", hidden="16", samples=200, epochs=2)
    >>> found.summary["updates"]
    400
    """
    labelled = learning_samples(inputs, labels, data, folder)
    if not len(labelled.test_x):
        labelled = labelled.held_out(held_out or max(1, len(labelled.x) // OWN_HELD), "held_out")
    elif held_out is not None:
        raise InputError("held_out applies only to your own samples; leave it out with a data set")
    of_rule = {
        "threshold": threshold,
        "reference_error": reference_error,
        "tiles": tiles,
        "gamma": gamma,
        "chopper_period": chopper_period,
        "transfer_noise": transfer_noise,
    }
    x = first(labelled.x, samples, what="samples")
    labelled = dataclasses.replace(labelled, x=x, labels=labelled.labels[: len(x)])
    require(epochs * len(x) <= 2**32, "epochs", epochs, f"at most {2**32 // len(x)}", InputError)
    plan = insitu.Plan(
        widths=(labelled.x.shape[1], *sig.widths(hidden), labelled.outputs),
        rate=rate,
        hidden_rate=hidden_rate,
        neuron_rate=neuron_rate,
        slots=slots,
        rule=rule,
        **insitu.fields_of_rule(rule, **of_rule),
        bound=bound,
        activation=neuron,
        seed=seed,
    )
    if resume and output is None:
        raise InputError("resume needs output, the file that was to be written; accepted: both")
    law, spread, endurance = _law(device)
    described = chip if isinstance(chip, Chip) else load_chip(chip)
    ready = insitu.prepare(plan, described, law, spread, labelled.x[:CALIBRATION_SAMPLES], labelled.meaning)
    _warn_of_rule(law, device, rule)
    if dies is not None:
        if board != "golden:":
            raise InputError(f"board is {board}, but dies are trained on golden: alone; accepted: golden:")
        if resume:
            raise InputError("resume is given with dies; leave it out: the same command continues")
        last = (1 << 63) - dies
        require(seed <= last, "seed", seed, f"at most {last} with {dies} dies", InputError)
        how = {
            "data": data,
            "folder": None if folder is None else str(folder),
            "samples": samples,
            "held_out": held_out,
            "hidden": hidden,
            "neuron": neuron,
            "rate": rate,
            "hidden_rate": hidden_rate,
            "neuron_rate": neuron_rate,
            "slots": slots,
            "rule": rule,
            **of_rule,
            "bound": bound,
            "epochs": epochs,
            "learning_seed": learning_seed,
            "noise": noise,
        }
        own_device = device if isinstance(device, Chip) else load_chip(f"ideal+{device}")
        shared: dict[str, Any] = {"chip": described.as_dict(), "device": own_device.as_dict(), "how": how}
        name = f"{labelled.name}-{'-'.join(map(str, plan.widths))}, {_name(device)}"
        with (
            folder_beside(output, shard) as kept,
            open_workers(workers, scheduler, needs=["ndrite.verbs.learn"]) as opened,
            progress("dies") as report,
            tempfile.TemporaryDirectory() as files,
        ):
            for parameter, values in (("inputs", inputs), ("labels", labels)):
                path = Path(files) / f"{parameter}.npy"
                shared[parameter] = None if values is None else File.of(save_array(path, array_of(values)))
            call = "ndrite.verbs.learn:learn_die"
            runs = [Run(call, {**shared, "die": die}) for die in range(seed, seed + dies)]
            outcome = execute(runs, opened, kept, share=shard, progress=report, say=announce)
            rows = outcome.done("dies", lambda number: f"die {seed + number}")
            if len(rows) < dies:
                return share_done(shard)
            learned_dies = LearnedDies(name, _over_dies(rows) | {"device": _name(device)})
            if output is not None:
                write_whole(output, json.dumps(learned_dies.as_dict(), indent=1))
                shutil.rmtree(kept, ignore_errors=True)  # ignore_errors: another call may remove it too
            return learned_dies
    left = None if output is None else Path(f"{output}.course")
    mark = _mark(ready, labelled, learning_seed, noise)
    course, states = insitu.Course(), [layer.states.astype(np.int64) for layer in ready.learning.layers]
    if resume and left is not None:
        if not left.is_file():
            raise InputError(f"{left}: no such file; resume needs the file of an interrupted training")
        course, states = insitu.load_course(left, mark)
        begun = math.ceil(course.done / len(labelled.x))
        if begun > epochs:
            raise InputError(f"epochs is {epochs}; accepted: at least {begun}, the epochs begun in {left}")
    with connect_learner(board) as opened:
        chosen = learner_of(opened)
        if chosen is None:
            raise InputError(f"board {board} does not learn; accepted: golden:, sim:, sim-udp:, udp:HOST")
        chosen.program_learning(ready.learning, seed=learning_seed, states=states, noise=noise)
        try:
            for epoch in _epochs(chosen, course, labelled, epochs, learning_seed, progress):
                # Save the states now: if the link fails later, the device cannot
                # be asked for them.
                if left is not None and epoch < epochs:
                    insitu.save_course(left, course, chosen.states(), mark)
        except (KeyboardInterrupt, HostError) as stopped:
            if left is not None:
                with suppress(HostError):  # if the device cannot be asked, the file keeps the last epoch
                    course.add(chosen.unfinished(), len(labelled.x))
                    insitu.save_course(left, course, chosen.states(), mark)
                    if isinstance(stopped, KeyboardInterrupt):
                        goes_on = "the same command with --resume goes on"
                        raise KeyboardInterrupt(f"after {course.done} updates; {goes_on}") from None
            raise
        states = chosen.states()
    origin = {**dataclasses.asdict(plan), "device": _name(device), "updates": course.done, "board": board}
    name = f"{labelled.name}-{'-'.join(map(str, plan.widths))}"
    learned_die = insitu.learned(ready, states, name, learning=origin)
    compiled = Compiled(
        learned_die.network, learned_die.program, learned_die.die, labelled.x[:CALIBRATION_SAMPLES]
    )
    right = accuracy(
        Core(learned_die.program).infer(labelled.test_x, seed=learning_seed, noise=noise),
        labelled.test_labels,
    )
    if output is not None and left is not None:
        compiled.save(output)
        left.unlink(missing_ok=True)
    # Fast devices, if any, are counted alone: other devices get few pulses or, for
    # references, none.
    learning = ready.learning
    widths = (layer.inputs for layer in learning.program.layers)
    sizes = [of.fast_row(k) * of.columns for of, k in zip(learning.layers, widths, strict=True)]
    pulses = [sum(c.pulses[i] for c in course.counts) / size for i, size in enumerate(sizes)]
    lasts = None
    if endurance is not None and course.counts and max(pulses):  # means over a layer; the largest counts
        lasts = math.floor(endurance * len(course.counts) / max(pulses))
    summary: dict[str, Any] = {
        "shape": list(plan.widths),
        "device": _name(device),
        "accuracy": right,
        "accuracy_interval_95": proportion(right, len(labelled.test_x)),
        "measured_on": len(labelled.test_x),
        "learned_from": len(labelled.x),
        "updates": course.done,
        "right_by_epoch": [c.right / c.updates for c in course.counts],
        "pulses_a_device": pulses,
        "endurance_pulses": endurance,
        "endurance_epochs": lasts,
    }
    return LearnedInSitu(compiled, board, summary)


def learn_die(
    *,
    inputs: File | None,
    labels: File | None,
    chip: dict[str, Any],
    device: dict[str, Any],
    die: int,
    how: dict[str, Any],
) -> Row:
    """Train one die on the golden model; return the summary of ``learn`` and the
    die's seed as a row."""
    x, y = (None if file is None else file.array() for file in (inputs, labels))
    with warnings.catch_warnings(action="ignore"):  # the caller that planned the dies has already warned
        learned_die = learn(x, y, chip=parse_chip(chip), device=parse_chip(device), seed=die, **how)
    assert isinstance(learned_die, LearnedInSitu)
    return {"die": die, **learned_die.summary}


def _over_dies(rows: list[Row]) -> Row:
    """Combine the rows of several trained dies: values that all share, and
    statistics over the dies."""
    first_row = rows[0]
    alike = ("shape", "measured_on", "learned_from", "updates", "endurance_pulses")
    means = ("right_by_epoch", "pulses_a_device")
    return {
        **{name: first_row[name] for name in alike},
        "dies": [row["die"] for row in rows],
        **spread("accuracy", np.array([row["accuracy"] for row in rows]), "die"),
        **{name: np.mean([row[name] for row in rows], axis=0).tolist() for name in means},
    }


def _epochs(
    board: LearningApi, course: insitu.Course, given: Labelled, epochs: int, seed: int, stage: sig.Stages
) -> Iterator[int]:
    """Train epoch by epoch, and yield the number of finished epochs after each. An
    epoch's accuracy is shown with the progress of the next epoch."""
    size = len(given.x)
    while course.done < epochs * size:
        epoch = course.done // size
        last = course.counts[-1:]
        before = f", {percents(last[0].right / last[0].updates)} % right" if last else ""
        with stage(f"epoch {epoch + 1} of {epochs}{before}") as report:
            insitu.follow(
                board,
                course,
                given,
                epochs=epoch + 1,
                seed=seed,
                seen=lambda course, at=epoch, tell=report: tell(course.done - at * size, size),  # type: ignore[misc]
            )
        yield epoch + 1


def _law(device: Chip | str) -> tuple[LinearStep | StepTable, Any, float | None]:
    """Return the update law of the weights' devices, their variation, and the number of
    pulses that a device survives (None if not known)."""
    described = device if isinstance(device, Chip) else load_chip(f"ideal+{device}")
    law = insitu.law_of_weights(described, _name(device))
    return law, described.ecram.spread, described.ecram.endurance_pulses


def _warn_of_rule(law: LinearStep | StepTable, device: Chip | str, rule: str) -> None:
    """Warn if plain pulses are likely to learn much worse with this device
    than other rules do."""
    if rule != "stochastic":
        return
    try:
        place = insitu.place_of(law)
    except CompileError:  # a device that never moves has no states to count
        return
    if place.states < COARSE or place.asymmetry > ASYMMETRIC:
        warnings.warn(
            f"{_name(device)} has {place.states:.3g} states and an asymmetry of {place.asymmetry:.2g}; with "
            f"fewer than {COARSE} states or an asymmetry above {ASYMMETRIC} digits were learned better by "
            "rule tiki-taka or agad; `ndrite atlas` compares rules for a device",
            InputWarning,
            stacklevel=3,
        )


def _name(device: Chip | str) -> str:
    return device.name if isinstance(device, Chip) else str(device)


def _mark(ready: insitu.Prepared, given: Labelled, seed: int, noise: bool) -> dict[str, Any]:
    """Return all values that determine a training run: only a run with equal
    values can be resumed."""
    learning = ready.learning
    return {
        "program": learning.program.checksum(),
        "plan": {**dataclasses.asdict(ready.plan), "widths": list(ready.plan.widths)},
        "devices": {k: str(v) for k, v in dataclasses.asdict(learning.layers[0].devices).items()},
        "ecrams": [str(layer.tuned and vars(layer.tuned.devices)) for layer in learning.layers],
        "samples": given.digest(),
        "seed": seed,
        "noise": noise,
    }

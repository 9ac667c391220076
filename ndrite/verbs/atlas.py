"""atlas: which learning rule suits a device, and what to improve."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from ndrite import signature as sig
from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.learning import insitu
from ndrite.emulator.spec.files import write_whole
from ndrite.files import array_of, save_array
from ndrite.host import InputError
from ndrite.pages import drawing
from ndrite.pages.atlas import OWN, Atlas, Dot, draw
from ndrite.results import Found, share_done
from ndrite.runs import Run, execute, folder_beside, open_workers
from ndrite.samples import both_or_neither
from ndrite.sweeps.plan import plan_of

RULES = ("stochastic", "manhattan", "tiki-taka", "agad")
RATES = [0.003, 0.01, 0.03, 0.1, 0.3]
SMALL: dict[str, list[float]] = {
    "device.states": [4, 16, 64, 256, 1024],
    "device.asymmetry": [0.0, 0.125, 0.5],
    "device.noise": [0.1, 1.0],
}
FULL: dict[str, list[float]] = {
    "device.states": [4, 8, 16, 32, 64, 128, 256, 1024, 4096],
    "device.asymmetry": [0.0, 0.0625, 0.125, 0.25, 0.5],
    "device.noise": [0.1, 0.3, 1.0, 3.0],
}


def numbers(text: str) -> tuple[float, ...]:
    """Parse text such as ``0,0.25,0.5`` into its numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{text!r} is not a list of numbers; accepted: such as 0,0.25,0.5") from None


Numbers = Annotated[tuple[float, ...], sig.Option("A,B,...", of=numbers)]


@sig.verb
def atlas(
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    device: Annotated[Any, sig.Option("NAME", many=True)],
    output: sig.Output | None = None,
    picture: sig.Picture | None = None,
    data: sig.DataSet | None = None,
    hidden: sig.Hidden = "32",
    chip: sig.ChipName = "ideal",
    neuron: Literal["ndr", "relu", "sigmoid", "tanh"] = "ndr",
    epochs: sig.Count = 20,
    samples: sig.Count = 600,
    held_out: sig.Count = 200,
    seeds: Annotated[int, sig.Option("N", least=2, most=1000)] = 5,
    rules: sig.Names | None = None,
    states: Numbers | None = None,
    asymmetry: Numbers | None = None,
    noise: Numbers | None = None,
    full: bool = False,
    workers: sig.Workers = 1,
    scheduler: sig.Scheduler | None = None,
    shard: sig.Shard | None = None,
    progress: sig.Stages = sig.silent,
    announce: sig.Announce = sig.unheard,
) -> Atlas | Found:
    """Show which learning rule suits a device, and what to improve.

    Trains a network by every learning rule, with devices of many numbers of states,
    asymmetries and noises, and with your device. The page shows your device's accuracy,
    the nearest devices that lose 3 points and 1 point against floats, and the gain from
    twice the states, half the asymmetry or half the noise. Every rate is the best of
    five on held-out samples and is judged on test samples. The same command continues
    where it was stopped.

    Parameters
    ----------
    inputs, labels:
        Your own samples, uint8 (n, inputs), and their classes from 0, (n,). The
        first samples are learned from, the next ones choose the rate, and the rest
        judge the result.
    device:
        Description of weight devices, one dot on the atlas; may be given several times.
        The map uses the spread from device to device of the first description.
    output:
        Page to write, such as atlas.html. Its numbers are written beside it as .json,
        and finished runs are kept in .NAME.runs.
    picture:
        Draw the map into this file.
    data:
        A data set by name, in place of samples; default: digits.
    chip:
        Chip that supplies converters, read noise and neurons.
    neuron:
        Kind of hidden neurons.
    epochs:
        Passes over the samples.
    samples:
        Number of samples to learn from, the first ones.
    held_out:
        Number of samples to choose a rate by, those after the samples to learn from.
    seeds:
        Number of dies of each point.
    rules:
        Rules to compare, residual among them; default: stochastic, manhattan, tiki-taka, agad.
    states, asymmetry, noise:
        Axes of the map: mean steps that the nominal range holds, 2..65536; mean
        of |up - down| / (up + down), 0..0.5; deviation of a step from pulse to
        pulse, in steps, 0..10.
    full:
        Compute a map of 180 points instead of 30, if no axis is given.

    Examples
    --------
    $ ndrite atlas --device ecram-tang2018 -o atlas.html --workers 2
    > ndrite atlas --device ecram-kim2019 --states 16,256,4096 --noise 0.3 -o kim.html
    >>> import ndrite
    >>> axes = {"states": (64,), "asymmetry": (0.5,), "noise": (0.3,)}
    >>> found = ndrite.atlas(device="ecram-kim2019", rules=("agad",), **axes, samples=50, epochs=1, seeds=2)
    >>> found.rules
    ['agad']
    """
    if output is not None and Path(output).suffix == ".json":
        raise InputError(
            f"output is {output}; accepted: a page such as atlas.html, beside which .json is written"
        )
    names = device if isinstance(device, list | tuple) else [device]
    devices = [name if isinstance(name, Chip) else load_chip(f"ideal+{name}") for name in names]
    own_names = [described.name for described in devices]
    if twice := [name for name in own_names if own_names.count(name) > 1]:
        raise InputError(
            f"device is given as {twice[0].removeprefix('ideal+')} twice; accepted: different devices"
        )
    dots = [dot for described in devices for dot in _dots(described)]
    described = chip if isinstance(chip, Chip) else load_chip(chip)
    learn = {"hidden": hidden, "neuron": neuron, "rates": RATES, "epochs": epochs, "samples": samples}
    learn |= {"held_out": held_out, "device": devices[0].as_dict()} | ({} if data is None else {"data": data})
    places = dict(FULL if full else SMALL)
    for name, values in (("states", states), ("asymmetry", asymmetry), ("noise", noise)):
        places |= {} if values is None else {f"device.{name}": sorted(set(values))}
    own_samples = both_or_neither(inputs, labels)
    with (
        folder_beside(output, shard) as results_folder,
        open_workers(workers, scheduler, needs=["ndrite.sweeps.trained"]) as opened,
        progress("points of the atlas") as report,
        tempfile.TemporaryDirectory() as files,
    ):
        content: dict[str, Any] = {"chip": described.as_dict(), "seeds": seeds}
        for parameter, values in (("inputs", inputs), ("labels", labels)) if own_samples else ():
            content[parameter] = str(save_array(Path(files) / f"{parameter}.npy", array_of(values)))
        axes = {"learn.rule": list(rules or RULES)}
        grid = plan_of({**content, "learn": learn, "grid": axes | places}).points
        on_dots = [
            point
            for dot in dots
            for point in plan_of(
                {**content, "learn": learn | {"device": dot.device.as_dict()}, "grid": axes}
            ).points
        ]
        in_floats = Run("ndrite.sweeps.trained:float_point", grid[0].run.parameters)
        runs = [in_floats, *(point.run for point in (*on_dots, *grid))]
        outcome = execute(runs, opened, results_folder, share=shard, progress=report, say=announce)
        rows = outcome.done("points", lambda number: f"number {number}")
    if len(rows) < len(runs):
        return share_done(shard)
    floats, *trained = rows
    dot_labels: list[dict[str, Any]] = [
        {"device": dot.name, "change": dot.change} for dot in dots for _ in rules or RULES
    ]
    dot_labels += [{} for _ in grid]
    result = Atlas(
        dots,
        floats,
        [
            name | {axis.partition(".")[2]: value for axis, value in point.axes.items()} | row
            for name, point, row in zip(dot_labels, (*on_dots, *grid), trained, strict=True)
        ],
    )
    if picture is not None:
        drawing.save(draw(result), picture)
    if output is not None:
        result.save(output)
        write_whole(Path(output).with_suffix(".json"), json.dumps(result.as_dict(), indent=1))
        shutil.rmtree(results_folder, ignore_errors=True)  # ignore_errors: another call may remove it too
    return result


def _dots(device: Chip) -> list[Dot]:
    """Return the entries of a device on the map: unchanged, and with each of
    the improvements."""
    law = insitu.law_of_weights(device, device.name)
    name = device.name.removeprefix("ideal+")
    changed = {improvement: insitu.improved(device, law, improvement) for improvement in insitu.IMPROVEMENTS}
    return [
        Dot(name, OWN, device, insitu.place_of(law)),
        *(
            Dot(name, improvement, better, insitu.place_of(insitu.law_of_weights(better, name)))
            for improvement, better in changed.items()
        ),
    ]

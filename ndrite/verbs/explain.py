"""explain: where the accuracy goes, one cause of error at a time, of a compiled
network or of a module."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ndrite import signature as sig
from ndrite.compiled import compiled_of, takes_module
from ndrite.dies import OverDies, explained, over_dies
from ndrite.emulator.mapping.explain import Explanation, Outcome, Row, Trial, mitigation_benefits
from ndrite.emulator.mapping.explain import explain as causes_of
from ndrite.host import InputError
from ndrite.intervals import percent
from ndrite.losses import ModuleLoss
from ndrite.pages import causes, drawing
from ndrite.pages.module import draw
from ndrite.results import Result, Table
from ndrite.runs import Crew
from ndrite.samples import EvaluationSet, judged_samples


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Result):
    """The result of ``ndrite.explain`` for a compiled network: its score with one cause
    of error at a time.

    Attributes
    ----------
    explanation:
        Accuracy (0..1), or the rms error of targets, and output SNR (dB) by cause,
        against the float network.
    mitigation:
        Effect of every measure against the errors; empty unless asked for.
    judged_by:
        Where samples and labels are from.
    """

    explanation: Explanation
    mitigation: tuple[Outcome, ...] = ()
    judged_by: str = ""

    @property
    def causes(self) -> tuple[Row, ...]:
        """Return one entry for each cause of error, then one for all causes together,
        then one for the program itself."""
        return self.explanation.rows

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the losses into a file; the file's suffix (``.png``, ``.svg``,
        ``.pdf``) is the format."""
        explanation, figure = self.explanation, causes.draw(self.explanation)
        figure.suptitle(
            f"{explanation.network} on {explanation.chip}, {explanation.samples} samples", fontsize=11
        )
        return drawing.save(figure, path)

    def as_dict(self) -> dict[str, Any]:
        outcomes = [outcome.as_dict() for outcome in self.mitigation]
        return self.explanation.as_dict() | {"judged_by": self.judged_by, "mitigation": outcomes}

    def lines(self) -> Iterable[str]:
        return filter(None, [causes.without_effect(self.explanation)])

    def tables(self) -> Iterable[Table]:
        explanation = self.explanation
        floats_do = f"{explanation.measure.replace('_', ' ')} {explanation.said(explanation.reference)}"
        if explanation.is_share:
            floats_do = f"{percent(explanation.reference, explanation.samples)}, 95 %"
        by = f"{explanation.samples} samples ({self.judged_by})"
        title = f"{explanation.network} on {explanation.chip}: float {floats_do} over {by}"
        header, rows = causes.table(explanation)
        # Without the column "covers", which the JSON has.
        yield Table(title, header[:-1], [row[:-1] for row in rows])
        if self.mitigation:
            measures = [(o.name, explanation.said(o.score), _decibels(o.snr_db)) for o in self.mitigation]
            yield Table("measures, on the golden model", ("compiled with", header[1], "SNR"), measures)


SAMPLES = 2000
"""Number of samples by default."""


@sig.verb
def explain(
    program: sig.Source,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    count: sig.Count | None = None,
    measure: sig.Measure | None = None,
    seed: sig.Seed = 0,
    mitigation: bool = False,
    picture: sig.Picture | None = None,
    chip: sig.ChipName | None = None,
    samples: sig.SamplesOf | None = None,
    metric: sig.MetricOf | None = None,
    products: bool = True,
    channel_ranges: sig.ChannelRanges | None = None,
    folder: Annotated[sig.PathName, sig.Option("DIR")] | None = None,
    dies: sig.Dies | None = None,
    workers: sig.Workers = 1,
    scheduler: sig.Scheduler | None = None,
    progress: sig.Stages = sig.silent,
    announce: sig.Announce = sig.unheard,
) -> Loss | OverDies | ModuleLoss:
    """Show where the accuracy goes: one cause of error at a time.

    Each row of the table has one cause alone, without correction and with gains
    and biases corrected on the samples, as compiling does. The last rows have all
    causes together, and the program itself. Columns are accuracy (%), or the rms
    error of targets in the model's unit, and the error of the outputs (% of their
    spread). Causes do not add up. The JSON also has the SNR (dB), and a
    description of every cause.

    A PyTorch module is explained in a metric of your own, such as a perplexity: by
    cause, then with each product alone on the die. In Python, chip, samples and metric
    are arguments. On the command line the module is FILE.py:FUNCTION, such as
    model.py:make: the command runs the code of that file, and calls its functions
    make(), samples() and metric(module).

    Parameters
    ----------
    program:
        A result of `compile` or its file; or a PyTorch module, or FILE.py:FUNCTION, a
        function of a file that returns one. This runs the file's code.
    chip:
        Chip of a module; the chip of a compiled network is in its file.
    samples:
        Typical inputs of a module, as for ``ndrite.analog``; default: the file's ``samples()``.
    metric:
        Function of a module, which it calls like ``program``; returns a finite number;
        default: the file's.
    products:
        Measure each product of a module alone on the die.
    folder:
        Folder in which the result of each die of a module is kept; the same call
        continues from there.
    seed:
        Read-noise seed: the same seed gives the same answers on every board. For a
        module it is also the number of the first die.
    count:
        Number of samples, the first ones; default: 2000, or all if there are fewer.
    mitigation:
        Also measure the gain from each measure against the errors.
    dies:
        Number of dies of the chip to explain, each programmed anew, instead of the die
        in the file; the result has means over dies with their intervals.

    Examples
    --------
    $ ndrite explain mine -p explain.png
    > ndrite explain mine --mitigation --json
    > ndrite explain model.py:make --chip wan2022 --dies 3
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "wan2022")
    >>> loss = ndrite.explain(compiled, count=50)
    >>> loss.causes[-1].cause
    'program (golden model)'
    >>> loss.plot("explain.png").name
    'explain.png'
    """
    of_networks = {"inputs": inputs, "labels": labels, "data": data, "codes": codes, "count": count}
    of_networks |= {"measure": measure, "mitigation": mitigation}
    of_modules = {"chip": chip, "samples": samples, "metric": metric, "folder": folder}
    of_modules |= {"channel_ranges": channel_ranges}
    wanted = EvaluationSet(inputs, labels, data, codes, measure, seen=False)
    crew = Crew(workers, scheduler, announce=announce)
    if takes_module(program, of_networks, of_modules):
        from ndrite.tiles import Assessment, explain_module

        assert chip is not None
        with progress("metrics") as report:
            assessed = Assessment(program, chip, samples, metric, seed, channel_ranges)
            kept = None if folder is None else Path(folder)
            module_loss = explain_module(assessed, dies or 1, crew, products, kept, report)
        if picture is not None:
            drawing.save(draw(module_loss), picture)
        return module_loss
    if dies is not None:
        if mitigation or picture is not None:
            raise InputError("mitigation and picture show a single die; leave out dies")
        reads = {"seed": seed, "noise": True}
        return over_dies(explained, program, wanted, dies, crew, progress, count=count, most=SAMPLES, **reads)
    compiled = compiled_of(program)
    x, y, by, task = judged_samples(compiled.program, compiled, wanted).first(count, SAMPLES)
    typical, die = compiled.samples, compiled.die
    with progress("causes") as report:
        explanation = causes_of(
            compiled.network, compiled.program, die, typical, x, y, task=task, seed=seed, progress=report
        )
    worth: list[Outcome] = []
    if mitigation:
        with progress("measures") as report:
            worth = mitigation_benefits(
                Trial(compiled.network, x, y, task),
                die.chip,
                typical,
                seeds=(die.seed,),
                reads=seed,
                progress=report,
            )
    loss = Loss(explanation, tuple(worth), by)
    if picture is not None:
        loss.plot(picture)
    return loss


def _decibels(value: float | None) -> str:
    if value is None:
        return ""
    return "none" if value >= 99.95 else f"{value:.1f} dB"

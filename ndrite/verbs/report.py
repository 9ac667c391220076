"""report: one page about one compiled network, or about a module on tiles."""

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ndrite import signature as sig
from ndrite.boards.fpga.registry import find_buildable
from ndrite.boards.fpga.reports import load as board_report
from ndrite.compiled import compiled_of, takes_module
from ndrite.costs.account import account_of
from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping.explain import explain
from ndrite.files import name_of
from ndrite.host import InputError, InputWarning
from ndrite.host.api import Progress
from ndrite.pages.module import ModuleReport
from ndrite.pages.report import Report
from ndrite.results import Table
from ndrite.runs import Crew
from ndrite.samples import EvaluationSet, judged_samples
from ndrite.verbs.cost import SAMPLES

if TYPE_CHECKING:
    from ndrite.tiles import Assessment

BOARD = "ulx3s-85f"
"""Board that a page about a compiled network shows by default."""


@sig.verb
def report(
    program: sig.Source,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    count: sig.Count | None = None,
    fpga: str = BOARD,
    figures: sig.Folder | None = None,
    measure: sig.Measure | None = None,
    seed: sig.Seed = 0,
    chip: sig.ChipName | None = None,
    samples: sig.SamplesOf | None = None,
    metric: sig.MetricOf | None = None,
    dies: sig.Dies | None = None,
    workers: sig.Workers = 1,
    progress: sig.Stages = sig.silent,
    announce: sig.Announce = sig.unheard,
) -> Report | ModuleReport:
    """Write one page about a compiled network or a module.

    The page is one HTML file that needs no other file. It shows the chip with sources,
    the network, accuracy and confusion, error by cause, neuron curves, conductances and
    their programming error; then the arrays and their used shares, modelled cost,
    resources of a board's committed build with the schedule's cycles, and provenance. A
    module's page shows its metric by cause and by product over dies, what runs where,
    and modelled cost.

    Parameters
    ----------
    program:
        A result of `compile` or its file; or a PyTorch module, or FILE.py:FUNCTION, a
        function of a file that returns one. This runs the file's code.
    output:
        Page to write, such as report.html.
    count:
        Number of samples, the first ones; default: all. For a module, those that its
        cost is counted on; default: 100.
    fpga:
        Board whose committed build is shown.
    figures:
        Folder to which the figures are also written, as SVG and PDF.
    chip, samples, metric:
        Of a module, as for `explain`.
    dies:
        Number of dies of a module's chip, with the seeds seed, seed + 1, ...; default: 1.

    Examples
    --------
    $ ndrite report mine -o report.html --figures figures
    > ndrite report model.py:make --chip wan2022 --dies 5 -o module.html
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "wan2022")
    >>> found = ndrite.report(compiled, count=50)
    >>> found.save("report.html").name
    'report.html'
    """
    of_networks = {"inputs": inputs, "labels": labels, "data": data, "codes": codes, "measure": measure}
    of_networks["fpga"] = None if fpga == BOARD else fpga
    of_modules = {"chip": chip, "samples": samples, "metric": metric, "dies": dies}
    if figures is not None and Path(figures).exists() and not Path(figures).is_dir():
        raise InputError(f"figures is {figures}, a file; accepted: a folder")
    if takes_module(program, of_networks, of_modules):
        from ndrite.tiles import Assessment

        assert chip is not None
        assessed = Assessment(program, chip, samples, metric, seed)
        crew = Crew(workers, announce=announce)
        with progress("metrics") as bar:
            page: Report | ModuleReport = _of_module(assessed, dies or 1, crew, count or SAMPLES, bar)
        return _kept(page, output, figures)
    board = board_report(find_buildable(fpga).name)
    if board is None:
        accepted = "one of `ndrite board list` with figures"
        raise InputError(f"board {fpga!r} has no committed build; accepted: {accepted}")
    heard = warnings.catch_warnings(record=True, action="always", category=InputWarning)
    with progress("report") as bar, heard as caught:
        compiled = compiled_of(program)
        wanted = EvaluationSet(inputs, labels, data, codes, measure)
        x, y, by, task = judged_samples(compiled.program, compiled, wanted).first(count)
        files = [Path(name_of(v, "")).name for v in (program, inputs, labels)]
        sources = {"files": ", ".join(filter(None, files)), "judged by": by}
        sources["warnings"] = "; ".join(str(w.message) for w in caught)
        causes = explain(
            compiled.network, compiled.program, compiled.die, compiled.samples, x, y, task=task, seed=seed
        )
        bar(1, 2)
        answers = Core(compiled.program).infer(x, seed=seed).astype(np.float64)
        bar(2, 2)
    page = Report(
        subject=compiled,
        explanation=causes,
        cost=account_of(compiled.program, compiled.die, x[:SAMPLES], network=compiled.network),
        x=x,
        labels=y,
        task=task,
        answers=answers * (compiled.program.meaning.output_step or 1.0),
        board=board,
        seed=seed,
        sources={name: value for name, value in sources.items() if value},
    )
    return _kept(page, output, figures)


def _kept(
    page: Report | ModuleReport, output: sig.Output | None, figures: sig.Folder | None
) -> Report | ModuleReport:
    """Write the figures and the page where they are asked for; return the page."""
    if figures is not None:
        page.save_figures(figures)
    if output is not None:
        page.save(output)
    return page


def _of_module(assessed: "Assessment", dies: int, crew: Crew, count: int, progress: Progress) -> ModuleReport:
    """Compute the report about a module on a chip: its loss over dies, cost and
    placement on the first one.

    ``count``: number of samples that the cost is counted on. Other arguments and errors
    are those of ``ndrite.tiles.explain_module``.
    """
    from ndrite.tiles import cost_on, explain_module

    chip = assessed.chip if isinstance(assessed.chip, Chip) else load_chip(assessed.chip)
    module, source = assessed.module, assessed.source
    assessed = dataclasses.replace(assessed, chip=chip)
    if crew.count == 1:  # other processes run the user's file themselves
        assessed = dataclasses.replace(assessed, **source._asdict())
    loss = explain_module(assessed, dies, crew, progress=progress)
    tiled = assessed.on_tiles(source)
    what = tiled.ndrite.what
    others = ", ".join(f"{name} x {number}" for name, number in what.others)
    rows = [
        (row.name, row.where, f"{row.inputs} x {row.outputs}", str(row.tiles), f"{row.macs:,.0f}")
        for row in what.rows
    ]
    title = f"{what.weights:,} weights on tiles; in PyTorch: {others or 'nothing else'}"
    header = ("product", "where", "weights", "row tiles", "MACs a sample")
    cost = cost_on(tiled, count)
    tiled.ndrite.close()
    return ModuleReport(
        loss=loss,
        cost=cost,
        chip=chip,
        where=Table(title, header, rows),
        share=what.share,
        source=module if isinstance(module, str) else type(module).__name__,
    )

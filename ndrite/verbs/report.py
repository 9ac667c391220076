"""report: one page about one compiled network."""

import warnings
from pathlib import Path

import numpy as np

from ndrite import signature as sig
from ndrite.boards.fpga.registry import find_buildable
from ndrite.boards.fpga.reports import load as board_report
from ndrite.compiled import compiled_of
from ndrite.costs.account import account_of
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping.explain import explain
from ndrite.files import name_of
from ndrite.host import InputError, InputWarning
from ndrite.pages.report import Report
from ndrite.samples import judged_samples
from ndrite.verbs.cost import SAMPLES


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
    fpga: str | None = "ulx3s-85f",
    figures: sig.Folder | None = None,
    measure: sig.Measure | None = None,
    seed: sig.Seed = 0,
    progress: sig.Stages = sig.silent,
) -> Report:
    """Write one page about a compiled network.

    The page is one HTML file that needs no other file. It shows the chip with sources, the network, accuracy
    and confusion, error by cause, neuron curves, conductances and their programming error; then the arrays
    and their used shares, modelled cost, resources of a board's committed build with the schedule's cycles,
    and provenance.

    Parameters
    ----------
    output:
        Page to write, such as report.html.
    count:
        Number of samples, the first ones; default: all.
    fpga:
        Board whose committed build is shown.
    figures:
        Folder to which the figures are also written, as SVG and PDF.

    Examples
    --------
    $ ndrite report mine -o report.html --figures figures
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "wan2022")
    >>> found = ndrite.report(compiled, count=50)
    >>> found.save("report.html").name
    'report.html'
    """
    board = None if fpga is None else board_report(find_buildable(fpga).name)
    if fpga is not None and board is None:
        accepted = "one of `ndrite board list` with figures"
        raise InputError(f"board {fpga!r} has no committed build; accepted: {accepted}")
    if figures is not None and Path(figures).exists() and not Path(figures).is_dir():
        raise InputError(f"figures is {figures}, a file; accepted: a folder")
    heard = warnings.catch_warnings(record=True, action="always", category=InputWarning)
    with progress("report") as bar, heard as caught:
        compiled = compiled_of(program)
        samples = judged_samples(
            compiled.program, compiled, inputs, labels, data=data, codes=codes, measure=measure
        )
        x, y, by, task = samples.first(count)
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
    if figures is not None:
        page.save_figures(figures)
    if output is not None:
        page.save(output)
    return page

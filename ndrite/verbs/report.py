"""report: one page about one compiled network, or about two."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emulator.files import write_whole
from ndrite import signature as sig
from ndrite.compiled import compiled_of
from ndrite.files import InputWarning, name_of
from ndrite.pages.figures import figures, pdf, svg
from ndrite.pages.page import page, title
from ndrite.pages.run import Report, gather
from ndrite.results import Result, Table
from ndrite.samples import judged_samples


@dataclass(frozen=True, eq=False, repr=False)
class Page(Result):
    """What ``ndrite.report`` gives: every number of the page, to be looked at or written.

    ``against`` is the other network's report, where two are compared.
    """

    report: Report
    against: Report | None = None

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Name -> matplotlib figure, drawn when first asked for; of the first of two."""
        return figures(self.report)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one HTML file that needs no other.

        Raises
        ------
        OSError
            When the file cannot be written.
        """
        other = None if self.against is None else (self.against, figures(self.against))
        return write_whole(path, page(self.report, self.figures, other))

    def save_figures(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every figure as SVG and PDF into ``folder``, which is made where it is missing."""
        into = Path(folder)
        into.mkdir(parents=True, exist_ok=True)
        written = []
        for name, figure in self.figures.items():
            for suffix, content in (("svg", svg(figure, name)), ("pdf", pdf(figure))):
                written.append(into / f"{name}.{suffix}")
                written[-1].write_bytes(content)
        return written

    def as_dict(self) -> dict[str, Any]:
        """The headline's numbers, for JSON; accuracies 0..1, or rms errors."""
        content = {"figures": sorted(self.figures), **_headline(self.report)}
        if self.against is not None:
            content["against"] = _headline(self.against)
        return content

    def tables(self) -> Iterable[Table]:
        """The headline's numbers, of both where there are two."""
        reports = [self.report] if self.against is None else [self.report, self.against]
        measure = reports[0].explanation.measure.replace("_", " ")
        rows = [
            *(
                (f"{who}, {measure}", *(dict(r.scores())[who] for r in reports))
                for who, _ in reports[0].scores()
            ),
            ("samples", *(str(r.samples) for r in reports)),
            (
                "clock cycles of an inference",
                *("-" if r.trace is None else str(r.trace.cycles) for r in reports),
            ),
        ]
        head = ("quantity", "value") if self.against is None else ("quantity", "A", "B")
        yield Table(" against ".join(title(r) for r in reports), head, rows)


@sig.verb
def report(
    program: sig.Source,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    output: sig.Output | None = None,
    against: sig.Source | None = None,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    count: sig.Count | None = None,
    preset: str | None = None,
    product: sig.Whole | None = None,
    timeline: bool = True,
    fpga: str | None = "ulx3s-85f",
    figures: sig.Folder | None = None,
    seed: sig.Seed = 0,
    progress: sig.Stages | None = None,
) -> Page:
    """One page about a compiled network, or about two.

    The page is one HTML file that needs no other. It shows the chip with sources, the network, accuracy and
    confusion, error by cause, neuron curves, conductances and their programming error. It goes on with arrays
    and how full they are, the cycles of one simulated inference, modelled cost, resources of a board's
    committed build, and provenance.

    Parameters
    ----------
    output:
        Page to write, such as report.html.
    against:
        Another one, to be compared with side by side on the same samples.
    count:
        First so many samples only; default: all.
    preset:
        Geometry that tiles are laid out for; default: as large as the program needs.
    product:
        Of a program that is no chain of full layers: which product the timeline shows; default: the first
        one that is not grouped.
    timeline:
        Simulate one inference. The first time, this compiles the RTL with waveforms, which takes minutes.
    fpga:
        Board whose committed build is shown.
    figures:
        Folder to write the figures to as well, as SVG and PDF.

    Examples
    --------
    $ ndrite report mine -o report.html --figures figures
    > ndrite report mine --against other --no-timeline -o compared.html
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "wan2022")
    >>> found = ndrite.report(compiled, count=50, timeline=False)
    >>> found.save("report.html").name
    'report.html'
    """
    stages = progress or sig.silent
    reports = []
    for source, stage in ((program, "report"), (against, "report of the other")):
        if source is None:
            continue
        with stages(stage) as bar, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputWarning)
            whole = compiled_of(source)
            given = judged_samples(whole.program, whole, inputs, labels, data=data, codes=codes)
            files = [Path(name_of(v, "")).name for v in (source, inputs, labels)]
            said = {"files": ", ".join(filter(None, files)), "judged by": given.by}
            said["warnings"] = "; ".join(str(w.message) for w in caught)
            found = gather(
                whole,
                given.x[:count],
                given.labels[:count],
                preset=preset,
                product=product,
                timeline=timeline,
                fpga=fpga,
                seed=seed,
                sources={name: value for name, value in said.items() if value},
                progress=bar,
            )
        reports.append(found)
    result = Page(*reports)
    if output is not None:
        result.save(output)
    if figures is not None:
        result.save_figures(figures)
    return result


def _headline(found: Report) -> dict[str, Any]:
    measure = found.explanation.measure
    return {
        f"{measure}_float": found.explanation.reference,
        f"{measure}_golden": found.explanation.program.score(),
        "samples": found.samples,
        "cycles": None if found.trace is None else found.trace.cycles,
    }

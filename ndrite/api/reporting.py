"""report: one page about one program."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emulator.files import whole_file
from emulator.spec.brief import brief_repr
from emulator.spec.notebook import titled
from host.api import Progress
from ndrite.api.sources import existing_subject, program_from
from ndrite.inputs import InputWarning
from ndrite.pages import Report, gather, page, run_files, title
from ndrite.samples import calibrating_samples, classed_samples, name_of
from ndrite.stages import Stages, silent


@dataclass(frozen=True, eq=False)
class Page:
    """What ``ndrite.report`` gives: every number of the page, to be looked at or written.

    ``against`` is the other program's report, where two are compared.
    """

    __repr__ = brief_repr

    report: Report
    against: Report | None = None

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Name -> matplotlib figure, drawn when first asked for; of the first of two programs."""
        from ndrite.pages.figures import figures

        return figures(self.report)

    @cached_property
    def _other(self) -> tuple[Report, dict[str, Any]] | None:
        from ndrite.pages.figures import figures

        return None if self.against is None else (self.against, figures(self.against))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one HTML file that needs no other.

        Raises
        ------
        OSError
            When the file cannot be written.
        """
        with whole_file(Path(path)) as file:
            file.write(page(self.report, self.figures, self._other).encode())
        return Path(path)

    def save_figures(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every figure as SVG and PDF into ``folder``, which is made where it is missing."""
        from ndrite.pages.figures import pdf, svg

        into = Path(folder)
        into.mkdir(parents=True, exist_ok=True)
        written = []
        for name, figure in self.figures.items():
            for suffix, content in (("svg", svg(figure, name)), ("pdf", pdf(figure))):
                written.append(into / f"{name}.{suffix}")
                written[-1].write_bytes(content)
        return written

    def as_dict(self) -> dict[str, Any]:
        """The headline's numbers, for JSON; accuracies 0..1."""
        content = {"figures": sorted(self.figures), **_headline(self.report)}
        if self.against is not None:
            content["against"] = _headline(self.against)
        return content

    def _repr_html_(self) -> str:
        reports = [self.report] if self.against is None else [self.report, self.against]
        rows = [
            ("float software, accuracy", *(f"{100 * r.accuracy_float:.2f} %" for r in reports)),
            ("golden model, accuracy", *(f"{100 * r.accuracy_golden:.2f} %" for r in reports)),
            ("samples", *(str(r.images) for r in reports)),
            (
                "clock cycles of an inference",
                *("-" if r.trace is None else f"{r.trace.cycles:,}" for r in reports),
            ),
        ]
        head = ("quantity", "value") if self.against is None else ("quantity", "A", "B")
        return titled(" against ".join(title(r) for r in reports), head, rows)


def report(
    program: Any,
    *,
    against: Any = None,
    network: Any = None,
    samples: Any = None,
    inputs: Any = None,
    labels: Any = None,
    data: str | None = None,
    codes: bool = False,
    images: int | None = None,
    preset: str | None = None,
    product: int | None = None,
    timeline: bool = True,
    fpga: str | None = "ulx3s-85f",
    seed: int = 0,
    progress: Stages | None = None,
) -> Page:
    """Find out what a page about one program says: what it is, how well it does, and why.

    Parameters
    ----------
    program:
        A program's file (its die lies beside it), what ``ndrite.compile`` gives, or a folder with
        ``program.npz`` and, unless given, ``float.npz``, ``samples.npy``, ``x.npy`` and ``y.npy``.
    against:
        Another program, or a folder, to be compared with side by side. What is given below goes for both; a
        folder's own files serve it where nothing is given, and a program's file shares those of ``program``.
    network, samples, inputs, labels, data, codes:
        As for ``ndrite.explain``.
    images:
        First so many inputs only; default: all.
    preset:
        Geometry that tiles are laid out for; default: as large as the program needs.
    product:
        Of a program that is no chain of full layers: which product the timeline shows.
    timeline:
        Simulate one inference. The first time, this compiles the RTL with waveforms, which takes minutes.
    fpga:
        Board whose committed build is shown; None: none.
    seed:
        Read-noise seed.
    progress:
        Told of the stages ``report`` and ``report of the other``.

    Raises
    ------
    InputError, EmulatorError, SpecError, FileNotFoundError
        When a file is missing or wrong, or something that does not ship was not given.
    HostError
        When the simulation fails.

    Examples
    --------
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.shipped_network(), "wan2022")
    >>> found = ndrite.report(compiled, images=50, timeline=False)
    >>> found.save("report.html").name
    'report.html'
    """
    given = {"network": network, "samples": samples, "inputs": inputs, "labels": labels}
    stages = progress or silent

    def gathered(source: Any, files: dict[str, Any], bar: Progress) -> Report:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputWarning)
            what = program_from(source)
            x, y = classed_samples(what, files["inputs"], files["labels"], data=data, codes=codes)
            typical = calibrating_samples(what, files["samples"], files["inputs"], data=data, codes=codes)
            subject = existing_subject(source, what, files["network"])
        names = ", ".join(Path(name_of(v, "")).name for v in (source, *files.values()) if _is_path(v))
        sources = {"files": names, "warnings": "; ".join(str(w.message) for w in caught)}
        return gather(
            subject,
            typical,
            x[:images],
            y[:images],
            preset=preset,
            product=product,
            timeline=timeline,
            fpga=fpga,
            seed=seed,
            sources={name: value for name, value in sources.items() if value},
            progress=bar,
        )

    source, files = _files(program, given, given)
    with stages("report") as bar:
        found = gathered(source, files, bar)
    if against is None:
        return Page(found)
    source, files = _files(against, given, files)
    with stages("report of the other") as bar:
        return Page(found, gathered(source, files, bar))


def _files(program: Any, given: dict[str, Any], beside: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A program and its files: a folder's own completed by ``given``, else those ``beside``."""
    if _is_path(program) and Path(program).is_dir():
        return run_files(Path(program), **given)
    return program, beside


def _headline(report: Report) -> dict[str, Any]:
    return {
        "accuracy_float": report.accuracy_float,
        "accuracy_golden": report.accuracy_golden,
        "images": report.images,
        "cycles": None if report.trace is None else report.trace.cycles,
    }


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)

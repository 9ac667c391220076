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
from ndrite.api.sources import existing_subject, program_from
from ndrite.inputs import InputWarning
from ndrite.pages import Report, gather, page, run_files
from ndrite.samples import calibrating_samples, classed_samples, name_of
from ndrite.stages import Stages, silent


@dataclass(frozen=True, eq=False)
class Page:
    """What ``ndrite.report`` gives: every number of the page, to be looked at or written."""

    __repr__ = brief_repr

    report: Report

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Name -> matplotlib figure, drawn when first asked for."""
        from ndrite.pages.figures import figures

        return figures(self.report)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one HTML file that needs no other.

        Raises
        ------
        OSError
            When the file cannot be written.
        """
        with whole_file(Path(path)) as file:
            file.write(page(self.report, self.figures).encode())
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
        found = self.report
        return {
            "figures": sorted(self.figures),
            "accuracy_float": found.accuracy_float,
            "accuracy_golden": found.accuracy_golden,
            "images": found.images,
            "cycles": None if found.trace is None else found.trace.cycles,
        }

    def _repr_html_(self) -> str:
        found = self.report
        rows = [
            ("float software, accuracy", f"{100 * found.accuracy_float:.2f} %"),
            ("golden model, accuracy", f"{100 * found.accuracy_golden:.2f} %"),
            ("samples", str(found.images)),
            ("clock cycles of an inference", "-" if found.trace is None else f"{found.trace.cycles:,}"),
        ]
        title = f"{found.subject.program.name} on {found.subject.die.chip.name}"
        return titled(title, ("quantity", "value"), rows)


def report(
    program: Any,
    *,
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
        Told of the stage ``report``.

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
    source = program
    if isinstance(program, str | os.PathLike) and Path(program).is_dir():
        source, given = run_files(Path(program), **given)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        what = program_from(source)
        x, y = classed_samples(what, given["inputs"], given["labels"], data=data, codes=codes)
        typical = calibrating_samples(what, given["samples"], given["inputs"], data=data, codes=codes)
        subject = existing_subject(source, what, given["network"])
    sources = {
        "files": ", ".join(Path(name_of(v, "")).name for v in (source, *given.values()) if _is_path(v))
    }
    if caught:
        sources["warnings"] = "; ".join(str(w.message) for w in caught)
    with (progress or silent)("report") as bar:
        found = gather(
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
    return Page(found)


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)

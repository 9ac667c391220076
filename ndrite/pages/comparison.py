"""What differs between two programs: figures, and fields of their chips."""

from __future__ import annotations

from emulator.device.description import Chip
from emulator.spec.notebook import table, text
from ndrite.causes.picture import relative_error
from ndrite.costs import MODELLED
from ndrite.intervals import loss
from ndrite.pages.run import Report
from ndrite.pages.tiles import tilings, used_share


def difference(a: Report, b: Report) -> str:
    """A sentence on accuracy, a table of figures, a table of chip fields."""
    rows = [(what, in_a, in_b) for (what, in_a), (_, in_b) in zip(_figures(a), _figures(b), strict=True)]
    fields = _fields(a.subject.die.chip, b.subject.die.chip)
    chips = table(("field of the chip", "A", "B"), fields) if fields else "<p>Their chips are the same.</p>"
    return f"<p>{text(_accuracy(a, b))}</p>{table(('quantity', 'A', 'B'), rows)}{chips}"


def _accuracy(a: Report, b: Report) -> str:
    """B against A: paired where both are judged on the same samples."""
    if a.judged != b.judged:
        return (
            "A and B are judged on different samples, so their accuracies differ by the samples too: compare "
            "the intervals, not the values."
        )
    if not a.classes:
        return (
            f"Both are judged by the same targets of {a.samples:,} samples: rms errors, in the model's unit."
        )
    lost, won = int((a.right & ~b.right).sum()), int((b.right & ~a.right).sum())
    return (
        f"From A to B, golden model, the same {a.samples:,} samples: {loss(lost, won, a.samples)}. "
        "In brackets: 95 % over samples, of these two dies."
    )


def _figures(report: Report) -> list[tuple[str, str]]:
    total, found = report.cost.total, tilings(report)
    program = report.explanation.program
    measure = report.explanation.measure.replace("_", " ")
    flips = (program.lost or 0, program.won or 0, report.samples)
    return [
        *((f"{who}, {measure}", score) for who, score in report.scores()),
        ("golden model against float", loss(*flips) if report.classes else "-"),
        ("error of the outputs, % of their spread", f"{100 * relative_error(program.snr_db):.2g}"),
        (f"energy of an inference, nJ ({MODELLED}, typical)", f"{1e-3 * total.energy_pJ[1]:.3g}"),
        (f"latency, us ({MODELLED}, typical)", f"{1e-3 * total.latency_ns[1]:.3g}"),
        (f"area, mm2 ({MODELLED}, typical)", f"{1e-6 * total.area_um2[1]:.3g}"),
        ("arrays", str(sum(t.arrays for t in found))),
        ("cells used", f"{used_share(found):.1%}"),
        ("clock cycles (simulated)", "-" if report.trace is None else f"{report.trace.cycles:,}"),
    ]


def _fields(a: Chip, b: Chip) -> list[tuple[str, str, str]]:
    """Those that differ, sections in the order of a description."""
    of_a, of_b = a.fields(), b.fields()
    return [(name, _value(of_a[name]), _value(of_b[name])) for name in of_a if of_a[name] != of_b[name]]


def _value(value: object) -> str:
    """A field's value, short."""
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)

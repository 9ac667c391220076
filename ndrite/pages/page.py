"""The page: one HTML file, its sections without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

import base64
from typing import Any

from emulator.device.description import Chip
from emulator.mapping.explain import SNR_MAX_DB
from emulator.network import Named, Ndr, Sampled
from emulator.spec.brief import table, text
from ndrite.costs import COMPONENTS, MODELLED, Account
from ndrite.costs.account import words_of
from ndrite.intervals import is_noise, loss
from ndrite.pages.causes import relative_error
from ndrite.pages.document import document
from ndrite.pages.figures import Figure, svg, tiles_section, tilings, used_share
from ndrite.pages.run import Report


def cost_section(account: Account) -> str:
    """Energy, latency and area by component, every line called modelled."""
    components, *_ = account.tables()
    rows = [(*row, COMPONENTS.get(row[0], "")) for row in components.rows]
    words = (
        f"One inference, {MODELLED}, typical (low .. high), at {account.node_nm:g} nm, counted on "
        f"{account.samples} inputs and this die's conductances: {words_of(account.tops_per_W)} TOPS/W at two "
        "operations a MAC. Constants and sources: ndrite cost --show."
    )
    return f"<p>{text(words)}</p>{table((*components.header, 'what'), rows)}"


Section = tuple[str, str, str]
"""Key, title, HTML."""

TITLES = {
    "answers": "Labels against answers of the golden model",
    "errors": "One cause of error at a time: what it does to the outputs, and what it costs in accuracy",
    "curves": "Curves of the first layer that has neurons: in the float network, and as tables on the chip",
    "cells": "Conductances of the cell pairs and their programming error",
    "tiles": "Layers on the arrays of the chip, and how full these are",
    "timeline": "What each block did during one inference",
}


def sections(report: Report, drawn: dict[str, Figure]) -> list[Section]:
    """All of them, in the page's order."""
    return [
        ("accuracy", "Accuracy", _accuracy(report) + _shown("answers", drawn)),
        ("errors", "Where the accuracy goes", _errors(report) + _shown("errors", drawn)),
        ("network", "Network", _network(report)),
        ("neurons", "Neurons", _shown("curves", drawn) or "<p>No layer has neurons with a curve.</p>"),
        ("cells", "Cells", _shown("cells", drawn)),
        ("tiles", "Tiles", tiles_section(report) + _shown("tiles", drawn)),
        ("cycles", "Cycles", _cycles(report) + _shown("timeline", drawn)),
        ("cost", "Cost", cost_section(report.cost)),
        ("board", "Board", _board(report)),
        ("chip", "Chip", _chip(report.subject.die.chip)),
        ("provenance", "Provenance", table(("what", "value"), report.provenance.items())),
    ]


def _chip(chip: Chip) -> str:
    rows = [(name, _plain(value), chip.sources.get(name, "default")) for name, value in chip.fields().items()]
    given = [row for row in rows if row[2] != "default"]
    rest = [row for row in rows if row[2] == "default"]
    head = ("field", "value", "source")
    return (
        f"<p>{text(chip.description)}</p>{table(head, given)}"
        f"<details><summary>{len(rest)} more values at their defaults</summary>{table(head, rest)}</details>"
    )


def _network(report: Report) -> str:
    network = report.subject.network
    rows = []
    measured = (report.subject.program.provenance.get("report") or {}).get("layers") or []
    for i, (dense, layer) in enumerate(zip(network.layers, measured, strict=False)):
        activation = dense.activation
        kind = "none: outputs"
        if isinstance(activation, Ndr):
            kind = "NDR, each neuron its own peak and height"
        elif isinstance(activation, Named | Sampled):
            kind = activation.name
        rows.append(
            (
                str(i),
                f"{dense.inputs} - {dense.outputs}",
                kind,
                str(layer["tiles"]),
                str(layer["curves"] or ""),
                f"{layer['pwl_error_lsb']:.2f}" if layer["curves"] else "",
                f"{100 * layer['programmed_error']:.1f} %",
                f"{layer['snr_db']:.1f} dB",
            )
        )
    head = ("layer", "size", "activation", "row tiles", "curves", "table error (LSB)", "weight error", "SNR")
    return table(head, rows) + (
        "<p>Weight error: root mean square of effective minus float weights over that of the float weights. "
        "SNR: of the pre-activations on the calibration samples, read noise off.</p>"
        + "".join(_pulses(i, layer["pulses"]) for i, layer in enumerate(measured) if layer.get("pulses"))
    )


def _pulses(layer: int, took: dict[str, Any]) -> str:
    """What programming one layer took, where pulses program the chip's cells."""
    wear = "" if took["wear"] is None else f", {took['wear']:.1%} of the endurance"
    words = (
        f"Layer {layer} was programmed by {took['pulses']:,} pulses and {took['reads']:,} reads of "
        f"{took['cells']:,} cells, at most {took['most_pulses']:,} pulses a cell{wear}; {took['given_up']} "
        f"cells were given up. In sequence that is {took['time_s']:.3g} s and {took['energy_J']:.3g} J. "
        f"Cells are {took['error_uS']:.3g} uS (rms) off their targets, {took['law_uS']:.3g} uS by the law."
    )
    return f"<p>{text(words)}</p>"


def _accuracy(report: Report) -> str:
    (_, floats), (_, golden) = report.scores()
    program = report.explanation.program
    if not report.classes:
        words = (
            f"The rms error over {report.samples:,} samples and all outputs is {golden} on the golden model "
            f"(read-noise seed {report.seed}), {floats} in float software, of this one die."
        )
        return f"<p>{text(words)}</p>"
    right = report.confusion.diagonal()
    total = report.confusion.sum(axis=1)
    worst = min(range(len(total)), key=lambda c: right[c] / total[c] if total[c] else 2.0)
    names = report.subject.program.meaning.classes
    words = (
        f"{golden} of {report.samples:,} samples are right on the golden model (read-noise seed "
        f"{report.seed}), {floats} in float software: "
        f"{loss(program.lost or 0, program.won or 0, report.samples)}. In "
        f"brackets: 95 % over samples, of this one die. Fewest right answers: class "
        f"{names[worst] if names else worst}, {right[worst]} of {total[worst]}."
    )
    return f"<p>{text(words)}</p>"


def _errors(report: Report) -> str:
    """Every cause's row: what it costs in accuracy or rms error, and how far outputs are off."""
    found, n = report.explanation, report.samples
    words = (
        "One cause at a time, as it is and with gains and biases corrected. Error: root mean square of the "
        "outputs' deviation from the float network's, in percent of the outputs' spread."
    )
    measure = "points" if report.classes else "rms error"
    if report.classes:
        words += (
            f" Points are lost or won against the float network on the same {n:,} samples. 'Noise' stands "
            "where the 95 % interval over these samples includes no change."
        )
    rows = []
    for row in found.rows:
        scores = [found.said(row.score()), found.said(row.score(corrected=True))]
        lost = [_lost(row.lost, row.won, n), _lost(row.lost_corrected, row.won_corrected, n)]
        by = lost if report.classes else scores
        first = (row.cause, *(scores[:1] if report.classes else ()))
        rows.append((*first, by[0], _error(row.snr_db), by[1], _error(row.snr_corrected_db), row.covers))
    first = ("cause", *(("accuracy",) if report.classes else ()))
    head = (*first, measure, "error", f"{measure}, corrected", "error, corrected", "covers")
    return f"<p>{text(words)}</p>{table(head, rows)}"


def _lost(lost: int | None, won: int | None, n: int) -> str:
    """Points in a table; never a negative loss."""
    if lost is None or won is None:
        return ""
    if lost == won == 0:
        return "0"
    what = f"{100 * abs(lost - won) / n:.2f} {'won' if won > lost else 'lost'}" if lost != won else "0"
    return f"{what}, noise" if is_noise(lost, won, n) else what


def _error(snr_db: float | None) -> str:
    if snr_db is None:
        return ""
    return "0" if snr_db >= SNR_MAX_DB else f"{100 * relative_error(snr_db):.2g} %"


def _cycles(report: Report) -> str:
    trace = report.trace
    if trace is None:
        return "<p>No inference was simulated for this report.</p>"
    share = 100 * trace.bound / trace.cycles
    return (
        f"<p>One inference on the RTL compiled for this machine, geometry {text(report.geometry.name)} with "
        f"{report.geometry.lanes} lanes: {trace.cycles:,} clock cycles; schedule bound {trace.bound:,} "
        f"({share:.1f} %). Simulated, not measured on hardware.</p>"
    )


def _board(report: Report) -> str:
    board = report.board
    if board is None:
        return "<p>No board was chosen.</p>"
    used = [
        (what, f"{board[key]:,}", f"{board[f'{key}_available']:,}")
        for what, key in (("LUTs", "luts"), ("flip-flops", "ffs"), ("DSPs", "dsps"), ("block RAMs", "brams"))
    ]
    met = "met" if board["timing_met"] else "not met"
    return (
        f"<p>{text(str(board['board']))}: {board['lanes']} lanes at {board['clock_mhz']} MHz; Fmax "
        f"{board['fmax_mhz']:.1f} MHz is {text(str(board['fmax_is']))}; timing {met}. From a committed "
        f"build, "
        "whose gateware may be older than this package's.</p>" + table(("cells", "used", "available"), used)
    )


def _shown(name: str, drawn: dict[str, Figure]) -> str:
    if name not in drawn:
        return ""
    data = base64.b64encode(svg(drawn[name], name)).decode()
    title = text(TITLES[name])
    return (
        f'<figure><div class="wide"><img alt="{title}" src="data:image/svg+xml;base64,{data}"></div>'
        f"<figcaption>{title}</figcaption></figure>"
    )


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple) and len(value) > 6:
        return f"{len(value)} values"
    return str(value)


def difference(a: Report, b: Report) -> str:
    """A sentence on accuracy, a table of figures, a table of chip fields."""
    rows = [(what, in_a, in_b) for (what, in_a), (_, in_b) in zip(_figures(a), _figures(b), strict=True)]
    of_a, of_b = (report.subject.die.chip.fields() for report in (a, b))
    fields = [(name, _plain(v), _plain(of_b[name])) for name, v in of_a.items() if v != of_b[name]]
    chips = table(("field of the chip", "A", "B"), fields) if fields else "<p>Their chips are the same.</p>"
    return f"<p>{text(_compared(a, b))}</p>{table(('quantity', 'A', 'B'), rows)}{chips}"


def _compared(a: Report, b: Report) -> str:
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


Drawn = dict[str, Figure]


def page(report: Report, drawn: Drawn, against: tuple[Report, Drawn] | None = None) -> str:
    """The whole file; with ``against``, both programs beside each other and what differs before them."""
    name = title(report)
    shown = sections(report, drawn)
    headline = _headline(report)
    if against is not None:
        other, of_other = against
        first = ("difference", "Difference", difference(report, other))
        shown = [first, *_beside(shown, sections(other, of_other))]
        headline = f"<h2>A: {text(name)}</h2>{headline}<h2>B: {text(title(other))}</h2>{_headline(other)}"
        name = f"{name} against {title(other)}"
    links = "".join(f'<a href="#{key}">{text(what)}</a>' for key, what, _ in shown)
    body = "".join(
        f'<section id="{key}"><h2>{text(what)}</h2>{content}</section>' for key, what, content in shown
    )
    wide = "" if against is None else ' class="two"'
    return document(name, f"{headline}<nav>{links}</nav>", body, wide)


def title(report: Report) -> str:
    """Program and chip."""
    return f"{report.subject.program.name} on {report.subject.die.chip.name}"


def _beside(of_a: list[Section], of_b: list[Section]) -> list[Section]:
    """Sections of both, or one where they say the same."""
    return [
        (
            key,
            what,
            f"<p>The same for both.</p>{a}"
            if a == b
            else f'<div class="pair"><div><h3>A</h3>{a}</div><div><h3>B</h3>{b}</div></div>',
        )
        for (key, what, a), (_, _, b) in zip(of_a, of_b, strict=True)
    ]


def _headline(report: Report) -> str:
    what = "" if report.classes else ", rms error"
    figures = [(score.split(" (")[0], who + what) for who, score in report.scores()]
    figures.append((f"{report.samples:,}", "samples"))
    if report.trace is not None:
        figures.append((f"{report.trace.cycles:,}", "clock cycles an inference (simulated)"))
    cards = "".join(f"<div><b>{text(value)}</b><span>{text(what)}</span></div>" for value, what in figures)
    return f'<div class="figures">{cards}</div>'

"""The sections of a report, each a piece of HTML without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

import base64
from typing import Any

from emulator.device.description import Chip
from emulator.mapping.explain import SNR_MAX_DB
from emulator.network import Named, Ndr, Sampled
from emulator.spec.notebook import table, text
from ndrite.causes.picture import relative_error
from ndrite.intervals import is_noise, loss
from ndrite.pages.cost import cost_section
from ndrite.pages.figures import Figure, svg
from ndrite.pages.run import Report
from ndrite.pages.tiles import tiles_section

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
    rows: list[tuple[str, ...]]
    if not report.classes:
        head = ("cause", "rms error", "error", "rms error, corrected", "error, corrected", "covers")
        rows = [
            (
                row.cause,
                found.said(row.score()),
                _error(row.snr_db),
                found.said(row.score(corrected=True)),
                _error(row.snr_corrected_db),
                row.covers,
            )
            for row in found.rows
        ]
        return f"<p>{text(words)}</p>{table(head, rows)}"
    words += (
        f" Points are lost or won against the float network on the same {n:,} samples. 'Noise' stands where "
        "the 95 % interval over these samples includes no change."
    )
    rows = [
        (
            row.cause,
            found.said(row.score()),
            _lost(row.lost, row.won, n),
            _error(row.snr_db),
            _lost(row.lost_corrected, row.won_corrected, n),
            _error(row.snr_corrected_db),
            row.covers,
        )
        for row in found.rows
    ]
    columns = ("cause", "accuracy", "points", "error", "points, corrected", "error, corrected", "covers")
    return f"<p>{text(words)}</p>{table(columns, rows)}"


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

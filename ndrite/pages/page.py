"""The page: one HTML file without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

import base64
from typing import Any

from emulator.device.description import Chip
from emulator.network import Named, Ndr, Sampled
from emulator.spec.notebook import table, text
from ndrite.intervals import percent
from ndrite.pages.cost import cost_section
from ndrite.pages.figures import Figure, svg
from ndrite.pages.run import Report
from ndrite.pages.style import STYLE

TITLES = {
    "confusion": "Labels against answers of the golden model",
    "errors": "Output signal-to-noise ratio with one cause of error at a time",
    "curves": "Neuron curves before and after training, and as tables on the chip",
    "cells": "Conductances of the cell pairs and their programming error",
    "tiles": "Layers on the array",
    "timeline": "What each block did during one inference",
}


def page(report: Report, drawn: dict[str, Figure]) -> str:
    """The whole file."""
    program = report.subject.program
    sections = [
        ("chip", "Chip", _chip(report.subject.die.chip)),
        ("network", "Network", _network(report)),
        ("accuracy", "Accuracy", _accuracy(report) + _shown("confusion", drawn)),
        ("errors", "Where the accuracy goes", _errors(report) + _shown("errors", drawn)),
        ("neurons", "Neurons", _shown("curves", drawn) or "<p>No hidden layer.</p>"),
        ("cells", "Cells", _shown("cells", drawn)),
        ("tiles", "Tiles", _shown("tiles", drawn)),
        ("cycles", "Cycles", _cycles(report) + _shown("timeline", drawn)),
        ("cost", "Cost", cost_section(report.cost)),
        ("board", "Board", _board(report)),
        ("provenance", "Provenance", table(("what", "value"), report.provenance.items())),
    ]
    links = "".join(f'<a href="#{key}">{text(title)}</a>' for key, title, _ in sections)
    body = "".join(
        f'<section id="{key}"><h2>{text(title)}</h2>{content}</section>' for key, title, content in sections
    )
    name = text(f"{program.name} on {report.subject.die.chip.name}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{name}</title><style>{STYLE}</style></head>\n'
        f"<body><header><h1>{name}</h1>{_headline(report)}<nav>{links}</nav></header>\n"
        f"<main>{body}</main></body></html>\n"
    )


def _headline(report: Report) -> str:
    figures = [
        (f"{100 * report.accuracy_float:.2f} %", "float software"),
        (f"{100 * report.accuracy_golden:.2f} %", "golden model"),
        (f"{report.images:,}", "inputs"),
    ]
    if report.trace is not None:
        figures.append((f"{report.trace.cycles:,}", "clock cycles an inference (simulated)"))
    cards = "".join(f"<div><b>{text(value)}</b><span>{text(what)}</span></div>" for value, what in figures)
    return f'<div class="figures">{cards}</div>'


def _chip(chip: Chip) -> str:
    rows = []
    for section, fields in chip.as_dict().items():
        if not isinstance(fields, dict) or section == "sources":
            continue
        for field, value in fields.items():
            name = f"{section}.{field}"
            rows.append((name, _plain(value), chip.sources.get(name, "default")))
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
    )


def _accuracy(report: Report) -> str:
    right = report.confusion.diagonal()
    total = report.confusion.sum(axis=1)
    worst = min(range(len(total)), key=lambda c: right[c] / total[c] if total[c] else 2.0)
    golden = percent(report.accuracy_golden, report.images)
    floats = percent(report.accuracy_float, report.images)
    lost = 100 * (report.accuracy_float - report.accuracy_golden)
    return (
        f"<p>{golden} of {report.images:,} inputs on the golden model (read-noise seed {report.seed}), "
        f"{floats} "
        f"in float software: a loss of {lost:.2f} points. In "
        f"brackets: 95 % over inputs, of this one chip. Fewest right answers: class "
        f"{worst}, "
        f"{right[worst]} of {total[worst]}.</p>"
    )


def _errors(report: Report) -> str:
    rows = [
        (
            row.cause,
            f"{100 * row.accuracy:.2f} %",
            f"{row.snr_db:.1f}",
            "" if row.accuracy_corrected is None else f"{100 * row.accuracy_corrected:.2f} %",
            "" if row.snr_corrected_db is None else f"{row.snr_corrected_db:.1f}",
            row.covers,
        )
        for row in report.explanation.rows
    ]
    return table(("cause", "accuracy", "SNR dB", "corrected", "SNR dB", "covers"), rows)


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
        f'<figure><img alt="{title}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{title}</figcaption></figure>"
    )


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple) and len(value) > 6:
        return f"{len(value)} values"
    return str(value)

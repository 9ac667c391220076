"""What a chip costs: published chips through the account, programs of the zoo on presets, the neuron's LAE.

Nothing is measured on hardware here; published figures are, by those who published them.
"""

from __future__ import annotations

import warnings
from typing import Any

from emulator.device.description import load_chip
from emulator.errors import CompileWarning
from emulator.mapping import map_network
from emulator.network import load_network, zoo
from ndrite.costs import ACCOUNTINGS, account_of, load_constants
from ndrite.costs.neuron import NAMES, report
from ndrite.costs.published import chips, compare
from ndrite.experiments.runner import Table
from ndrite.labelled import CALIBRATION_SAMPLES, judging_set

PRESETS = ("wan2022", "dendritic-ndr", "ibm-cmo-hfox-2", "milo2021")
SAMPLES = 100
NODES = (130.0, 32.0)


def runs(smoke: bool) -> list[dict[str, Any]]:
    """Every published point, every preset, the neuron at two nodes; nothing is drawn but dies."""
    found: list[dict[str, Any]] = [
        {"what": "published", "name": name, "point": i, "seed": 0}
        for name, chip in chips().items()
        for i in range(len(chip["points"]))
    ]
    found += [
        {"what": "program", "name": name, "point": 0, "seed": 0} for name in PRESETS[: 1 if smoke else 4]
    ]
    found += [
        {"what": "neuron", "name": f"{node:g} nm", "point": i, "seed": 0} for i, node in enumerate(NODES)
    ]
    return found


def run(what: str, name: str, point: int, seed: int) -> dict[str, Any]:
    """One line of a table."""
    constants = load_constants()
    if what == "published":
        return compare(name, point, constants)
    if what == "neuron":
        return report(constants.on(NODES[point]))
    network = load_network(zoo.float_network())
    x, _ = judging_set("fashion-mnist")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        program, die, _ = map_network(network, load_chip(name), x[:CALIBRATION_SAMPLES], seed=seed)
    samples = x[CALIBRATION_SAMPLES : CALIBRATION_SAMPLES + SAMPLES]
    found = account_of(program, die, samples, constants).as_dict()
    return {key: value for key, value in found.items() if key not in ("entries", "steps")}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Published against modelled; programs on presets; the neuron."""
    published = [
        (
            r["chip"],
            r["point"],
            f"{r['published_tops_per_W']:.3g}",
            _ranged(r["tops_per_W"]),
            f"{r['factor']:.2f}",
            "yes" if r["inside"] else "no",
            f"{r['published_core_mm2']:.3g}",
            _ranged(r["core_mm2"]),
            ", ".join(f"{c} {s:.0%}" for c, s in r["shares"].items() if s >= 0.005),
        )
        for r in results
        if r["what"] == "published"
    ]
    programs = [
        (
            r["chip"],
            _ranged(r["total"]["energy_pJ"], 1e-3),
            _ranged(r["total"]["latency_ns"], 1e-3),
            _ranged(r["total"]["area_um2"], 1e-6),
            _ranged(r["tops_per_W"]),
            ", ".join(
                f"{c['component']} {c['energy_pJ']['typical'] / r['total']['energy_pJ']['typical']:.0%}"
                for c in r["components"]
            ),
        )
        for r in results
        if r["what"] == "program"
    ]
    neurons = [
        (
            r["name"],
            NAMES[line["neuron"]],
            line["against"],
            *(f"{line[a]:.2g}" for a in ("typical", "low", "high")),
            f"{line['least']:.2g} .. {line['greatest']:.2g}",
            f"{line['quoted']:.3g}",
        )
        for r in results
        if r["what"] == "neuron"
        for line in r["ratios"]
    ]
    head = "modelled typical (low .. high)"
    return [
        Table(
            "published chips and the account of them, modelled",
            (
                "chip",
                "point",
                "TOPS/W published",
                head,
                "modelled / published",
                "inside the range",
                "core mm2",
                "core mm2, modelled",
                "energy, modelled",
            ),
            published,
        ),
        Table(
            "784-128-10 on presets, 130 nm, one inference, modelled",
            ("chip", "energy, nJ", "latency, us", "area, mm2", "TOPS/W", "energy by component"),
            programs,
        ),
        Table(
            "LAE of a CMOS activation over the NDR neuron's, modelled",
            ("node", "neuron", "against CMOS", "typical", "low", "high", "widest", "paper quotes"),
            neurons,
        ),
    ]


def draw(results: list[dict[str, Any]], figure: Any) -> None:
    """Modelled TOPS/W, with its range, over published."""
    ax = figure.subplots()
    for name, colour in (("neurram", "#4477aa"), ("hermes", "#cc3311")):
        group = [r for r in results if r["what"] == "published" and r["name"] == name]
        x = [r["published_tops_per_W"] for r in group]
        y = [r["tops_per_W"]["typical"] for r in group]
        below = [v - r["tops_per_W"]["low"] for v, r in zip(y, group, strict=True)]
        above = [r["tops_per_W"]["high"] - v for v, r in zip(y, group, strict=True)]
        ax.errorbar(x, y, yerr=(below, above), fmt="o", color=colour, capsize=2, label=name)
    ends = [1.5, 80.0]
    ax.fill_between(
        ends, [v / 2 for v in ends], [2 * v for v in ends], color="#dddddd", label="factor of two"
    )
    ax.plot(ends, ends, color="black", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="published TOPS/W", ylabel="modelled TOPS/W")
    ax.set_xticks([2, 5, 10, 20, 50])
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.legend(fontsize=8)


def _ranged(value: dict[str, float], unit: float = 1.0) -> str:
    low, typical, high = (f"{unit * value[a]:.3g}" for a in ACCOUNTINGS)
    return f"{typical} ({low} .. {high})"

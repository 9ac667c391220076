"""What a chip costs: published chips through the account, programs of the zoo on presets, the neuron's LAE.

Nothing is measured on hardware here; published figures are, by those who published them.
"""

from __future__ import annotations

from typing import Any

from emulator.device.description import load_chip
from emulator.network import load_network, zoo
from ndrite.costs import account_of, load_constants
from ndrite.costs.neuron import NAMES, report
from ndrite.labelled import CALIBRATION_SAMPLES, judging_set
from studies import dies, runs, table
from studies.cores import chips, compare
from studies.energy import ranged, shares
from studies.runs import Runs

OVER = "none: ranges of the account's constants"
PRESETS = ("wan2022", "dendritic-ndr", "ibm-cmo-hfox-2", "milo2021")
SAMPLES = 100
NODES = (130.0, 32.0)
MODELLED = "modelled typical (low .. high)"


def grid(smoke: bool) -> Runs:
    """Every published point, every preset, the neuron at two nodes; nothing is drawn but dies."""
    found = [("published", name, i) for name, chip in chips().items() for i in range(len(chip["points"]))]
    found += [("program", name, 0) for name in PRESETS[: 1 if smoke else 4]]
    found += [("neuron", f"{node:g} nm", i) for i, node in enumerate(NODES)]
    return [{"what": what, "name": name, "point": i, "seed": 0} for what, name, i in found]


def run(what: str, name: str, point: int, seed: int) -> dict[str, Any]:
    """One line of a table."""
    constants = load_constants()
    if what == "published":
        return compare(name, point, constants)
    if what == "neuron":
        return report(constants.on(NODES[point]))
    x, _ = judging_set("fashion-mnist")
    made = dies.make(load_network(zoo.float_network()), load_chip(name), seed, x[:CALIBRATION_SAMPLES])
    samples = x[CALIBRATION_SAMPLES : CALIBRATION_SAMPLES + SAMPLES]
    found = account_of(made.program, made.die, samples, constants).as_dict()
    return {key: value for key, value in found.items() if key not in ("entries", "steps")}


def tables(found: Runs) -> list[table.Table]:
    """Published against modelled; programs on presets; the neuron."""
    published = {(r["chip"], r["point"]): r for r in runs.where(found, what="published")}
    programs = {(r["chip"],): r for r in runs.where(found, what="program")}
    neurons = {
        (r["name"], NAMES[line["neuron"]], line["against"]): line
        for r in runs.where(found, what="neuron")
        for line in r["ratios"]
    }
    of_published = {
        "TOPS/W published": lambda r: f"{r['published_tops_per_W']:.3g}",
        MODELLED: lambda r: ranged(r["tops_per_W"]),
        "modelled / published": lambda r: f"{r['factor']:.2f}",
        "inside the range": lambda r: "yes" if r["inside"] else "no",
        "core mm2": lambda r: f"{r['published_core_mm2']:.3g}",
        "core mm2, modelled": lambda r: ranged(r["core_mm2"]),
        "energy, modelled": shares,
    }
    of_program = {
        "energy, nJ": lambda r: ranged(r["total"]["energy_pJ"], 1e-3),
        "latency, us": lambda r: ranged(r["total"]["latency_ns"], 1e-3),
        "area, mm2": lambda r: ranged(r["total"]["area_um2"], 1e-6),
        "TOPS/W": lambda r: ranged(r["tops_per_W"]),
        "energy by component": by_component,
    }
    of_neuron: dict[str, Any] = {
        "range": lambda line: f"{line['least']:.2g} .. {line['greatest']:.2g}",
        "the NDR neuron is": lambda line: line["verdict"],
        "typical": lambda line: f"{line['typical']:.2g}",
        "paper quotes": lambda line: f"{line['quoted']:.3g}",
    }
    title = "published chips and the account of them, modelled"
    on_presets = "784-128-10 on presets, 130 nm, one inference, modelled"
    lae = "LAE of a CMOS activation over the NDR neuron's, modelled, 1.2 V, one speed for both"
    return [
        table.table(title, ("chip", "point"), published, of_published),
        table.table(on_presets, ("chip",), programs, of_program),
        table.table(lae, ("node", "neuron", "against CMOS"), neurons, of_neuron),
    ]


def by_component(r: dict[str, Any]) -> str:
    """Typical parts of the energy."""
    total = r["total"]["energy_pJ"]["typical"]
    return ", ".join(f"{c['component']} {c['energy_pJ']['typical'] / total:.0%}" for c in r["components"])


def draw(found: Runs, figure: Any) -> None:
    """Modelled TOPS/W, with its range, over published."""
    ax = figure.subplots()
    for (name,), group in runs.by(runs.where(found, what="published"), "name").items():
        x = [r["published_tops_per_W"] for r in group]
        low, y, high = ([r["tops_per_W"][a] for r in group] for a in ("low", "typical", "high"))
        error = [[b - a for a, b in zip(*ends, strict=True)] for ends in ((low, y), (y, high))]
        ax.errorbar(x, y, yerr=error, fmt="o", capsize=2, label=name)
    ends = (1.5, 80.0)
    ax.fill_between(
        ends, [v / 2 for v in ends], [2 * v for v in ends], color="#dddddd", label="factor of two"
    )
    ax.plot(ends, ends, color="black", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="published TOPS/W", ylabel="modelled TOPS/W")
    ax.legend(fontsize=8)

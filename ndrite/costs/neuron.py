"""Latency x area x energy of one activation, from the account's parts, against digital and analog CMOS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ndrite.costs.account import MODELLED
from ndrite.costs.constants import ACCOUNTINGS, REFERENCES, Constants, Triple
from ndrite.costs.parts import NEURON_BITS, Cost, adc, buffer, dac, device
from ndrite.results import Table

NAMES = {
    "digital": "digital CMOS: column ADC, table",
    "table": "digital CMOS: table alone",
    "analog": "analog CMOS circuit",
    "ndr": "NDR + ECRAM alone",
    "ndr, analog readout": "NDR + ECRAM, buffer before it",
    "ndr, adc readout": "NDR + ECRAM, column ADC and DAC before it, ADC behind it",
}
NDR = ("ndr", "ndr, analog readout", "ndr, adc readout")


def paths(constants: Constants) -> dict[str, Cost]:
    """Ways to compute one activation; parts follow one another, so latencies, energies and areas add."""
    k, zero = constants, np.zeros(3)
    converter = adc(NEURON_BITS, k)
    table = Cost(k["table_pJ"], k["cycle_ns"], k["table_um2"])
    neuron = device(k, k["ndr_peak_V"], k["ndr_peak_mA"])
    return {
        "digital": converter + table,
        "table": table + Cost(zero, zero, zero),
        "analog": Cost(k["circuit_pJ"], k["circuit_ns"], k["circuit_um2"]),
        "ndr": neuron,
        "ndr, analog readout": buffer(k) + neuron,
        "ndr, adc readout": converter + dac(k) + neuron + converter,
    }


def lae(cost: Cost) -> Triple:
    """Latency x area x energy, ns um2 pJ."""
    return np.asarray(cost.latency_ns * cost.area_um2 * cost.energy_pJ, np.float64)


def report(constants: Constants) -> dict[str, Any]:
    """Paths, and how much larger a reference's LAE is than the NDR neuron's, each way.

    Both are taken under the same accounting; ``least`` and ``greatest`` pair one's low with the other's high.
    ``quoted`` is the paper's ratio: its circuits and its definition of LAE are not public.
    """
    found = paths(constants)
    products = {name: lae(cost) for name, cost in found.items()}
    ratios = [
        {
            "basis": MODELLED,
            "neuron": neuron,
            "against": reference,
            "quoted": constants.quoted[reference],
            **{a: _over(products[reference][i], products[neuron][i]) for i, a in enumerate(ACCOUNTINGS)},
            "least": _over(products[reference][0], products[neuron][2]),
            "greatest": _over(products[reference][2], products[neuron][0]),
        }
        for neuron in NDR
        for reference in REFERENCES
    ]
    return {
        "basis": MODELLED,
        "node_nm": constants.node_nm,
        "paths": [
            {
                "basis": MODELLED,
                "path": name,
                "accounting": a,
                "latency_ns": float(cost.latency_ns[i]),
                "area_um2": float(cost.area_um2[i]),
                "energy_pJ": float(cost.energy_pJ[i]),
                "lae": float(products[name][i]),
            }
            for name, cost in found.items()
            for i, a in enumerate(ACCOUNTINGS)
        ],
        "ratios": ratios,
    }


def tables(found: dict[str, Any]) -> Iterable[Table]:
    """A report in words."""
    quantities = ("latency_ns", "area_um2", "energy_pJ", "lae")
    rows = [
        (NAMES[p["path"]], p["accounting"], *(f"{p[q]:.4g}" for q in quantities), p["basis"])
        for p in found["paths"]
    ]
    header: tuple[str, ...] = ("path", "accounting", "latency, ns", "area, um2", "energy, pJ", "LAE", "basis")
    yield Table(f"one activation, {found['node_nm']:g} nm", header, rows)
    ratios = [
        (
            NAMES[r["neuron"]],
            r["against"],
            *(f"{r[a]:.3g}" for a in ACCOUNTINGS),
            f"{r['least']:.2g} .. {r['greatest']:.2g}",
            f"{r['quoted']:.3g}",
            r["basis"],
        )
        for r in found["ratios"]
    ]
    header = ("neuron", "against CMOS", *ACCOUNTINGS, "widest", "paper quotes", "basis")
    yield Table("how many times the CMOS circuit's LAE is the NDR neuron's", header, ratios)


def _over(a: float, b: float) -> float | None:
    return float(a / b) if b > 0 else None

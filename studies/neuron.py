"""Latency x area x energy of one activation, from the account's parts, against
digital and analog CMOS.

An activation leads from a column's current to the voltage of a row of the next array.
Every way to it has the same time, ``activation_ns``: a static current flows so long,
and the product goes with the square of it.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ndrite.costs.constants import Constants, Triple, load_constants
from ndrite.costs.parts import MODELLED, NONE, Cost, adc, buffer, dac, device, ranged, sum_of, words_of
from studies.runs import Row, Runs
from studies.table import Table

QUOTED = {"digital": 516.0, "analog": 1.3e5}
"""Reference circuit -> by which factor the NDR neuron is better, according to the
abstract of 10.1002/adfm.202405618."""
GROUP = 128
"""Number of columns of an array, which is the most that one digital lookup table serves."""
NAMES = {
    "digital": "digital CMOS: column ADC, shared table, row DAC",
    "analog": "analog CMOS: column buffer, circuit, row driver",
    "ndr": "NDR + ECRAM: column buffer, device, buffer behind it, row driver",
    "ndr with converters": "NDR + ECRAM between converters: in place of the table alone",
}
SHOWN = ("area_um2", "energy_pJ")
NDR = ("ndr", "ndr with converters")


def shared_by(constants: Constants) -> Triple:
    """Return how many columns can share one lookup table: as many as cycles fit in an
    activation's time, at most the columns of an array."""
    done = np.floor(constants["activation_ns"] / constants["cycle_ns"])
    return np.asarray(np.clip(done, 1, GROUP), np.float64)


def paths(constants: Constants) -> dict[str, dict[str, Cost]]:
    """Return the circuits that can compute one activation, with the cost of their
    parts. A time in them is that of the whole activation; energies and areas of
    the parts add up."""
    k = constants
    converter, row, driver = adc(k), dac(k), buffer(k)
    table = Cost(k["table_pJ"], NONE, k["table_um2"] / shared_by(k))
    # 1 uW x 1 ns is 1 fJ.
    circuit = Cost(k["circuit_uW"] * k["activation_ns"] * 1e-3, NONE, k["circuit_um2"])
    neuron = device(k, k["ndr_peak_mA"])
    before = {"column ADC": converter}
    return {
        "digital": before | {"table": table, "row DAC": row},
        "analog": {"column buffer": driver, "circuit": circuit, "row driver": driver},
        "ndr": {"column buffer": driver, "device": neuron, "second buffer": driver, "row driver": driver},
        "ndr with converters": before | {"DAC": row, "device": neuron, "ADC": converter, "row DAC": row},
    }


def run(node_nm: float, seed: int) -> Row:
    """Return the area, energy and latency of all circuits at one technology node, and
    the ratios between circuits."""
    return report(load_constants().on(node_nm))


def report(constants: Constants) -> dict[str, Any]:
    """Return the parts of all circuits, and for each reference circuit the ratio of its
    latency x area x energy to that of the NDR neuron.

    ``typical`` is of the typical accounting; ``least`` and ``greatest`` pair one's low
    with the other's high, but for parts that both have, which are the same in both;
    ``verdict`` follows from them alone. ``quoted`` is the paper's ratio: its circuits
    and its definition of LAE are not public.
    """
    ns, costs = constants["activation_ns"], paths(constants)
    totals = {name: sum_of(parts.values()) for name, parts in costs.items()}
    return {
        "basis": MODELLED,
        "node_nm": constants.node_nm,
        "supply_V": float(constants["supply_V"][1]),
        "speed_ns": float(ns[1]),
        "table_shared_by": ranged(shared_by(constants)),
        "paths": [
            {
                "path": name,
                "latency_ns": ranged(ns),
                **totals[name].as_dict(*SHOWN),
                "lae": ranged(np.asarray(ns * totals[name].area_um2 * totals[name].energy_pJ, np.float64)),
                "parts": [{"part": part, **cost.as_dict(*SHOWN)} for part, cost in parts.items()],
            }
            for name, parts in costs.items()
        ],
        "ratios": [
            _ratio(costs, totals, neuron, reference) | {"quoted": quoted}
            for neuron in NDR
            for reference, quoted in QUOTED.items()
        ],
    }


def _ratio(
    found: dict[str, dict[str, Cost]], totals: dict[str, Cost], neuron: str, reference: str
) -> dict[str, Any]:
    shared_cost = sum_of(found[neuron][part] for part in found[neuron].keys() & found[reference])
    three = [
        [getattr(cost, name) for cost in (shared_cost, totals[reference], totals[neuron])] for name in SHOWN
    ]

    def over(common: int, a: int, b: int) -> list[float]:
        """Return the ratios of area and energy, reference to neuron. ``common``, ``a``
        and ``b`` select low, typical or high values (0, 1, 2) for the shared parts, the
        reference's own parts and the neuron's own parts."""
        return [
            float((c[common] + (reference_cost[a] - c[a])) / (c[common] + (neuron_cost[b] - c[b])))
            for c, reference_cost, neuron_cost in three
        ]

    area, energy = over(1, 1, 1)
    lowest = min(math.prod(over(common, 0, 2)) for common in range(3))
    greatest = max(math.prod(over(common, 2, 0)) for common in range(3))
    return {
        "basis": MODELLED,
        "neuron": neuron,
        "against": reference,
        "typical": area * energy,
        "least": lowest,
        "greatest": greatest,
        "verdict": "better" if lowest > 1 else "worse" if greatest < 1 else "cannot be told",
        "typical_by": {"latency": 1.0, "area": area, "energy": energy},
    }


def tables(of: Runs) -> list[Table]:
    """Return, for each technology node, tables of the parts of every circuit and of the
    ratios between circuits."""
    return [table for result in of for table in _words(result)]


def _words(found: dict[str, Any]) -> Iterable[Table]:
    rows = [
        (
            NAMES[p["path"]] if line is p else f"  {line['part']}",
            *(words_of(line[name].values()) for name in SHOWN),
            line["basis"],
        )
        for p in found["paths"]
        for line in (p, *p["parts"])
    ]
    conditions = (
        f"{found['node_nm']:g} nm, currents from {found['supply_V']:g} V, {found['speed_ns']:g} ns each way"
    )
    parts = ("path and parts", "area, um2", "energy, pJ", "basis")
    yield Table(f"one activation, {conditions}; typical (low .. high)", parts, rows)
    ratios = [
        (
            NAMES[r["neuron"]],
            r["against"],
            f"{r['least']:.2g} .. {r['greatest']:.2g}",
            r["verdict"],
            f"{r['typical']:.2g} = {r['typical_by']['area']:.2g} x {r['typical_by']['energy']:.2g}",
            f"{r['quoted']:.3g}",
            r["basis"],
        )
        for r in found["ratios"]
    ]
    header = ("neuron", "against CMOS", "range", "the NDR neuron is", "typical = area x energy")
    title = "how many times the CMOS way's LAE is the NDR neuron's"
    yield Table(title, (*header, "paper quotes", "basis"), ratios)

"""What decides: the loss by cause of one network on three chips, effects that are off
by default included."""

from collections.abc import Callable

import numpy as np

from ndrite.emulator.mapping.explain import CAUSES, explain
from ndrite.emulator.network import load_network
from ndrite.emulator.network.zoo import float_network
from studies import dies, table
from studies.data import learning_data
from studies.runs import Row, Runs, by

NETWORKS = {
    "wan2022": "float-fashion-mnist-784-128-10.npz",
    "joshi2020": "float-fashion-mnist-784-128-10.npz",
    "dendritic-analog": "float-fashion-mnist-784-128-10-dendritic.npz",
}
"""Chip -> network. Chips with converters compute ReLUs exactly; the analog chip has the
network trained on its neurons."""
ADDED = {
    "cell__telegraph_percent": 10.0,
    "cell__telegraph_step_percent": 10.0,
    "cell__telegraph_dwell": 100.0,
    "array__wire_resistance_ohm": 1.0,
    "array__wire_capacitance_fF": 1.0,
    "array__read_time_ns": 0.02,
    "readout__compression_percent": 5.0,
}
"""Effects that no preset has, at illustrative values."""


def run(chip: str, seed: int, samples: int) -> Row:
    """Return how many percentage points of accuracy one die loses by each cause of
    error alone, without correction and with corrected columns."""
    network = load_network(float_network().with_name(NETWORKS[chip]))
    typical, _, x, labels = learning_data(samples)
    fields = dict(ADDED)
    if chip == "joshi2020":
        fields |= {"conditions__time_since_programming_s": 86400.0}
    described = dies.changed(chip, **fields)
    mapped = dies.make(network, described, seed, typical[-dies.SAMPLES :])
    result = explain(
        network, mapped.program, mapped.die, typical[-dies.SAMPLES :], x, np.asarray(labels), seed=seed
    )
    lost = {row.cause: 100 * (result.reference - row.score) for row in result.rows}
    corrected = {row.cause: 100 * (result.reference - (row.score_corrected or 0.0)) for row in result.rows}
    return {"lost": lost, "corrected": {cause: corrected[cause] for cause in CAUSES}}


def tables(of: Runs) -> list[table.Table]:
    """Return tables with one row per cause of error, largest loss first, and
    one column per chip."""
    chips = {key[0]: runs for key, runs in by(of, "chip").items()}
    causes = sorted(
        CAUSES, key=lambda cause: -max(np.mean([r["lost"][cause] for r in runs]) for runs in chips.values())
    )

    def column(kind: str, chip: str) -> Callable[[str], str]:
        return lambda cause: table.over_seeds([r[kind][cause] for r in chips[chip]])

    words = {"lost": "as programmed", "corrected": "columns corrected"}
    return [
        table.table(
            f"points lost by each cause alone, {words[kind]}",
            ("cause",),
            {(cause,): cause for cause in causes},
            {chip: column(kind, chip) for chip in chips},
        )
        for kind in words
    ]

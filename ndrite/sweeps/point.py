"""point: what a worker does for one combination: compile, program, run, judge."""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from emulator.device.description import parse_chip
from emulator.errors import CompileWarning
from emulator.mapping import MapOptions, map_network
from emulator.network import Network
from emulator.spec.campaign import Campaign
from ndrite.costs import account_of
from ndrite.inputs import encode
from ndrite.intervals import mean_interval
from ndrite.labelled import check_classes, chosen_data_set, judging_set
from ndrite.sources import MODELS, network_of
from ndrite.sweeps.plan import Point
from ndrite.url import connect

COST_SAMPLES = 32
"""Samples that a point's cost is counted on."""


def run_point(point: Point, board_url: str) -> dict[str, Any]:
    """Row of the results: the point's axes and what it gave, plain values.

    The first ``samples`` samples calibrate; accuracy is measured on the ``count`` after them. They are the
    plan's, else the test samples of the data set that the network names. Raises SweepError when a file is no
    longer the plan's, and what compiling and the board raise.
    """
    began = time.monotonic()
    network = _network(point)
    if point.inputs is None or point.labels is None:
        name = chosen_data_set(network.meaning, network.inputs, None, "inputs and labels in the plan")
        x, labels = judging_set(name)
    else:
        given = encode(point.inputs.array(), network.meaning, network.inputs, what=point.inputs.path)
        x, labels = given.codes, point.labels.array()
        check_classes(labels, len(x), network.outputs, point.labels.path)
    chip = parse_chip(point.chip)
    measured = slice(point.samples, point.samples + point.count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        compiled = map_network(
            network, chip, x[: point.samples], seed=point.seed, options=MapOptions(nominal=point.chips > 0)
        )
    x, labels = x[measured], labels[measured]
    with connect(board_url) as board:
        board.program(compiled.program)
        if point.chips:
            plan = Campaign(chips=point.chips, trials=point.trials, seed=point.seed)
            result = board.campaign(x, labels, plan)
            accuracy = result.accuracy_per_chip
        else:
            logits = board.infer(x, seed=point.seed)
            accuracy = np.array([(logits.argmax(axis=1) == labels).mean()])
    mean, half = mean_interval(accuracy)
    cost = account_of(compiled.program, compiled.die, x[:COST_SAMPLES]).total
    return {
        "key": point.key,
        **{name: _plain(value) for name, value in point.axes},
        "count": len(x),
        "trials": point.trials,
        "chips": len(accuracy),
        "accuracy": mean,
        "accuracy_half_interval_95": half,
        "accuracy_min": float(accuracy.min()),
        "accuracy_max": float(accuracy.max()),
        "accuracy_float": network.accuracy(x, labels),
        "snr_db": float(compiled.report.layers[-1].snr_db),
        "programmed_error": float(compiled.report.layers[0].programmed_error),
        **{name: float(getattr(cost, name)[1]) for name in ("energy_pJ", "latency_ns", "area_um2")},
        "tag": f"{compiled.program.tag:08x}",
        "board": board_url,
        "seconds": time.monotonic() - began,
    }


def _network(point: Point) -> Network:
    """The network in a file that is read once: what is computed with is what was checked."""
    typical = None if point.inputs is None else point.inputs.array()[: point.samples]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(point.network.path).name
        copy.write_bytes(point.network.read())
        return network_of(copy, typical if copy.suffix in MODELS else None)[0]


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)

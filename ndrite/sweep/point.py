"""point: what a worker does for one combination: compile, program, run, judge."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from emulator.chips import parse_chip
from emulator.compile import compile_network
from emulator.errors import CompileWarning
from emulator.network import load_network
from ndrite.campaign import mean_interval
from ndrite.labelled import chosen_data_set, test_set
from ndrite.sweep.plan import Point
from ndrite.url import connect


def run_point(point: Point, board_url: str) -> dict[str, Any]:
    """Row of the results: the point's axes and what it gave, plain values.

    The first ``samples`` shipped test images calibrate; accuracy is measured on the ``images`` after them.
    Raises what compiling and the board raise.
    """
    began = time.monotonic()
    network = load_network(point.network)
    x, labels = test_set(
        chosen_data_set(network.provenance, network.inputs, None, "inputs and labels in the plan")
    )
    chip = parse_chip(point.chip)
    measured = slice(point.samples, point.samples + point.images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileWarning)
        compiled = compile_network(
            network, chip, x[: point.samples], seed=point.seed, nominal=point.chips > 0
        )
    x, labels = x[measured], labels[measured]
    with connect(board_url) as board:
        board.program(compiled.image)
        if point.chips:
            result = board.campaign(x, labels, chips=point.chips, draws=point.draws, seed=point.seed)
            accuracy = result.accuracy_per_chip
        else:
            logits = board.infer(x, seed=point.seed)
            accuracy = np.array([(logits.argmax(axis=1) == labels).mean()])
    mean, half = mean_interval(accuracy)
    return {
        "key": point.key,
        **{name: _plain(value) for name, value in point.axes},
        "images": len(x),
        "draws": point.draws,
        "chips": len(accuracy),
        "accuracy": mean,
        "accuracy_half_interval_95": half,
        "accuracy_min": float(accuracy.min()),
        "accuracy_max": float(accuracy.max()),
        "snr_db": float(compiled.report.layers[-1].snr_db),
        "programmed_error": float(compiled.report.layers[0].programmed_error),
        "tag": f"{compiled.image.tag:08x}",
        "board": board_url,
        "seconds": time.monotonic() - began,
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)

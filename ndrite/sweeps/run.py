"""run: the points of a sweep, each compiled and judged, and the table of all."""

import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.boards.golden import GoldenBoard
from ndrite.compiled import MODELS, network_of
from ndrite.costs.account import account_of
from ndrite.emulator.device.description import parse_chip
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Network
from ndrite.emulator.network.importing.original import extra
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.task import ACCURACY
from ndrite.emulator.spec.variation import Campaign
from ndrite.files import encode
from ndrite.host import InputWarning
from ndrite.intervals import mean_interval
from ndrite.labels import read_labels
from ndrite.runs import File, execute
from ndrite.runs.engine import Share
from ndrite.runs.workers import Workers
from ndrite.samples import chosen_data_set, judging_set
from ndrite.sweeps.plan import Plan, SweepError

COST_SAMPLES = 32
"""Samples that a point's cost is counted on."""


def run_point(
    *,
    network: File,
    inputs: File | None,
    labels: File | None,
    chip: dict[str, Any],
    seed: int,
    count: int,
    trials: int,
    chips: int,
    samples: int,
) -> dict[str, Any]:
    """Compile and judge one point; its row of results, plain values.

    The first ``samples`` samples calibrate; accuracy is measured on the ``count`` after them. They are the
    plan's, else the test samples of the data set that the network names. Raises SweepError when a file is no
    longer the plan's, and what compiling raises.
    """
    began = time.monotonic()
    floats = _network(network, inputs, samples)
    if inputs is None or labels is None:
        name = chosen_data_set(floats.meaning, floats.inputs, None, "inputs and labels in the plan")
        x, raw_labels = judging_set(name)
        needed = samples + count
        if len(x) < needed:
            raise SweepError(
                f"samples + count is {needed}; accepted: at most {len(x)}, the test samples of {name}"
            )
    else:
        with warnings.catch_warnings(action="ignore", category=InputWarning):
            x = encode(inputs.array(), floats, what=inputs.path)
        raw_labels = labels.array()
        if len(raw_labels) != len(x):
            raise SweepError(f"{labels.path}: {len(raw_labels)} rows; accepted: {len(x)}, one per input")
    name = "labels" if labels is None else labels.path
    truth, task = read_labels(raw_labels, floats.meaning, floats.map_shapes[-1], name, ACCURACY)
    measured = slice(samples, samples + count)
    with warnings.catch_warnings(action="ignore", category=CompileWarning):
        compiled = map_network(
            floats, parse_chip(chip), x[:samples], seed=seed, options=MapOptions(nominal=chips > 0)
        )
    x, truth, board = x[measured], truth[measured], GoldenBoard()
    board.program(compiled.program)
    if chips and not task.is_vote:
        raise SweepError(f"chips is {chips}; accepted: 0, as outputs are {task.kind} and chips vote")
    if chips:
        plan = Campaign(chips=chips, trials=trials, seed=seed)
        scores = board.campaign(x, truth, plan).accuracy_per_chip
    else:
        outputs = board.infer(x, seed=seed) * (compiled.program.meaning.output_step or 1.0)
        scores = np.array([task.score(outputs, truth)])
    mean, half = mean_interval(scores)
    cost = account_of(compiled.program, compiled.die, x[:COST_SAMPLES]).total
    return {
        "count": len(x),
        "trials": trials,
        "chips": len(scores),
        "accuracy": mean,
        "accuracy_half_interval_95": half,
        "accuracy_min": float(scores.min()),
        "accuracy_max": float(scores.max()),
        "accuracy_float": task.score(floats.forward(x / np.float32(255)), truth),
        "snr_db": float(compiled.report.layers[-1].snr_db),
        "programmed_error": float(compiled.report.layers[0].programmed_error),
        **{name: float(getattr(cost, name)[1]) for name in ("energy_pJ", "latency_ns", "area_um2")},
        "unused": "; ".join(compiled.report.unused),
        "tag": f"{compiled.program.tag:08x}",
        "seconds": time.monotonic() - began,
    }


def _network(network: File, inputs: File | None, samples: int) -> Network:
    """The network in a file that is the plan's before it is read and after."""
    typical = None if inputs is None else inputs.array()[:samples]
    path = Path(network.path)
    network.read()
    floats = network_of(path, typical if path.suffix in MODELS else None)[0]
    network.read()
    return floats


def run_sweep(
    plan: Plan,
    folder: Path,
    workers: Workers,
    *,
    share: Share | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Compute what is missing in ``folder``, then join all rows there, in the plan's order.

    The table of all is ``results.parquet``, written when no row is missing; of a share the rows so far are
    returned. Raises SweepError when points failed, once all others are done, and as ``execute``;
    MissingExtraError without PyArrow.
    """
    needs = "sweeps need pyarrow; install it with"
    arrow, parquet = (extra(name, needs, "sweep") for name in ("pyarrow", "pyarrow.parquet"))
    runs = [point.run for point in plan.points]
    outcome = execute(runs, workers, folder, share=share, progress=progress, say=say)
    if outcome.errors:
        first = min(outcome.errors)
        axes = ", ".join(f"{axis} {value}" for axis, value in plan.points[first].axes)
        raise SweepError(
            f"{len(outcome.errors)} of {len(runs)} points failed, the others are kept; the first, {axes}: "
            f"{outcome.errors[first]}"
        )
    rows = [
        {**dict(point.axes), "key": point.run.key, **row}
        for point, row in zip(plan.points, outcome.rows, strict=True)
        if row is not None
    ]
    if len(rows) == len(runs):
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(rows), buffer)
        write_whole(folder / "results.parquet", buffer.getvalue())
    return rows

"""run: computes the points of a sweep, each compiled and judged, and their table."""

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
from ndrite.costs.parts import Cost
from ndrite.emulator.device.description import parse_chip
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Network
from ndrite.emulator.network.importing.original import extra
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.task import ACCURACY
from ndrite.emulator.spec.variation import Campaign
from ndrite.host import BoardApi, InputWarning
from ndrite.intervals import mean_interval
from ndrite.runs import File, Row, execute
from ndrite.runs.engine import Share
from ndrite.runs.workers import Workers
from ndrite.samples import EvaluationSet, Judged, judged_samples
from ndrite.sweeps.fields import SweepError
from ndrite.sweeps.plan import Plan

COST_SAMPLES = 32
"""Number of samples over which the cost of a point is averaged."""


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
    board: BoardApi | None = None,
) -> Row:
    """Compile and judge one point of a sweep; return its row of results as plain values.

    The first ``samples`` samples calibrate; accuracy is measured on the ``count``
    samples after them. The samples are those of the plan, or else test samples of the
    data set that the network names. ``board``: where the program runs; None: on the
    golden model. Raises SweepError if a file has changed since the plan was read, and
    the errors of compiling.
    """
    began = time.monotonic()
    floats, (x, truth, by, task) = _loaded(network, inputs, labels, samples)
    if len(x) < samples + count:
        accepted = f"at most {len(x)}, the test samples of {by}"
        raise SweepError(f"samples + count is {samples + count}; accepted: {accepted}")
    if chips and not task.is_vote:
        raise SweepError(
            f"chips is {chips}; accepted: 0, since outputs are {task.kind} and virtual chips need classes"
        )
    with warnings.catch_warnings(action="ignore", category=CompileWarning):
        compiled = map_network(
            floats, parse_chip(chip), x[:samples], seed=seed, options=MapOptions(nominal=chips > 0)
        )
    x, truth = x[samples : samples + count], truth[samples : samples + count]
    board = GoldenBoard() if board is None else board
    board.program(compiled.program)
    if chips:
        plan = Campaign(chips=chips, trials=trials, seed=seed)
        scores = board.campaign(x, np.asarray(truth, np.int64), plan).accuracy_per_chip
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
        **quantities(cost),
        "unused": "; ".join(compiled.report.unused),
        "tag": f"{compiled.program.tag:08x}",
        "seconds": time.monotonic() - began,
    }


def quantities(cost: Cost) -> dict[str, float]:
    """Return the typical energy, latency and area of a cost as fields of a row."""
    return {
        "energy_pJ": float(cost.energy_pJ[1]),
        "latency_ns": float(cost.latency_ns[1]),
        "area_um2": float(cost.area_um2[1]),
    }


def _loaded(network: File, inputs: File | None, labels: File | None, samples: int) -> tuple[Network, Judged]:
    """Load the network and the samples; check before and after loading that their files
    have not changed since the plan was read."""
    files = [file for file in (network, inputs, labels) if file is not None]
    for file in files:
        file.read()
    x, y = (None if file is None else file.path for file in (inputs, labels))
    typical = None if inputs is None or Path(network.path).suffix not in MODELS else inputs.array()[:samples]
    floats = network_of(Path(network.path), typical)[0]
    with warnings.catch_warnings(action="ignore", category=InputWarning):
        judged = judged_samples(floats, None, EvaluationSet(x, y, measure=ACCURACY))
    for file in files:
        file.read()
    return floats, judged


def run_sweep(
    plan: Plan,
    folder: Path,
    workers: Workers,
    *,
    share: Share | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Compute the rows of a sweep that are missing in ``folder``, then return all rows
    in the order of the plan.

    The table of all is ``results.parquet``, written when no row is missing; of a share
    the rows so far are returned. Raises RunError when points failed, once all others
    are done, and as ``execute``; MissingExtraError without PyArrow.
    """
    needs = "sweeps need pyarrow; install it with"
    arrow, parquet = (extra(name, needs, "sweep") for name in ("pyarrow", "pyarrow.parquet"))
    runs = [point.run for point in plan.points]
    outcome = execute(runs, workers, folder, share=share, progress=progress, say=say)

    def named(number: int) -> str:
        return ", ".join(f"{axis} {value}" for axis, value in plan.points[number].axes.items())

    outcome.done("points", named)
    rows = [
        {**point.axes, "key": point.run.key, **row}
        for point, row in zip(plan.points, outcome.rows, strict=True)
        if row is not None
    ]
    if len(rows) == len(runs):
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(rows), buffer)
        write_whole(folder / "results.parquet", buffer.getvalue())
    return rows

"""A sweep's points on workers: what each gives in a file of its own, then one table.

A file a point, not one that is appended to: a crash at any moment leaves whole rows or none, and what is
there says what need not be done again.
"""

import contextlib
import io
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ndrite.boards.golden import GoldenBoard
from ndrite.compiled import MODELS, network_of
from ndrite.costs.account import account_of
from ndrite.emulator.device.description import parse_chip
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.network import Network
from ndrite.emulator.network.importing.files import extra
from ndrite.emulator.spec.campaign import Campaign
from ndrite.emulator.spec.files import write_whole
from ndrite.emulator.spec.state_file import load_state, save_state
from ndrite.emulator.spec.task import ACCURACY
from ndrite.files import encode
from ndrite.host import InputWarning
from ndrite.intervals import mean_interval
from ndrite.labels import read_labels
from ndrite.samples import chosen_data_set, judging_set
from ndrite.sweeps.plan import Plan, Point, SweepError

COST_SAMPLES = 32
"""Samples that a point's cost is counted on."""


def run_point(point: Point) -> dict[str, Any]:
    """Row of the results without the point's axes, plain values.

    The first ``samples`` samples calibrate; accuracy is measured on the ``count`` after them. They are the
    plan's, else the test samples of the data set that the network names. Raises SweepError when a file is no
    longer the plan's, and what compiling raises.
    """
    began = time.monotonic()
    network = _network(point)
    if point.inputs is None or point.labels is None:
        name = chosen_data_set(network.meaning, network.inputs, None, "inputs and labels in the plan")
        x, labels = judging_set(name)
        wanted = point.samples + point.count
        if len(x) < wanted:
            raise SweepError(
                f"samples + count is {wanted}; accepted: at most {len(x)}, the test samples of {name}"
            )
    else:
        with warnings.catch_warnings(action="ignore", category=InputWarning):
            x = encode(point.inputs.array(), network, what=point.inputs.path)
        labels = point.labels.array()
        if len(labels) != len(x):
            raise SweepError(f"{point.labels.path}: {len(labels)} rows; accepted: {len(x)}, one per input")
    name = "labels" if point.labels is None else point.labels.path
    labels, task = read_labels(labels, network.meaning, network.map_shapes[-1], name, ACCURACY)
    chip = parse_chip(point.chip)
    measured = slice(point.samples, point.samples + point.count)
    with warnings.catch_warnings(action="ignore", category=CompileWarning):
        compiled = map_network(
            network, chip, x[: point.samples], seed=point.seed, options=MapOptions(nominal=point.chips > 0)
        )
    x, labels, board = x[measured], labels[measured], GoldenBoard()
    board.program(compiled.program)
    if point.chips and not task.is_vote:
        raise SweepError(f"chips is {point.chips}; accepted: 0, as outputs are {task.kind} and chips vote")
    if point.chips:
        plan = Campaign(chips=point.chips, trials=point.trials, seed=point.seed)
        scores = board.campaign(x, labels, plan).accuracy_per_chip
    else:
        outputs = board.infer(x, seed=point.seed) * (compiled.program.meaning.output_step or 1.0)
        scores = np.array([task.score(outputs, labels)])
    mean, half = mean_interval(scores)
    floats = network.forward(x / np.float32(255))
    cost = account_of(compiled.program, compiled.die, x[:COST_SAMPLES]).total
    return {
        "key": point.key,
        "count": len(x),
        "trials": point.trials,
        "chips": len(scores),
        "accuracy": mean,
        "accuracy_half_interval_95": half,
        "accuracy_min": float(scores.min()),
        "accuracy_max": float(scores.max()),
        "accuracy_float": task.score(floats, labels),
        "snr_db": float(compiled.report.layers[-1].snr_db),
        "programmed_error": float(compiled.report.layers[0].programmed_error),
        **{name: float(getattr(cost, name)[1]) for name in ("energy_pJ", "latency_ns", "area_um2")},
        "unused": "; ".join(compiled.report.unused),
        "tag": f"{compiled.program.tag:08x}",
        "seconds": time.monotonic() - began,
    }


def _network(point: Point) -> Network:
    """The network in a file that is the plan's before it is read and after."""
    typical = None if point.inputs is None else point.inputs.array()[: point.samples]
    path = Path(point.network.path)
    point.network.read()
    found = network_of(path, typical if path.suffix in MODELS else None)[0]
    point.network.read()
    return found


Rows = Generator[dict[str, Any], None, None]


def run_sweep(
    plan: Plan, folder: Path, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """Compute what is missing in ``folder``, then join all rows there, in the plan's order.

    A point that is done has a sealed file in ``points``; the table of all is ``results.parquet``.

    ``workers`` local processes; a single one is this process. Raises SweepError, EmulatorError: a point
    failed, or a worker died; those already done stay. Raises StateError naming a file that
    was damaged or edited, MissingExtraError without PyArrow.
    """
    needs = "sweeps need pyarrow; install it with"
    arrow, parquet = (extra(name, needs, "sweep") for name in ("pyarrow", "pyarrow.parquet"))
    held = folder / "points"
    try:
        held.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        accepted = "a folder to write in"
        raise SweepError(f"results folder {folder}: {error.strerror}; accepted: {accepted}") from None
    points, done = {point.key: point for point in plan.points}, {file.stem for file in held.glob("*.row")}
    missing = [point for key, point in points.items() if key not in done]
    tell, before = progress or (lambda done, total: None), len(points) - len(missing)
    tell(before, len(points))
    found = _in_processes(missing, workers) if workers > 1 else (run_point(point) for point in missing)
    with contextlib.closing(found):  # an interrupt may come at any place here
        for count, row in enumerate(found, before + 1):
            save_state(held / f"{row['key']}.row", {"key": row["key"]}, json.dumps(row).encode())
            tell(count, len(points))
    known = {key: json.loads(load_state(held / f"{key}.row", {"key": key})) for key in points}
    # A row may have been computed for a plan that varied other fields.
    rows, buffer = [{**dict(point.axes), **known[point.key]} for point in plan.points], io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows), buffer)
    write_whole(folder / "results.parquet", buffer.getvalue())
    return rows


def _in_processes(points: list[Point], workers: int) -> Rows:
    with _pool(workers) as pool:
        # A worker leaves Ctrl-C to the process that starts it: what is blocked here is there for good.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            given = [pool.submit(run_point, point) for point in points]
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        try:
            for future in as_completed(given):
                yield future.result()
        except BrokenProcessPool:
            raise SweepError("a worker died; the same sweep goes on with the points that are left") from None


@contextlib.contextmanager
def _pool(size: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with the block, whatever they are at."""
    pool = ProcessPoolExecutor(size, get_context("spawn"), _begin)
    try:
        yield pool
    finally:
        started = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.terminate()
        for process in started:
            process.join()


def _begin() -> None:
    """A worker ends with the process that started it; it has one thread, as NumPy's own ones would fight over
    the cores."""
    threadpool_limits(1)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()

"""One matrix-vector product with IR drop: the effective matrix against badcrossbar,
both in this run.

    python benchmarks/crossbar.py [--rows 128] [--columns 128] [--ohm 1.0] [--json]

Needs ``badcrossbar`` (`pip install badcrossbar`, Debian: libcairo2-dev). One thread:
set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 before Python starts. Figures are
medians; the ratio holds across machines, the times do not.
"""

import argparse
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ndrite.emulator.device.crossbar import effective_matrix


def seconds(call: Callable[[], object], repeat: int, inner: int = 1) -> float:
    """Return the median time of one call."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(inner):
            call()
        times.append((time.perf_counter() - start) / inner)
    return statistics.median(times)


def measure(rows: int, columns: int, ohm: float, batch: int = 100) -> dict[str, Any]:
    """Measure both solvers; return times in seconds, their ratios, and the largest
    relative difference of the currents."""
    import badcrossbar

    logging.disable(logging.INFO)  # it reports every step
    rng = np.random.default_rng(0)
    g_uS = rng.uniform(1, 40, (rows, columns))
    v = rng.uniform(0, 0.2, (rows, batch))
    resistances = 1e6 / g_uS

    def theirs(inputs: Any) -> Any:
        return badcrossbar.compute(inputs, resistances, ohm).currents.output

    build = seconds(lambda: effective_matrix(g_uS, ohm), 5)
    matrix = effective_matrix(g_uS, ohm) * 1e-6
    one, many = np.ascontiguousarray(v[:, 0]), np.ascontiguousarray(v.T)
    ours_one = seconds(lambda: one @ matrix, 9, 2000)
    ours_batch = seconds(lambda: many @ matrix, 9, 200) / batch
    theirs_one = seconds(lambda: theirs(v[:, :1]), 3)
    theirs_batch = seconds(lambda: theirs(v), 3) / batch
    difference = np.abs((many @ matrix) / theirs(v) - 1).max()
    return {
        "rows": rows,
        "columns": columns,
        "wire_ohm": ohm,
        "batch": batch,
        "effective_matrix_once_s": build,
        "mvm_s": {"alone": ours_one, "batched": ours_batch},
        "badcrossbar_s": {"alone": theirs_one, "batched": theirs_batch},
        "ratio": {"alone": theirs_one / ours_one, "batched": theirs_batch / ours_batch},
        "pays_after_mvms": {"alone": build / theirs_one, "batched": build / theirs_batch},
        "largest_relative_difference": float(difference),
    }


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--columns", type=int, default=128)
    parser.add_argument("--ohm", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        result = measure(options.rows, options.columns, options.ohm)
    except ImportError as error:
        print(f"error: {error}; pip install badcrossbar (Debian: libcairo2-dev first)", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{options.rows}x{options.columns}, {options.ohm} ohm a segment, medians, seconds per product")
    for how in ("alone", "batched"):
        print(
            f"{how:8s} badcrossbar {result['badcrossbar_s'][how]:.3g}, effective matrix "
            f"{result['mvm_s'][how]:.3g}: {result['ratio'][how]:,.0f} times"
        )
    print(
        f"the matrix itself takes {result['effective_matrix_once_s']:.3g} s once per array: as much "
        f"as {result['pays_after_mvms']['batched']:.1f} batched badcrossbar products"
    )
    print(f"largest relative difference of the currents {result['largest_relative_difference']:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

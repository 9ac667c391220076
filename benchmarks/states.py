"""States of 1,000 devices after 1, 10 and 1,000 pulses, here and in aihwkit:
Kolmogorov-Smirnov.

    python benchmarks/states.py --peer /path/to/python/with/aihwkit

Each law of aihwkit is described by its numbers; here it is a linear step or a table of
steps. Two measured arrays are the descriptions in ``studies/`` here and presets there,
whose steps fall to 0 at a device's own bound and not at the nominal one: how far these
are apart is printed, and is not judged. Pulses go up, or up and down in an order that
was drawn once. Both sides' states are rounded to 1/256 of the bound, which is what a
weight is read to. Seeds are fixed; two distributions are called different where p is
below 0.05 divided by the number of comparisons.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep, StepTable
from ndrite.emulator.golden.learn.devices import Pulses, constants, key_of, pulsed
from ndrite.emulator.learning.insitu import law_of_weights
from ndrite.emulator.learning.insitu.laws import devices_of
from ndrite.emulator.spec.learning import DOMAIN_CYCLE, DOMAIN_DEVICE, STATE_ONE

PEER = Path(__file__).parent / "peers" / "states_peer.py"
STUDIES = Path(__file__).parents[1] / "studies"
SHAPE = (25, 40)
AFTER = (1, 10, 1000)
SEED = 11
READ = 256
"""Weights are read to this part of the nominal bound."""
SERIES = {
    "up": [1] * max(AFTER),
    "up and down": np.random.default_rng(7).choice([-1, 1], max(AFTER)).tolist(),
}
ENTRIES = 64


@dataclass(frozen=True)
class Compared:
    """A law of aihwkit, ``kind`` with its ``fields``, and the same law here; or a
    ``preset`` and the nearest law here."""

    kind: str
    fields: dict[str, Any]
    law: LinearStep | StepTable
    spread: EcramSpread
    start: float = -0.5
    preset: str = ""


def linear(step: float, cycle: float, spread: EcramSpread, **bounds: float) -> Compared:
    """Return a linear step, whose slopes are relative to the nominal bounds on both sides."""
    shape = {"w_min": -1.0, "w_max": 1.0, "gamma_up": 1.0, "gamma_down": 1.0} | bounds
    return Compared(
        "LinearStepDevice",
        {
            "dw_min": step,
            "dw_min_std": cycle,
            **_spread(spread),
            **shape,
            "gamma_up_dtod": 0.0,
            "gamma_down_dtod": 0.0,
            "mult_noise": True,
            "mean_bound_reference": True,
        },
        LinearStep(step_up=step, step_down=step, cycle_sigma=cycle, **shape),
        spread,
    )


def tabulated(
    kind: str,
    step: float,
    cycle: float,
    spread: EcramSpread,
    up: Callable[[Any], Any],
    down: Callable[[Any], Any],
    *,
    additive: bool = False,
    **fields: Any,
) -> Compared:
    """Return a law whose steps up and down are ``step`` times a function of the state;
    so is their deviation, or it is the same everywhere if ``additive``."""
    w = (np.arange(ENTRIES) + 0.5) * 2 / ENTRIES - 1
    means = [step * np.broadcast_to(of(w), w.shape) for of in (up, down)]
    noises = [np.full(ENTRIES, step * cycle) if additive else cycle * mean for mean in means]
    tables = [tuple(values.tolist()) for values in (*means, *noises)]
    return Compared(
        kind,
        {"dw_min": step, "dw_min_std": cycle, "w_min": -1.0, "w_max": 1.0, **_spread(spread), **fields},
        StepTable(
            step_up_table=tables[0],
            step_down_table=tables[1],
            noise_up_table=tables[2],
            noise_down_table=tables[3],
            w_min=-1.0,
            w_max=1.0,
        ),
        spread,
    )


def array(name: str, preset: str) -> Compared:
    """Return the array that ``studies/NAME.yaml`` describes, and the preset."""
    chip = load_chip(f"ideal+{STUDIES / f'{name}.yaml'}")
    return Compared("", {}, law_of_weights(chip, name), chip.ecram.spread, preset=preset)


def _spread(spread: EcramSpread) -> dict[str, Any]:
    return {
        "dw_min_dtod": spread.step_sigma,
        "dw_min_dtod_log_normal": spread.log_normal,
        "up_down_dtod": spread.asymmetry_sigma,
        "w_max_dtod": spread.bound_sigma,
        "w_min_dtod": spread.bound_sigma,
    }


def arrays(step_sigma: float, bound_sigma: float) -> EcramSpread:
    return EcramSpread(step_sigma=step_sigma, asymmetry_sigma=0.01, bound_sigma=bound_sigma, log_normal=True)


USUAL = EcramSpread(step_sigma=0.3, asymmetry_sigma=0.01)
OM, HFO2 = arrays(0.7829, 0.3499), arrays(0.7125, 0.4295)
ALIKE_BOUNDS = {"slope_up_dtod": 0.0, "slope_down_dtod": 0.0, "reference_std": 0.0}
EXP_UP, EXP_DOWN, A, B = (0.00081, 12.44625), (0.36833, 12.78785), 0.244, 0.2425
"""Numbers of aihwkit's ExpStepDevice, by default and in its preset ReRamES."""
UP, DOWN = (1.3, 0.6, 0.3), (0.2, 0.8, 1.2)
LAWS = {
    "fine": linear(
        0.002,
        0.3,
        EcramSpread(step_sigma=0.3, asymmetry_sigma=0.01, bound_sigma=0.1),
        w_min=-0.83,
        w_max=1.17,
        gamma_up=0.4,
        gamma_down=0.73,
    ),
    "16 levels": linear(2 / 16, 0.3, USUAL),
    "4 levels": linear(2 / 4, 0.3, USUAL),
    "log-normal, fine": linear(0.0949, 0.4158, OM),
    "log-normal, coarse": linear(0.4622, 0.2174, HFO2),
    "ReRamArrayOM": array("rram-array-om", "ReRamArrayOM"),
    "ReRamArrayHfO2": array("rram-array-hfo2", "ReRamArrayHfO2"),
    "ReRamArrayOM, bounds alike": tabulated(
        "SoftBoundsReferenceDevice",
        0.0949,
        0.4158,
        arrays(0.7829, 0.0),
        lambda w: 1 - w,
        lambda w: 1 + w,
        additive=True,
        mult_noise=False,
        subtract_symmetry_point=False,
        **ALIKE_BOUNDS,
    ),
    "soft bounds": tabulated("SoftBoundsDevice", 0.01, 0.3, USUAL, lambda w: 1 - w, lambda w: 1 + w),
    "exponential step": tabulated(
        "ExpStepDevice",
        0.00135,
        5.0,
        EcramSpread(step_sigma=0.2, asymmetry_sigma=0.01),
        lambda w: np.maximum(1 - EXP_UP[0] * np.exp(EXP_UP[1] * (w * A + B)), 0),
        lambda w: np.maximum(1 - EXP_DOWN[0] * np.exp(-EXP_DOWN[1] * (w * A + B)), 0),
    ),
    "power step": tabulated(
        "PowStepDevice",
        0.02,
        0.3,
        USUAL,
        lambda w: ((1 - w) / 2) ** 2,
        lambda w: ((1 + w) / 2) ** 2,
        pow_gamma=2.0,
        pow_gamma_dtod=0.0,
    ),
    "piecewise step": tabulated(
        "PiecewiseStepDevice",
        0.01,
        0.3,
        USUAL,
        lambda w: np.interp(w, (-1, 0, 1), UP),
        lambda w: np.interp(w, (-1, 0, 1), DOWN),
        piecewise_up=list(UP),
        piecewise_down=list(DOWN),
    ),
}


def states(compared: Compared, directions: list[int]) -> dict[int, Any]:
    """Return the states of the golden model's devices, (devices,), after each of
    ``AFTER`` pulses."""
    what = devices_of(compared.law, compared.spread)
    row, column = (place.ravel() for place in np.indices(SHAPE))
    own = constants(what, key_of(SEED, DOMAIN_DEVICE, 0, 0), row, column)
    s = np.full(len(row), round(compared.start * STATE_ONE), np.int64)
    single, kept = np.ones_like(s), {}
    for count, direction in enumerate(directions, start=1):
        up = np.full(s.shape, direction > 0)
        s = pulsed(s, Pulses(row, column, single, up), own, what, key_of(SEED, DOMAIN_CYCLE, 0, count))
        if count in AFTER:
            kept[count] = s / STATE_ONE
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="a Python that has aihwkit")
    options = parser.parse_args()
    work = {
        "shape": SHAPE,
        "after": AFTER,
        "seed": SEED,
        "series": SERIES,
        "laws": {
            name: {"kind": c.kind, "fields": c.fields, "start": c.start, "preset": c.preset}
            for name, c in LAWS.items()
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "work.json", Path(folder) / "states.npz"
        asked.write_text(json.dumps(work))
        one = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([options.peer, str(PEER), str(asked), str(answered)], check=True, env=one, cwd=folder)
        with np.load(answered) as file:
            theirs = dict(file)
    alike = len(SERIES) * len(AFTER) * sum(not compared.preset for compared in LAWS.values())
    limit = 0.05 / alike
    worst, apart = 1.0, 0.0
    for name, compared in LAWS.items():
        for series, directions in SERIES.items():
            for count, mine in states(compared, directions).items():
                other = theirs[f"{name}/{series}/{count}"]
                test = stats.ks_2samp(np.rint(mine * READ), np.rint(other * READ))
                if compared.preset:
                    apart = max(apart, test.statistic)
                else:
                    worst = min(worst, test.pvalue)
                print(
                    f"{name:27} {series:12}{count:6}  here {mine.mean():7.4f} +- {mine.std():.4f}  there "
                    f"{other.mean():7.4f} +- {other.std():.4f}  D {test.statistic:.3f}  p {test.pvalue:.2g}"
                    + (" different" if test.pvalue < limit else "")
                )
    print(f"{alike} comparisons, {SHAPE[0] * SHAPE[1]} devices; least p {worst:.2g}, limit {limit:.2g}")
    print(f"presets, {len(theirs) - alike} comparisons: largest distance {apart:.3f}")


if __name__ == "__main__":
    main()

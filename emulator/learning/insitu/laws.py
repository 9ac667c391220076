"""laws: converts what a chip description says of pulses to the tables of a learning program."""

import dataclasses
import math
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep, StepTable
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.mapping.weights import without_errors
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.learning import (
    DERIVATIVE_MAX,
    FACTOR_MAX,
    FACTOR_ONE,
    LEVELS,
    PROBABILITY_ONE,
    STATE_ONE,
    STATE_PARTS,
    STEP_MAX,
    Devices,
    Steps,
)

STEP_LARGEST = 2.0
"""Largest step of a pulse, in nominal bounds: from bound to bound."""
CYCLE_MAX = 10.0
"""Largest standard deviation of a step from pulse to pulse, relative to the step: the
largest that table entries up to 1023 / 64 can represent."""
DRAWN_SIGMAS = 3
"""Largest deviation from the mean, in standard deviations, that the sum of two table
entries can have."""
BOUND_ONE, BOUND_MAX = 1024, 2047
"""The nominal bound, and the largest one, in the unit of bounds."""
COUNT_ONE = 64
RATE_MAX = 65535


@cache
def normal_table() -> Floats:
    """Return 16 values whose pairwise sums approximate the normal distribution:
    the sum of two randomly selected values has the first four moments of a
    standard normal variable.

    The middles of 16 equally likely parts of the normal law, the outermost moved out
    until the kurtosis is the normal one's. The sum's support is +-3.0.
    """
    half = ndtri((np.arange(LEVELS // 2, LEVELS) + 0.5) / LEVELS)

    def kurtosis(last: float) -> float:
        values = np.append(half[:-1], last)
        return float(np.mean(values**4) / np.mean(values**2) ** 2 - 3.0)

    half[-1] = brentq(kurtosis, half[-1], 6.0)
    half *= math.sqrt(0.5 / np.mean(half**2))
    values = np.concatenate([-half[::-1], half])
    values.flags.writeable = False
    return values


def log_normal_table(sigma: float) -> Floats:
    """Return 16 values whose pairwise sums approximate a log-normal distribution: the
    sum of two randomly selected values has a median of about 1, and its logarithm a
    standard deviation of about ``sigma``.

    A sum of two equal log-normal variables is nearly log-normal with the same mean and
    variance (L. F. Fenton, IRE Trans. Commun. Syst. 8, 57 (1960)). The values are the
    medians of 16 equally likely parts of such a variable, but for the largest, which
    makes the mean that of the log-normal distribution. The sums' distribution function
    differs from the log-normal one by at most 0.02 for sigma 0.3 and 0.07 for sigma 1.
    """
    own_sigma = math.sqrt(math.log1p(2 * math.expm1(sigma**2)))
    half = math.exp((sigma**2 - own_sigma**2) / 2) / 2
    values: Floats = half * np.exp(own_sigma * ndtri((np.arange(LEVELS) + 0.5) / LEVELS))
    values[-1] = math.exp(sigma**2 / 2) * LEVELS / 2 - values[:-1].sum()
    return values


def table(mean: float, sigma: float) -> npt.NDArray[np.int16]:
    """Return a device table, int16 (16,). The sum of two randomly selected entries has
    the mean ``mean`` and the standard deviation ``sigma``, in the table's own unit."""
    return _rounded(mean / 2 + sigma * normal_table(), mean)


def _rounded(exact: Floats, mean: float) -> npt.NDArray[np.int16]:
    """Round the 16 values of a table. ``mean`` is the mean of the sum of two of
    them, which stays."""
    rounded = np.rint(exact)
    # Rounding the entries may change their sum. The difference is added to the entries
    # in the middle, so that the mean stays exact.
    left = round(mean * LEVELS / 2 - rounded.sum())
    order = np.argsort(np.abs(np.arange(LEVELS) - (LEVELS - 1) / 2), kind="stable")
    rounded[order[: abs(left)]] += np.sign(left)
    return rounded.astype(np.int16)


def devices_of(law: LinearStep | StepTable, spread: EcramSpread) -> Devices:
    """Convert the law and spread of a chip description, which are in units of the
    nominal bound, to the ``Devices`` of a learning program.

    Gammas do not spread, and are relative to the nominal bounds (aihwkit:
    ``mean_bound_reference``); steps spread by both of ``step_sigma`` and
    ``asymmetry_sigma``, added, not multiplied; with ``log_normal``, the part of
    ``step_sigma`` is drawn from ``log_normal_table``. A step that is drawn below 0 is
    0; a bound is drawn between 0 and twice the nominal one. Devices of which some step
    is larger than a sixteenth of the bound take the pulses of an update one after the
    other. A table's entries are those of 64 equal parts of the nominal range, in 511ths
    of the table's largest step: a device whose own step is larger has larger steps both
    ways, in the same ratio. Raises CompileError when steps or bounds leave the
    arithmetic's range.
    """
    if isinstance(law, StepTable):
        up = down = law.largest
    else:
        up, down = float(law.step_up), float(law.step_down)
    mean, half_difference = (up + down) / 2, (up - down) / 2
    largest = mean * _largest_drawn(spread) + abs(half_difference)
    # A step of n units changes the state by n * 64 / 2^shift. The largest shift for
    # which the largest step still fits gives the finest resolution. For a device that
    # never moves, any shift would do.
    finest = math.log2(STEP_MAX * COUNT_ONE / (largest * STATE_ONE)) if largest else 10.0
    shift = int(np.clip(math.floor(finest), 0, 16))
    unit = 2.0**shift / COUNT_ONE * STATE_ONE
    noise = cycle_of(law)
    require(
        noise <= CYCLE_MAX,
        "largest deviation of a step",
        f"{noise:.3g} steps",
        f"{CYCLE_MAX:g}",
        CompileError,
    )
    if max(up, down) > STEP_LARGEST or 0 < mean * unit < 4:
        raise CompileError(
            f"a pulse moves a device by {max(up, down):g} of its nominal bound; accepted: 0, and "
            f"{4 / 2**10 / STATE_ONE:.2g} to {STEP_LARGEST:g}, the whole range"
        )
    bounds = max(abs(float(law.w_min)), abs(float(law.w_max)))
    require(bounds < 2, "largest bound", f"{bounds:.3g} times the nominal one", "below 2", CompileError)

    def bound_table(bound: float, sigma: float) -> npt.NDArray[np.int16]:
        entries = table(bound * BOUND_ONE, bound * BOUND_ONE * sigma)
        return np.clip(entries, -BOUND_MAX, BOUND_MAX)

    slopes, steps = {}, None
    if isinstance(law, LinearStep):
        for direction, gamma, bound in (("up", law.gamma_up, law.w_max), ("down", law.gamma_down, law.w_min)):
            fits, twice = (
                gamma * STATE_ONE <= DERIVATIVE_MAX * abs(bound),
                f"below twice the bound, {bound:g}",
            )
            require(fits, f"ecram.gamma_{direction}", gamma, twice, CompileError)
            slopes[f"slope_{direction}"] = round(float(gamma) / float(bound) * STATE_ONE)
    else:
        steps = _steps(law, noise)
        # In the step table, the entry 511 stands for the largest step and 256 for the
        # device's own step, so sizes relative to the largest step are converted to
        # sizes relative to the own step.
        mean, half_difference = (v * FACTOR_ONE / FACTOR_MAX for v in (mean, half_difference))
        up, down = (v * FACTOR_ONE / FACTOR_MAX for v in (up, down))
    step = _sizes(mean * unit, spread)
    asymmetry = table(half_difference * unit, mean * unit * spread.asymmetry_sigma)
    if not up * down and largest:
        # The device moves in one direction only, so no sampled step in the other
        # direction may be above 0. All of its spread is that of the step.
        sigma = math.hypot(spread.step_sigma, spread.asymmetry_sigma)
        own = dataclasses.replace(spread, step_sigma=sigma, asymmetry_sigma=0.0)
        size = max(up, down) * unit
        apart = size * _largest_drawn(own) / 2 + 2
        step, asymmetry = _sizes(size, own, apart), table(math.copysign(apart, up - down), 0.0)
    lower_sigma, upper_sigma = spread.bound_sigmas
    return Devices(
        step=np.clip(step, -STEP_MAX, STEP_MAX),
        asymmetry=asymmetry,
        upper=bound_table(float(law.w_max), upper_sigma),
        lower=bound_table(float(law.w_min), lower_sigma),
        cycle=table(0.0, noise * COUNT_ONE),
        **slopes,
        step_shift=shift,
        steps=steps,
    )


def _largest_drawn(spread: EcramSpread) -> float:
    """Return the largest step that is drawn, relative to the described one."""
    if spread.log_normal:
        largest = 2 * float(log_normal_table(spread.step_sigma).max())
        return largest + DRAWN_SIGMAS * spread.asymmetry_sigma
    return 1 + DRAWN_SIGMAS * math.hypot(spread.step_sigma, spread.asymmetry_sigma)


def _sizes(size: float, spread: EcramSpread, less: float = 0.0) -> npt.NDArray[np.int16]:
    """Return the table of steps of the described ``size`` that spread from device to
    device, each made smaller by ``less``; all in the table's unit."""
    if not spread.log_normal:
        return table(size - less, size * spread.step_sigma)
    exact = size * log_normal_table(spread.step_sigma) - less / 2
    return _rounded(exact, float(exact.sum()) * 2 / LEVELS)


def pulse_of(law: LinearStep | StepTable) -> float:
    """Return a device's mean step in the middle of its range, averaged over up
    and down, relative to the nominal bound; for a step table, the mean over the
    nominal range. Return 1 for a device that never moves, since rates are
    divided by the result."""
    if isinstance(law, StepTable):
        return float(np.mean([law.mean(np.linspace(-1, 1, 257), up) for up in (True, False)])) or 1.0
    return (float(law.step_up) + float(law.step_down)) / 2 or 1.0


def cycle_of(law: LinearStep | StepTable) -> float:
    """Return the cycle-to-cycle standard deviation of a step, relative to the step; for
    a step table, the largest standard deviation relative to the largest step."""
    if isinstance(law, LinearStep):
        return float(law.cycle_sigma)
    deviations = (float(law.deviation(_parts(), up).max()) for up in (True, False))
    return max(deviations) / law.largest if law.largest else 0.0


def _parts() -> Floats:
    """Return the centres of the 64 equal parts of the nominal range that a step table's
    entries cover, in units of the nominal bound."""
    return np.asarray((np.arange(STATE_PARTS) + 0.5) * (2.0 / STATE_PARTS) - 1.0, np.float64)


def _steps(law: StepTable, noise: float) -> Steps:
    """Convert a device's step table to the step table of a learning program. ``noise``
    is the largest standard deviation as a multiple of the largest step."""

    def entries(values: Floats, largest: float) -> npt.NDArray[np.int16]:
        scaled = values * (FACTOR_MAX / largest) if largest else np.zeros(STATE_PARTS)
        return np.rint(scaled).astype(np.int16)

    return Steps(
        up=entries(law.mean(_parts(), True), law.largest),
        down=entries(law.mean(_parts(), False), law.largest),
        noise_up=entries(law.deviation(_parts(), True), law.largest * noise),
        noise_down=entries(law.deviation(_parts(), False), law.largest * noise),
    )


def rate_and_shift(probability: float, most: int) -> tuple[int, int]:
    """Return integers rate and shift with ``rate / 2^shift`` equal to 65536 times
    ``probability``, rounded. The shift is at most ``most``."""
    if not probability:
        return 0, 0
    shift = min(most, math.floor(math.log2(RATE_MAX / (probability * PROBABILITY_ONE))))
    require(shift >= 0, "rate / (slots * step)", f"{probability:g} pulses per code", "below 1", CompileError)
    return min(RATE_MAX, round(probability * PROBABILITY_ONE * 2.0**shift)), shift


def learning_chip(chip: Chip) -> Chip:
    """Return the chip description as in-situ learning uses it: with only its
    converters, neurons and read noise.

    States are where pulses left them, so levels, programming error, drift and stuck
    cells have no meaning; wires and a cubic I-V curve are left out. Raises CompileError
    when its columns have no converter.
    """
    if chip.readout.kind != "adc":
        raise CompileError(f"readout.kind is {chip.readout.kind!r}; accepted to learn on: adc")
    chip = without_errors(chip)
    cell = dataclasses.replace(
        chip.cell,
        g_min_uS=0.0,
        levels=256,
        on_off_ratio=None,
        error_coefficients_uS=(),
        read_noise_model="constant",
        iv_cubic_per_V2=0.0,
        weight_bits=9,
    )
    array = dataclasses.replace(chip.array, wire_resistance_ohm=0.0, access_resistance_ohm=0.0)
    conditions = dataclasses.replace(chip.conditions, time_since_programming_s=1.0, corrected_at_s=None)
    name = f"{chip.name}, learning"
    return dataclasses.replace(chip, name=name, cell=cell, array=array, conditions=conditions)

"""Drift laws: conductances a time t after programming, by relaxation and drift.
Microsiemens and seconds."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.rram.programming import WAN_2022, PCM_MAX_uS, readable
from ndrite.emulator.spec.arithmetic import Floats

DAY = 86_400.0

WAN_TIMES_S = (1.0, DAY, 2 * DAY)
WAN_COEFFICIENTS_uS = (
    WAN_2022.coefficients_uS,
    (0.701, 22.086, -50.773, 47.095, -16.458),
    (0.782, 20.274, -43.507, 37.062, -11.934),
)
"""Coefficients from aihwkit, src/aihwkit/inference/noise/reram.py,
ReRamWan2022NoiseModel: sigma in uS as a polynomial of G / 40 uS, for 1 s, 1 day and 2
days after programming."""

CMO_MEAN_uS = -0.08900206
CMO_STD_uS = (0.41183342, 0.04201137)
"""From aihwkit, src/aihwkit/inference/noise/reram.py,
ReRamCMONoiseModel.decay_dict: CMO_MEAN_uS is the mean shift per ln t, and
CMO_STD_uS are c0 and c1 of the deviation c0 + c1 ln t."""


@dataclass(frozen=True)
class Drift:
    """Base class of drift laws: with time, a cell's conductance shifts and spreads.
    Both are in microsiemens and depend on target conductance and time.

    As it stands conductances stay: nothing is known of the device's relaxation.
    ``scale``: factor on the spread. ``times_s``: times the model is valid for.
    ``moves_mean``: whether conductances also shift on average, which changes
    the gain of columns.
    """

    scale: float = 1.0
    times_s: ClassVar[tuple[float, float]] = (0.0, np.inf)
    moves_mean: ClassVar[bool] = False

    def shift(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the mean change of conductance, in microsiemens, from programming
        until ``time_s`` seconds later."""
        return np.zeros_like(target_uS)

    def sigma(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the standard deviation in microsiemens that drift until ``time_s``
        adds to the programming error."""
        return self.scale * self.added(target_uS, time_s)

    def added(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the standard deviation of the conductance, in microsiemens, that drift
        adds according to the source, without the factor ``scale``."""
        return np.zeros_like(target_uS)

    def fade(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the factor by which drift until ``time_s`` changes a cell's
        programming error."""
        return np.ones_like(target_uS)


class WanRelaxation(Drift):
    """Drift law of the NeuRRAM chip's HfOx cells (W. Wan et al., Nature 608, 504,
    2022): the spread grows with time, the mean stays.

    aihwkit gives the total deviation from the target at 1 s, 1 day and 2 days. Between
    those it is interpolated over the logarithm of time, which is this project's choice.
    ``sigma`` is the part added after 1 s, sqrt(sigma(t)^2 - sigma(1 s)^2): what the
    programming error model already holds.
    """

    times_s = (WAN_TIMES_S[0], WAN_TIMES_S[-1])

    def total(self, target_uS: npt.ArrayLike, time_s: float) -> Floats:
        """Return the standard deviation from the target that programming error and
        relaxation cause together."""
        x = np.asarray(target_uS, np.float64) / WAN_2022.reference_uS
        t = float(np.log(time_s))
        knots = np.log(WAN_TIMES_S)
        i = int(np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2))
        before, after = (np.polynomial.polynomial.polyval(x, c) for c in WAN_COEFFICIENTS_uS[i : i + 2])
        part = (t - knots[i]) / (knots[i + 1] - knots[i])
        result: Floats = before + part * (after - before)
        return result

    def added(self, target_uS: Floats, time_s: float) -> Floats:
        # The first time is the reference of the law, where relaxation is 0 by
        # definition. Most chips are used at that time, so the polynomials are
        # skipped for speed.
        if time_s == WAN_TIMES_S[0]:
            return np.zeros_like(target_uS)
        added = np.square(self.total(target_uS, time_s)) - np.square(self.total(target_uS, 1.0))
        return np.asarray(np.sqrt(np.maximum(added, 0.0)), np.float64)


class CmoDrift(Drift):
    """Drift law of IBM's CMO/HfOx cells (arXiv 2502.04524): the mean falls and the
    spread grows with ln t, at every conductance alike.

    aihwkit's ReRamCMONoiseModel also holds cells within g_min..g_max. It is not
    applied here: virtual chips drawn in gateware know no floor but 0, and would differ
    from compiled ones.
    """

    times_s = (1.0, 1e9)
    moves_mean = True

    def shift(self, target_uS: Floats, time_s: float) -> Floats:
        return np.full_like(target_uS, CMO_MEAN_uS * np.log(time_s))

    def added(self, target_uS: Floats, time_s: float) -> Floats:
        return np.full_like(target_uS, CMO_STD_uS[0] + CMO_STD_uS[1] * np.log(time_s))


PCM_FIRST_S = 20.0
"""Time t_0 from which on cells drift, from aihwkit, src/aihwkit/inference/noise/pcm.py,
PCMLikeNoiseModel."""


@dataclass(frozen=True)
class PowerDrift(Drift):
    """Drift law of conductances G (t / first_s)^-nu, from ``first_s`` seconds
    after programming.

    The exponent nu is normal, ``mean`` and ``deviation``, one for each cell. The factor
    is then log-normal; taken here are its mean and deviation, with a normal law, for
    ``age`` and the virtual chips of the gateware add a normal draw. A cell's
    programming error fades by the factor's root mean square, so that both together
    deviate as such cells do.
    """

    mean: float = 0.0
    deviation: float = 0.0
    first_s: float = PCM_FIRST_S
    times_s = (0.0, 1e9)
    moves_mean = True

    def exponent(self, target_uS: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return mean and standard deviation over cells of the drift exponent nu."""
        like = np.zeros_like(np.asarray(target_uS, np.float64))
        return like + self.mean, like + self.deviation

    def factor(self, target_uS: npt.ArrayLike, time_s: float) -> tuple[Floats, Floats]:
        """Return mean and mean square over cells of the drift factor (t / first_s)^-nu."""
        mean, deviation = self.exponent(target_uS)
        age = np.log(max(time_s / self.first_s, 1.0))
        first = np.exp(-mean * age + np.square(deviation * age) / 2)
        return first, np.square(first) * np.exp(np.square(deviation * age))

    def shift(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the mean change of conductance that drift causes: the target times
        (mean drift factor - 1), microsiemens."""
        return np.asarray(target_uS * (self.factor(target_uS, time_s)[0] - 1.0), np.float64)

    def added(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the standard deviation of the conductance, in microsiemens, that
        differences between the cells' drift exponents cause, for cells without
        programming error."""
        first, second = self.factor(target_uS, time_s)
        return np.asarray(target_uS * np.sqrt(second - np.square(first)), np.float64)

    def fade(self, target_uS: Floats, time_s: float) -> Floats:
        """Return the root mean square over cells of the drift factor, which multiplies
        the programming error."""
        return np.sqrt(self.factor(target_uS, time_s)[1])


@dataclass(frozen=True)
class LogDrift(Drift):
    """Drift law of conductances G + s ln(t / first_s), from ``first_s`` seconds after
    programming. Each cell has its own slope s in microsiemens, normally distributed
    with ``mean`` and ``deviation``."""

    mean: float = 0.0
    deviation: float = 0.0
    first_s: float = PCM_FIRST_S
    times_s = (0.0, 1e9)
    moves_mean = True

    def shift(self, target_uS: Floats, time_s: float) -> Floats:
        return np.full_like(target_uS, self.mean * np.log(max(time_s / self.first_s, 1.0)))

    def added(self, target_uS: Floats, time_s: float) -> Floats:
        return np.full_like(target_uS, self.deviation * np.log(max(time_s / self.first_s, 1.0)))


class PcmDrift(PowerDrift):
    """Drift law of phase-change cells (V. Joshi et al., Nat. Commun. 11, 2473, 2020):
    G (t / 20 s)^-nu.

    The exponent nu is normal, of mean 0.0244 - 0.0155 ln x within 0.049..0.1 and
    deviation -0.0059 - 0.0125 ln x within 0.008..0.045, with x the target over 25 uS:
    aihwkit's PCMLikeNoiseModel.
    """

    times_s = (PCM_FIRST_S, 1e9)

    def exponent(self, target_uS: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return mean and standard deviation over cells of the drift exponent nu."""
        log = np.log(np.maximum(np.asarray(target_uS, np.float64) / PCM_MAX_uS, 1e-7))
        return np.clip(0.0244 - 0.0155 * log, 0.049, 0.1), np.clip(-0.0059 - 0.0125 * log, 0.008, 0.045)


DRIFTS: dict[str, Drift] = {
    "none": Drift(),
    "wan2022": WanRelaxation(),
    "ibm-cmo-hfox": CmoDrift(),
    "joshi2020": PcmDrift(),
    "power-law": PowerDrift(),
    "logarithmic": LogDrift(),
}
"""Drift models by the names that chip descriptions use."""


def age(g_uS: Floats, target_uS: Floats, model: Drift, time_s: float, noise: Floats) -> Floats:
    """Return the conductances of programmed cells ``time_s`` seconds after programming,
    at least 0. All arrays have the same shape.

    One cell's ages share its draw, so that a cell keeps to its course. The choice is
    this project's: the sources give each time's distribution, not how one time goes
    with another (aihwkit draws anew). ``g_uS`` are cells as programmed, before any
    clipping, to ``target_uS``; ``noise``: standard normal draws, one a cell.
    """
    landed = target_uS + model.fade(target_uS, time_s) * (g_uS - target_uS)
    moved = landed + model.shift(target_uS, time_s) + model.sigma(target_uS, time_s) * noise
    return readable(moved)

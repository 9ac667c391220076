"""Programming as pulses: forming, then set, reset and verify, by a device's own pulse response.

The laws of ``emulator.device.rram.programming`` say where cells land, this loop what it takes to land there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from emulator.device.ecram.description import Pulsed
from emulator.device.ecram.pulses import EcramModel
from emulator.device.fields import number, section
from emulator.errors import PhysicsError
from emulator.spec.arrays import Bools, Floats, Ints


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Volts and seconds of set, reset, read and forming pulse; ``pause_s`` follows every set and reset."""

    set_V: float
    reset_V: float
    pulse_s: float
    pause_s: float
    read_V: float
    read_s: float
    forming_V: float = 0.0
    forming_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Written:
    """Of each cell (n,): conductance (uS), sets and resets, reads, seconds on its own, joules (V^2 G t), and
    whether its last read was in the window. ``wear``: the most pulsed cell's part of the endurance."""

    conductance_uS: Floats
    pulses: Ints
    reads: Ints
    time_s: Floats
    energy_J: Floats
    accepted: Bools
    wear: float


def write_verify(
    model: EcramModel,
    driver: Driver,
    target_uS: Floats,
    window_uS: npt.ArrayLike,
    range_uS: tuple[float, float],
    rng: np.random.Generator,
    *,
    read_sigma_uS: float = 0.0,
    most: int = 10_000,
    endurance_pulses: float = np.inf,
) -> Written:
    """Form fresh cells, which are at the lowest conductance then, and read and pulse each until a read is
    within ``window_uS`` of ``target_uS`` (n,) or ``most`` pulses are spent. The bounds of ``model`` stand for
    ``range_uS``.

    Raises
    ------
    PhysicsError
        When a target is outside the range.
    """
    low, high = range_uS
    if np.any((target_uS < low) | (target_uS > high)):
        span = f"{target_uS.min():g}..{target_uS.max():g}"
        raise PhysicsError(f"target_uS is {span}; accepted: {low:g}..{high:g}, the range")
    n, scale = len(target_uS), (high - low) / (model.high - model.low)
    window = np.broadcast_to(window_uS, n)
    w, live, accepted = np.full(n, float(model.low)), np.arange(n), np.zeros(n, bool)
    pulses, reads = np.zeros(n, np.int64), np.zeros(n, np.int64)
    energy = np.full(n, driver.forming_V**2 * high * 1e-6 * driver.forming_s)  # at most: it ends at ``high``
    while len(live):
        g = low + scale * (w[live] - model.low)
        beside = g + read_sigma_uS * rng.standard_normal(len(live)) - target_uS[live]
        reads[live] += 1
        energy[live] += driver.read_V**2 * g * 1e-6 * driver.read_s
        within = np.abs(beside) <= window[live]
        accepted[live[within]] = True
        go = ~within & (pulses[live] < most)
        live, g, short = live[go], g[go], beside[go] < 0
        for up, volts in ((True, driver.set_V), (False, driver.reset_V)):
            cells = live[short == up]
            energy[cells] += volts**2 * g[short == up] * 1e-6 * driver.pulse_s
            w[cells] = model.pulse(w[cells], up, rng)
        pulses[live] += 1
    seconds = driver.forming_s + reads * driver.read_s + pulses * (driver.pulse_s + driver.pause_s)
    wear = float(pulses.max(initial=0) / endurance_pulses)
    return Written(low + scale * (w - model.low), pulses, reads, seconds, energy, accepted, wear)


@dataclass(frozen=True, kw_only=True)
class PulseCount:
    """What it took to program an array, one cell after the other.

    Attributes
    ----------
    cells, given_up:
        Cells that were pulsed (stuck ones are not), and those never read within the window.
    pulses, most_pulses, reads:
        Sets and resets of all cells and of the most pulsed one; verifying reads.
    time_s, energy_J:
        Of all cells together; forming, reads and pulses.
    error_uS, law_uS:
        Root mean square distance from the targets, and what ``cell.programming_error`` says of them.
    wear:
        The most pulsed cell's part of ``programming.endurance_pulses``; None: not known.
    """

    cells: int
    given_up: int
    pulses: int
    most_pulses: int
    reads: int
    time_s: float
    energy_J: float
    error_uS: float
    law_uS: float
    wear: float | None


@section("programming")
class Programming(Pulsed):
    """How cells are programmed: where ``model`` is not ``none``, by pulses of their own law until a read is
    within a window. ``cell.programming_error`` then is what training, compensation and virtual chips assume.

    Attributes
    ----------
    low_uS, high_uS:
        Conductances at the law's bounds; None: ``cell.g_min_uS`` and ``cell.g_max_uS``.
    window_percent, window_relative_percent:
        Half the window: the one in percent of ``cell.g_max_uS`` and the other of the target, added.
    read_sigma_percent:
        Deviation of a verifying read, in percent of ``cell.g_max_uS``.
    most_pulses:
        Pulses after which a cell is given up.
    set_V, reset_V, pulse_ns, pause_ns:
        Of a pulse; the pause follows it.
    read_V, read_ns:
        Of a verifying read.
    forming_V, forming_ms:
        Of the one pulse that forms a fresh cell; 0: it needs none.
    """

    low_uS: Annotated[float | None, number(0, 1e6)] = None
    high_uS: Annotated[float | None, number(1e-6, 1e6)] = None
    window_percent: Annotated[float, number(1e-6, 100)] = 2.0
    window_relative_percent: Annotated[float, number(0, 100)] = 0.0
    read_sigma_percent: Annotated[float, number(0, 100)] = 0.0
    most_pulses: Annotated[int, number(1, 100_000)] = 1000
    set_V: Annotated[float, number(0, 100)] = 0.0
    reset_V: Annotated[float, number(0, 100)] = 0.0
    pulse_ns: Annotated[float, number(0, 1e9)] = 0.0
    pause_ns: Annotated[float, number(0, 1e9)] = 0.0
    read_V: Annotated[float, number(0, 100)] = 0.0
    read_ns: Annotated[float, number(0, 1e9)] = 0.0
    forming_V: Annotated[float, number(0, 100)] = 0.0
    forming_ms: Annotated[float, number(0, 1e6)] = 0.0

    def write(
        self, target_uS: Floats, cell_uS: tuple[float, float], law_uS: Floats, rng: np.random.Generator
    ) -> tuple[Floats, PulseCount]:
        """Conductances that cells (n,) land on, and what it took.

        ``cell_uS``: the cell's g_min and g_max; ``law_uS`` (n,): the deviations expected. Raises PhysicsError
        when a target is outside the device's range.
        """
        assert self.device is not None
        percent, endurance = cell_uS[1] / 100, self.endurance_pulses
        low, high = (
            cell if given is None else given
            for cell, given in zip(cell_uS, (self.low_uS, self.high_uS), strict=True)
        )
        driver = Driver(
            set_V=self.set_V,
            reset_V=self.reset_V,
            pulse_s=self.pulse_ns * 1e-9,
            pause_s=self.pause_ns * 1e-9,
            read_V=self.read_V,
            read_s=self.read_ns * 1e-9,
            forming_V=self.forming_V,
            forming_s=self.forming_ms * 1e-3,
        )
        made = write_verify(
            self.device,
            driver,
            target_uS,
            self.window_percent * percent + self.window_relative_percent / 100 * target_uS,
            (low, high),
            rng,
            read_sigma_uS=self.read_sigma_percent * percent,
            most=self.most_pulses,
            endurance_pulses=np.inf if endurance is None else endurance,
        )
        return made.conductance_uS, PulseCount(
            cells=len(target_uS),
            given_up=int((~made.accepted).sum()),
            pulses=int(made.pulses.sum()),
            most_pulses=int(made.pulses.max(initial=0)),
            reads=int(made.reads.sum()),
            time_s=float(made.time_s.sum()),
            energy_J=float(made.energy_J.sum()),
            error_uS=_rms(made.conductance_uS - target_uS),
            law_uS=_rms(law_uS),
            wear=None if endurance is None else made.wear,
        )


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.square(values).mean())) if len(values) else 0.0

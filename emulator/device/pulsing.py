"""Programming of cells by pulses: forming, then set, reset and verify, with a pulse
response of its own.

The laws of ``ndrite.emulator.device.rram.programming`` say where cells land, this loop
what it takes to land there.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ndrite.emulator.device.ecram.description import Pulsed
from ndrite.emulator.device.fields import number, section
from ndrite.emulator.device.sweeps import rms
from ndrite.emulator.errors import PhysicsError
from ndrite.emulator.spec.arithmetic import Floats


@dataclass(frozen=True, kw_only=True)
class PulseCount:
    """Effort of programming an array, one cell after the other: number of pulses and
    reads, time, energy, remaining errors and wear.

    Attributes
    ----------
    cells, given_up:
        Cells that were pulsed (stuck ones are not), and those never read within the window.
    pulses, most_pulses, reads:
        Sets and resets of all cells and of the most pulsed one; verifying reads.
    time_s, energy_J:
        Total of all cells; forming, reads and pulses.
    verified_uS, error_uS, law_uS:
        Root mean square distance from the targets at the last verifying read, after
        ``cell.relaxation``, and as ``cell.programming_error`` gives it.
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
    verified_uS: float
    error_uS: float
    law_uS: float
    wear: float | None


@section("programming")
class Programming(Pulsed):
    """How cells are programmed. Unless ``model`` is ``none``, a cell is changed by
    pulses, which follow this section's own law, until a read is within a window around
    the target. Training, compensation and virtual chips still assume
    ``cell.programming_error``.

    Attributes
    ----------
    low_uS, high_uS:
        Conductances at the law's bounds; None: ``cell.g_min_uS`` and ``cell.g_max_uS``.
    window_percent, window_relative_percent:
        Half the window: the one in percent of ``cell.g_max_uS`` and the other of
        the target, added.
    read_sigma_percent:
        Deviation of a verifying read, in percent of ``cell.g_max_uS``.
    most_pulses:
        Pulses after which a cell is given up.
    set_V, reset_V, pulse_ns, pause_ns:
        Duration of a pulse; the pause follows it.
    read_V, read_ns:
        Duration of a verifying read.
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
        self,
        target_uS: Floats,
        cell_uS: tuple[float, float],
        law_uS: Floats,
        rng: np.random.Generator,
        relaxed_uS: Floats | float = 0.0,
    ) -> tuple[Floats, PulseCount]:
        """Program cells (n,) by pulses and verifying reads; return the final
        conductances and the effort.

        Fresh cells are formed, which leaves them at the lowest conductance; then each
        is read and pulsed until a read is within the window or ``most_pulses`` are
        spent. Energies are V^2 G t. ``cell_uS``: the cell's g_min and g_max; ``law_uS``
        (n,): deviations by ``cell.programming_error``; ``relaxed_uS`` (n,): deviations
        that cells take on after the last read. Raises PhysicsError when a target is
        outside the device's range.
        """
        model, n = self.device, len(target_uS)
        assert model is not None
        percent, endurance = cell_uS[1] / 100, self.endurance_pulses
        low, high = (
            cell if default_uS is None else default_uS
            for cell, default_uS in zip(cell_uS, (self.low_uS, self.high_uS), strict=True)
        )
        if np.any((target_uS < low) | (target_uS > high)):
            span = f"{target_uS.min():g}..{target_uS.max():g}"
            raise PhysicsError(f"target_uS is {span}; accepted: {low:g}..{high:g}, the law's range")
        scale, sigma = (high - low) / (model.high - model.low), self.read_sigma_percent * percent
        window = self.window_percent * percent + self.window_relative_percent / 100 * target_uS
        w, live, accepted = np.full(n, float(model.low)), np.arange(n), np.zeros(n, bool)
        pulses, reads = np.zeros(n, np.int64), np.zeros(n, np.int64)
        pulse_s, read_s, forming_s = self.pulse_ns * 1e-9, self.read_ns * 1e-9, self.forming_ms * 1e-3
        # Energy of the forming pulse, as an upper bound: the conductance is at most
        # ``high`` during the pulse.
        energy = np.full(n, self.forming_V**2 * high * 1e-6 * forming_s)
        while len(live):
            g = low + scale * (w[live] - model.low)
            deviation = g + sigma * rng.standard_normal(len(live)) - target_uS[live]
            reads[live] += 1
            energy[live] += self.read_V**2 * g * 1e-6 * read_s
            within = np.abs(deviation) <= window[live]
            accepted[live[within]] = True
            go = ~within & (pulses[live] < self.most_pulses)
            live, g, short = live[go], g[go], deviation[go] < 0
            for up, volts in ((True, self.set_V), (False, self.reset_V)):
                cells = live[short == up]
                energy[cells] += volts**2 * g[short == up] * 1e-6 * pulse_s
                w[cells] = model.pulse(w[cells], up, rng)
            pulses[live] += 1
        seconds = forming_s + reads * read_s + pulses * (pulse_s + self.pause_ns * 1e-9)
        verified, pulses_max = low + scale * (w - model.low), int(pulses.max(initial=0))
        landed = verified + relaxed_uS * rng.standard_normal(n)
        return landed, PulseCount(
            cells=n,
            given_up=int((~accepted).sum()),
            pulses=int(pulses.sum()),
            most_pulses=pulses_max,
            reads=int(reads.sum()),
            time_s=float(seconds.sum()),
            energy_J=float(energy.sum()),
            verified_uS=rms(verified - target_uS) if n else 0.0,
            error_uS=rms(landed - target_uS) if n else 0.0,
            law_uS=rms(law_uS) if n else 0.0,
            wear=None if endurance is None else float(pulses_max / endurance),
        )

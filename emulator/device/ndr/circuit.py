"""The neuron as a circuit: an NDR device in series with the resistance of its source.

A source (the column's buffer) at Vs volts drives the device at V volts through a series
resistance R, with a capacitance C beside the device::

    buffer |>-- Vs --- R --- L ---+---+     C dV/dt = (Vs - V) / R - I(V), without L
                                  |   |
                               device C     at rest Vs = V + R I(V), the load line
                                  |   |
                                 gnd gnd

The buffer rectifies: it drives from a single supply and stays at 0 V where its column's
current asks for less. Tunnel diodes conduct below 0 V, so that without it a negative
sum would give a current of the wrong sign; the models of ``curves`` that are 0 below 0
V are of a device behind such a buffer.

A read takes the source from 0 V upward. The device then stays on the lowest voltage
that the load line allows. This is because dV/dt has the sign of Vs - (V + R I(V)): V
climbs to the first point where that is 0 and never beyond it, whether the source steps
or is swept slowly. Where R exceeds the magnitude of the device's negative differential
resistance, some sources have two stable voltages. On the way up the device jumps past
its valley at the upper end of that stretch; on the way down it jumps back at the lower
end (hysteresis).

With an inductance L in series, a point where the device's differential resistance is
-Rn is stable if R < Rn and L < R C Rn: trace and determinant of the two linearised
equations, L di/dt = Vs - R i - V and C dV/dt = i - I(V). Beyond the second bound the
neuron oscillates and has no settled current. What is computed here is of a circuit that
settles; how a read ends early is followed without L.

All of it follows from Kirchhoff's laws for the circuit above. Checked against ngspice
in tests/emulator/device/test_circuit.py.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.ndr.curves import Curve, NdrModel, Table
from ndrite.emulator.errors import require_field
from ndrite.emulator.spec.brief import record

POINTS = 12_001
"""Number of device voltages at which the load line is solved, in each of two ranges: a
fine one around the device's peak, and the full range."""
NEAR, BELOW = 10.0, 4.0
"""Ranges of device voltages at which the load line is solved, in peak voltages: both
begin at -``BELOW``, and the finer one ends at ``NEAR``."""
FAR = 64.0
"""Source voltages are clipped at this many peak voltages of the circuit."""
TIMED_SOURCES, TIMED_STEPS = 1001, 2000
"""Number of source voltages, and of steps of the device's voltage, with which a read
that ends early is simulated."""
ALIKE, ALIKE_POINTS, UNITS = 4.0, 401, 201
"""Comparison of circuit and device: the range of voltages, in peak voltages, the number
of points, and the number of input gains tried."""


@record()
class Circuit(NdrModel):
    """A device in series with a resistance, as an ``NdrModel`` whose voltage is
    that of the source.

    Raises PhysicsError when a value is negative or not finite, or a read time has no
    capacitance to charge.

    Parameters
    ----------
    device:
        The device that is driven.
    source_resistance_ohm:
        Everything in series with it: column, access transistor, buffer's output. 0 or more.
    capacitance_F:
        Beside the device, 0 or more.
    read_time_s:
        When the current is looked at after the source stepped from 0 V; 0: once it has settled.
    inductance_H:
        In series with the device, 0 or more; bounds stability and nothing else.
    """

    device: NdrModel
    source_resistance_ohm: float
    capacitance_F: float = 0.0
    read_time_s: float = 0.0
    inductance_H: float = 0.0

    from_zero = ("source_resistance_ohm", "capacitance_F", "read_time_s", "inductance_H")

    def __post_init__(self) -> None:
        super().__post_init__()
        charges = self.read_time_s == 0 or self.time_constant_s != 0
        nothing = "0, as there is no capacitance behind a resistance to charge"
        require_field(self, charges, "read_time_s", nothing)

    @property
    def time_constant_s(self) -> float:
        """Time constant R C of the series resistance and the capacitance beside
        the device, seconds."""
        return self.source_resistance_ohm * self.capacitance_F

    @property
    def peak_voltage_V(self) -> float:  # type: ignore[override]
        """Source voltage, in volts, at which the settled circuit has the device at
        its peak current."""
        volts, amperes = self.device.peak
        return volts + self.source_resistance_ohm * amperes

    @property
    def peak_current_A(self) -> float:  # type: ignore[override]
        """Peak current of the device; an upward sweep of the source reaches it whatever
        the series resistance."""
        return self.device.peak[1]

    @property
    def jumps_up_V(self) -> tuple[float, ...]:
        """Source voltages at which the device jumps to another voltage in an upward
        sweep; empty if the circuit is stable everywhere."""
        return self._upward[2]

    @property
    def bistable(self) -> bool:
        """Whether at some source voltage the device has two stable voltages."""
        return bool(self.jumps_up_V)

    @cached_property
    def negative_resistance_ohm(self) -> float:
        """Magnitude Rn of the device's negative differential resistance at the steepest
        fall of its current; inf if the current never falls."""
        v, current, _ = self._load_line
        steepest = float((np.diff(current) / np.diff(v)).min())
        return -1.0 / steepest if steepest < 0 else np.inf

    @property
    def inductance_limit_H(self) -> float:
        """Largest inductance without oscillation at any source voltage: R C max(R, Rn),
        with Rn the smallest magnitude of the device's negative resistance. If R exceeds
        Rn, an upward sweep visits only points whose negative resistance exceeds R."""
        return self.time_constant_s * max(self.negative_resistance_ohm, self.source_resistance_ohm)

    @property
    def oscillates(self) -> bool:
        """Whether some source voltage has no stable operating point."""
        return self.inductance_H > 0 and not self.inductance_H < self.inductance_limit_H

    def current(self, v: npt.ArrayLike) -> Curve:
        """Return the current in amperes at the end of the read, for source voltages
        ``v`` (any shape) that are each applied as a step from 0 V."""
        volts, amperes = self._timed if self.read_time_s else self._upward[:2]
        return np.asarray(np.interp(np.asarray(v, np.float64), volts, amperes), np.float64)

    @cached_property
    def unit_V(self) -> float:
        """Source voltage that corresponds to the device's peak voltage: the input gain
        that a designer would choose.

        Of the voltages between the device's peak and the circuit's, the one at which
        the settled circuit is nearest to its device, by the mean square over 0 to
        ``ALIKE`` peak voltages.
        """
        volts, amperes = self.device.peak
        u = np.linspace(0.0, ALIKE, ALIKE_POINTS)
        branch_voltage = np.minimum(self.device.current(u * volts) / amperes, 1.0)
        tried = np.linspace(volts, self.peak_voltage_V, UNITS) if self.source_resistance_ohm else [volts]
        drawn = [np.minimum(np.interp(u * unit, *self._upward[:2]) / amperes, 1.0) for unit in tried]
        return float(tried[int(np.square(drawn - branch_voltage).mean(axis=1).argmin())])

    def shape(self, u: npt.ArrayLike) -> Curve:
        """Return the current in units of the device's peak current at source
        voltages ``u * unit_V``."""
        return self.current(np.asarray(u, np.float64) * self.unit_V) / self.peak_current_A

    def tuned(self, current: float, voltage: float) -> Circuit:
        """Return the circuit with the device's curve scaled, I(V) -> current * I(V /
        voltage), and the same series resistance. Voltages and currents of the result
        are in units of the unscaled device: the scaled circuit draws ``current *
        tuned.current(v / voltage)`` at source voltage v."""
        part = current / voltage
        ohm, henry = self.source_resistance_ohm * part, self.inductance_H * part
        return Circuit(self.device, ohm, self.capacitance_F / part, self.read_time_s, henry)

    @cached_property
    def _load_line(self) -> tuple[Curve, Curve, Curve]:
        """Three arrays (P,) of points on the device's curve: the device
        voltages, the currents, and the source voltages at which the settled
        circuit has these points."""
        peak = self.device.peak[0]
        far = FAR * self.peak_voltage_V
        low, high = 0.0, far  # the device's voltage lies between 0 and the source's
        with np.errstate(over="ignore"):
            for _ in range(60):
                middle = (low + high) / 2
                over = middle + self.source_resistance_ohm * float(self.device.current(middle)) > far
                low, high = (low, middle) if over else (middle, high)
        corners = self.device.voltage_V if isinstance(self.device, Table) else np.array([0.0, peak])
        ranges = [np.linspace(-BELOW * peak, end, POINTS) for end in (min(high, NEAR * peak), high)]
        v = np.unique(np.concatenate([corners[corners <= high], *ranges]))
        current = self.device.current(v)
        return v, current, v + self.source_resistance_ohm * current

    @cached_property
    def _upward(self) -> tuple[Curve, Curve, tuple[float, ...]]:
        """Return three results of an upward sweep of the source: the source
        voltages, the settled currents at these voltages, and the source voltages at
        which the device jumps."""
        _, current, source = self._load_line
        return _branch(source, current)

    @cached_property
    def _timed(self) -> tuple[Curve, Curve]:
        """Source voltages, and the current that each of them causes at the end
        of the read time."""
        volts, amperes, _ = self._upward
        pick = np.unique(np.linspace(0, len(volts) - 1, TIMED_SOURCES).astype(int))
        reached = []
        for source, settled in zip(volts[pick], amperes[pick], strict=True):
            last = source - self.source_resistance_ohm * settled
            if last <= 0:
                reached.append(settled)
                continue
            v, seconds = self._way(source, last)
            reached.append(float(self.device.current(np.interp(self.read_time_s, seconds, v))))
        return volts[pick], np.array(reached)

    def _way(self, source: float, end: float) -> tuple[Curve, Curve]:
        """Return device voltages rising from 0 to ``end`` after the source steps to
        ``source``, and the time in seconds at which each is reached.

        dt = R C dV / (Vs - V - R I(V)), by the midpoint rule; steps are finer towards
        the end, where the current that charges the device runs out.
        """
        v = end * (1.0 - np.square(np.linspace(1.0, 0.0, TIMED_STEPS + 1)))
        middle = (v[1:] + v[:-1]) / 2
        left = source - middle - self.source_resistance_ohm * self.device.current(middle)
        step = self.time_constant_s * np.diff(v) / np.maximum(left, 1e-12 * max(source, 1e-300))
        return v, np.concatenate([[0.0], np.cumsum(step)])


def _branch(source: Curve, current: Curve) -> tuple[Curve, Curve, tuple[float, ...]]:
    """Return the points (source voltage, current) of the load line that an upward sweep
    of the source visits, and the source voltages at which the device jumps.

    Of the load line's points those are on the way whose source voltage no earlier point
    exceeds. A jump lands on the first later point of the same source voltage.
    """
    before = np.concatenate([[-np.inf], np.maximum.accumulate(source)[:-1]])
    on = np.flatnonzero(source > before)
    jumps = np.flatnonzero(np.diff(on) > 1)
    jump_source, after = source[on[jumps]], on[jumps + 1]
    part = (jump_source - source[after - 1]) / (source[after] - source[after - 1])
    landed = current[after - 1] + part * (current[after] - current[after - 1])
    volts = np.insert(source[on], jumps + 1, np.nextafter(jump_source, np.inf))
    return volts, np.insert(current[on], jumps + 1, landed), tuple(float(v) for v in jump_source)

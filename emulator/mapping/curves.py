"""Curves of a layer's neurons: ECRAM states, circuits, and the tables that a
program contains."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.curves import CURRENT, NdrModel
from ndrite.emulator.device.ndr.description import CURVE_END, CURVE_START
from ndrite.emulator.device.ndr.pwl import SEGMENT_BITS, SEGMENTS, fit_pwl
from ndrite.emulator.device.ndr.window import Shape, Window, choose_window
from ndrite.emulator.errors import CompileError
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MIN, Floats
from ndrite.emulator.spec.brief import record


@record()
class States:
    """ECRAM states of the neurons of one layer, each float64 (M,), 0..1 of the device's range.

    ``voltage`` and ``current`` set the peak voltage and the peak current (the same
    array's values where one device sets both). ``reference`` is the voltage state that
    the neurons' input gains were set for. ``heights`` are the outputs at the peak where
    no ECRAM sets them. ``loaded`` is the current state the input gains were set for,
    where sources have a resistance for it to load; else None. ``shape`` sets a
    parameter of the curve's shape, where the ECRAM does that; else None.
    """

    voltage: Floats
    current: Floats
    reference: Floats
    heights: Floats
    loaded: Floats | None = None
    shape: Floats | None = None


def kept(states: States, chip: Chip, seconds: float) -> States:
    """Return the ECRAM states after relaxing for ``seconds`` at the chip's temperature;
    a negative number returns earlier states."""

    def moved(values: Floats) -> Floats:
        return chip.ecram.kept(values, seconds, chip.temperature_K)

    return dataclasses.replace(
        states,
        voltage=moved(states.voltage),
        current=moved(states.current),
        shape=None if states.shape is None else moved(states.shape),
    )


def heights_at(states: States, chip: Chip) -> Floats:
    """Return the neurons' outputs at their peak (M,), relative to the nominal device,
    at ECRAM states ``states``."""
    if chip.ecram.tunes not in CURRENT:
        return states.heights
    return np.minimum(chip.ecram.current(states.current), 1.0)


def stretch_at(states: States, chip: Chip) -> Floats:
    """Return the neurons' peak voltages (M,) at ECRAM states ``states``, relative to
    the peak voltages for which the input gains were set."""
    return np.asarray(chip.ecram.voltage(states.voltage) / chip.ecram.voltage(states.reference), np.float64)


LIKENED = np.linspace(CURVE_START, CURVE_END, 601)
"""Inputs at which neurons' curves are compared, in units of the nominal neuron's curve."""


def shape_at(chip: Chip, state: float) -> Shape:
    """Return the nominal neuron's curve when the ECRAM for its shape parameter has the
    state ``state``: a function from u, in the curve's unit, to outputs 0..1."""
    neuron = chip.neuron
    unit, amperes = neuron.unit_V, neuron.device.peak[1]
    device = chip.ecram.shaped(neuron.device, state)
    model = neuron.in_circuit(device) or device
    return lambda u: np.clip(model.current(u * unit) / amperes, 0.0, 1.0)


def family(chip: Chip, states: npt.ArrayLike, u: Floats) -> Floats:
    """Return the outputs (S, P) of the nominal neuron for shape states ``states`` (S,)
    of its ECRAM and inputs ``u`` (P,), in the curve's unit."""
    return np.stack([shape_at(chip, float(state))(u) for state in np.asarray(states, np.float64)])


def nearest_states(chip: Chip, states: Floats, wanted: Floats) -> Floats:
    """Return for each of the curves ``wanted`` (M, len(LIKENED)) the ECRAM state, among
    ``states`` (S,), whose curve has the smallest mean square distance from it."""
    has = family(chip, states, LIKENED)
    error = np.square(wanted[:, None] - has[None]).mean(axis=2)
    return np.asarray(states[error.argmin(axis=1)], np.float64)


def shaped_devices(chip: Chip, devices: Sequence[NdrModel], states: States) -> tuple[NdrModel, ...]:
    """Return the individual ``devices``, each with the shape parameter that its
    ECRAM state sets."""
    assert states.shape is not None
    return tuple(chip.ecram.shaped(d, float(s)) for d, s in zip(devices, states.shape, strict=True))


def widest_window(chip: Chip) -> Window:
    """Return the window of the ECRAM state whose curve extends furthest. One window is
    used for all states."""
    windows = [choose_window(shape_at(chip, state)) for state in (0.0, 0.5, 1.0)]
    return max(windows, key=lambda window: window.high)


CurveFunction = Callable[[Floats], Floats]


def own_units_V(chip: Chip, states: States | None, outputs: int) -> Floats:
    """Return the source voltage (M,) that corresponds to the peak voltage of each
    nominal neuron, at the ECRAM states for which its input gain was set. This is the
    device's peak voltage or, with a series resistance, the circuit's ``unit_V``."""
    device = chip.neuron.device
    circuit = chip.neuron.in_circuit(device)
    voltage, current = np.ones(outputs), np.ones(outputs)
    if states is not None:
        voltage = np.asarray(chip.ecram.voltage(states.reference), np.float64)
        if states.loaded is not None:
            current = np.minimum(chip.ecram.current(states.loaded), 1.0)
    if circuit is None:
        return np.asarray(voltage * device.peak[0], np.float64)
    pairs, pair_of = np.unique(np.stack([current, voltage], axis=1), axis=0, return_inverse=True)
    units = np.array([circuit.tuned(float(c), float(v)).unit_V * float(v) for c, v in pairs])
    return np.asarray(units[pair_of.ravel()], np.float64)


def source_units_V(chip: Chip, own_V: Floats) -> Floats:
    """Return the source voltage (M,) that corresponds to one unit of u, the input of
    each neuron's curve.

    Behind a converter every neuron has a gain of its own, set so that the unit is
    its own, ``own_V``. With analog readout the transimpedance is common to the
    layer, and so is the unit.
    """
    if chip.readout.kind == "adc":
        return own_V
    return np.full(len(own_V), np.exp(np.log(own_V).mean()))


def axes(
    chip: Chip, heights: Floats, stretch: Floats | float, states: States | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return four scale factors of each neuron (M,): source voltage per unit of u, the
    input of its curve; factor on its device's current axis; factor on the voltage axis;
    factor on the output.

    ``heights`` (M,): where the ECRAM sets the peak current, the part of it that the
    device draws, and so loads its source with; elsewhere a factor on the output.
    ``stretch`` (M,): peak voltages relative to those the input gains were set for.
    """
    unit, unit_heights = source_units_V(chip, own_units_V(chip, states, len(heights))), np.ones(len(heights))
    voltage = unit_heights * stretch
    if states is not None:
        voltage = voltage * chip.ecram.voltage(states.reference)
    tuned = states is not None and chip.ecram.tunes in CURRENT
    return (unit, heights, voltage, unit_heights) if tuned else (unit, unit_heights, voltage, heights)


def loaded_curves(
    devices: Sequence[NdrModel], chip: Chip, heights: Floats, stretch: Floats | float, states: States | None
) -> tuple[CurveFunction, int]:
    """Return two values for devices in series with the neuron's resistance. The first
    is a function from inputs u (..., M), in units of ``source_units_V``, to outputs
    0..1 (..., M); the second is the number of bistable devices. ``heights`` and
    ``stretch`` as for ``axes``. Raises CompileError when devices oscillate."""
    outputs = len(heights)
    unit, current, voltage, gain = axes(chip, heights, stretch, states)
    amperes = chip.neuron.device.peak[1]
    models = []
    for device, c, s in zip(devices, current, voltage, strict=True):
        circuit = chip.neuron.in_circuit(device)
        assert circuit is not None
        models.append(circuit.tuned(float(c), float(s)))
    limits_nH = [m.inductance_limit_H / m.inductance_H for m in models if m.oscillates]
    if limits_nH:
        neuron = chip.neuron
        raise CompileError(
            f"neuron.inductance_nH is {neuron.inductance_nH:g}; accepted: below "
            f"{min(limits_nH) * neuron.inductance_nH:.3g}, the least R C Rn at "
            f"{neuron.source_resistance_ohm:g} ohm and {neuron.capacitance_pF:g} pF: {len(limits_nH)} of "
            f"{outputs} neurons would oscillate where their current falls"
        )

    def curves(u: Floats) -> Floats:
        v = np.broadcast_to(u, (*np.shape(u)[:-1], outputs)) * unit
        numbered = enumerate(zip(models, current, voltage, strict=True))
        drawn = np.stack([c * model.current(v[..., m] / s) for m, (model, c, s) in numbered], axis=-1)
        return np.asarray(np.clip(gain * drawn / amperes, 0.0, 1.0), np.float64)

    return curves, sum(m.bistable for m in models)


Index = npt.NDArray[np.uint16]
CURVES_MAX = 1 << 16


class Curves:
    """Collects the curve tables of a program, numbered in the order in which they are added."""

    def __init__(self) -> None:
        self._rows: list[npt.NDArray[np.int32]] = []
        self._known: dict[bytes, int] = {}

    @property
    def base(self) -> npt.NDArray[np.int32]:
        """Base values of all tables, int32 (Q, segments); one table of zeros
        if none was added."""
        return self._tables[:, :SEGMENTS].copy()

    @property
    def slope(self) -> npt.NDArray[np.int32]:
        """Slopes of all tables, int32 (Q, segments)."""
        return self._tables[:, SEGMENTS:].copy()

    def fit(self, wanted: Floats, *, each: bool = False) -> tuple[Index, float]:
        """Fit tables to the curves ``wanted`` (Q, 4096) and add them; return the
        tables' numbers (Q,) and the largest error in output steps. With ``each`` every
        curve gets a table of its own, otherwise equal curves share one."""
        fitted = fit_pwl(wanted)
        return self.add(fitted.base, fitted.slope, each=each), fitted.max_error_lsb

    def add(self, base: npt.NDArray[np.int32], slope: npt.NDArray[np.int32], *, each: bool = True) -> Index:
        """Add tables (Q, segments) and return their numbers (Q,). A table that exists
        already is reused, unless ``each`` asks for separate tables."""
        numbers = []
        for row in np.hstack([base, slope]):
            number = len(self._rows)
            if not each:
                number = self._known.setdefault(row.tobytes(), number)
            if number == len(self._rows):
                self._rows.append(row)
            numbers.append(number)
        if len(self._rows) > CURVES_MAX:
            raise CompileError(f"number of curves is {len(self._rows)}; accepted: at most {CURVES_MAX}")
        return np.array(numbers, np.uint16)

    @property
    def _tables(self) -> npt.NDArray[np.int32]:
        return np.stack(self._rows or [np.zeros(2 * SEGMENTS, np.int32)])


CODES = INPUT_MAX + 1
WHOLE = -(CODES // 2), 16
"""Offset and scale that map the input codes to all voltage codes, with a whole number
of input codes per segment of the table."""
ALIGNED = 15
"""Scale from input codes to voltage codes that leaves room to shift the input codes by
more than one segment of the table."""


def placed(values: Floats) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16], Floats]:
    """Choose how input codes are mapped to the voltage codes of a table, for the
    functions ``values`` (Q, 256) of the input code, in output steps. Return three
    arrays: the offset (Q,) and the scale (Q,) of that mapping, and the output (Q, 4096)
    that each table should have at every voltage code.

    A device is off below 0 V, so a function of its gain and offset has a kink at some
    input. Where that costs a straight piece more than moving the input codes does, they
    are moved so that a segment begins there.
    """
    plain = np.full(len(values), WHOLE[0]), np.full(len(values), WHOLE[1])
    moved = _aligned(values)
    candidates = [
        (offset, scale, _between(values, offset, scale, kink))
        for (offset, scale), kink in ((plain, np.zeros(len(values), np.intp)), (moved[:2], moved[2]))
    ]
    errors = [_bent(exact_codes) for *_, exact_codes in candidates]
    better = errors[1] < errors[0]
    offset, scale, exact_codes = (
        np.where(better if a.ndim == 1 else better[:, None], b, a) for a, b in zip(*candidates, strict=True)
    )
    return offset.astype(np.int16), scale.astype(np.uint16), exact_codes


def _bent(wanted: Floats) -> Floats:
    """Estimate twice the largest error (Q,) of tables of straight segments: the range
    of the deviations from each segment's chord."""
    pieces = wanted.reshape(len(wanted), SEGMENTS, -1)
    part = np.linspace(0.0, 1.0, pieces.shape[2])
    about = pieces - (pieces[..., :1] + (pieces[..., -1:] - pieces[..., :1]) * part)
    return np.asarray((about.max(axis=2) - about.min(axis=2)).max(axis=1), np.float64)


def _aligned(values: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return three arrays (Q,): the input offset and the input scale that put a
    boundary between two table segments at each function's sharpest kink, and the first
    input code after the kink."""
    bend = np.abs(np.diff(values, n=2))
    bend_place = np.clip(bend.argmax(axis=1) + 1, 4, CODES - 5)
    # The largest bend is at this code; the kink lies before or after it. Choose the
    # side that leaves less curvature in the two pieces that the kink separates.
    rows = np.arange(len(values))
    left = [bend[rows, kink - 3] + bend[rows, kink] for kink in (bend_place, bend_place + 1)]
    kink = np.where(left[0] <= left[1], bend_place, bend_place + 1)
    # A segment begins every eighth or ninth code, so at least one of nine successive
    # offsets is suitable. The offset nearest to the middle is chosen.
    offsets = WHOLE[0] + np.array([0, -1, 1, -2, 2, -3, 3, -4, 4])
    voltage = (kink[:, None] + offsets) * ALIGNED - V_MIN
    begins = voltage >> SEGMENT_BITS > (voltage - ALIGNED) >> SEGMENT_BITS
    return offsets[begins.argmax(axis=1)], np.full(len(values), ALIGNED), kink


def _between(
    values: Floats,
    offset: npt.NDArray[np.intp],
    scale: npt.NDArray[np.intp],
    kink: npt.NDArray[np.intp],
) -> Floats:
    """Interpolate the outputs at all voltage codes linearly between those at the input
    codes. Beyond the first and the last input code, and between a kink (0: none) and
    the code before it, each table segment is extended straight, since the table is
    never read there."""
    v = np.arange(1 << V_BITS) + V_MIN
    x = v / scale[:, None] - offset[:, None]
    begin = kink[:, None]
    low = np.clip(np.floor(x).astype(np.intp), 0, INPUT_MAX - 1)
    first = (begin + offset[:, None]) * scale[:, None] - V_MIN
    behind = (v - V_MIN) >> SEGMENT_BITS >= first >> SEGMENT_BITS
    low = np.where(behind, np.maximum(low, begin), np.minimum(low, begin - 2))
    below, above = (np.take_along_axis(values, position, axis=1) for position in (low, low + 1))
    codes: Floats = np.clip(below + (x - low) * (above - below), 0.0, INPUT_MAX)
    return codes

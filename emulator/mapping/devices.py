"""The neurons that a chip can have: reachable peaks and heights, and individual curves."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip, Neuron
from ndrite.emulator.device.ecram.pulses import reachable
from ndrite.emulator.device.ndr.circuit import Circuit
from ndrite.emulator.device.ndr.curves import CURRENT, SHAPES, VOLTAGE, NdrModel
from ndrite.emulator.device.ndr.pwl import SEGMENTS
from ndrite.emulator.device.ndr.window import Window, choose_window
from ndrite.emulator.mapping.curves import (
    LIKENED,
    CurveFunction,
    States,
    heights_at,
    kept,
    loaded_curves,
    nearest_states,
    own_units_V,
    shaped_devices,
    source_units_V,
    stretch_at,
)
from ndrite.emulator.network.activation import NAMED, Activation, Ndr, Sampled
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Floats
from ndrite.emulator.spec.brief import record

Shape = Callable[[Floats], Floats]


def shape_of(activation: Activation, neuron: Neuron) -> Shape:
    """Return an activation's curve in its own unit, with outputs 0..1: for
    an NDR activation the curve of the chip's nominal neuron, for another one
    the function itself."""
    if isinstance(activation, Ndr):
        circuit = neuron.circuit
        return lambda u: np.clip(circuit.shape(u), 0.0, 1.0)
    return trained_shape(activation)


def heights_and_peaks(activation: Activation, outputs: int) -> tuple[Floats, Floats]:
    """Return two arrays float64 (M,) of an activation: each neuron's output at the
    peak, and the pre-activation that corresponds to one unit of the curve's input u."""
    if isinstance(activation, Ndr):
        return activation.height.astype(np.float64), activation.peak.astype(np.float64)
    return np.ones(outputs), np.ones(outputs)


def trained_shape(activation: Activation) -> Shape:
    """Return the curve with which the network was trained, in the curve's own unit,
    with outputs 0..1."""
    function = activation.shape if isinstance(activation, Ndr | Sampled) else NAMED[activation.name]
    return lambda u: np.asarray(function(u), np.float64)


def trained_outputs(activation: Activation, z: Floats) -> Floats:
    """Return the float network's outputs 0..1 (n, ..., M) for pre-activations ``z``,
    whatever devices the chip has."""
    heights, peaks = heights_and_peaks(activation, z.shape[-1])
    return heights * trained_shape(activation)(z / peaks)


def jumps_of(activation: Activation, neuron: Neuron) -> tuple[float, ...]:
    """Return the inputs, in the curve's own unit, at which the curve that ``shape_of``
    returns jumps. Only bistable neurons have jumps."""
    circuit = neuron.circuit
    if not isinstance(activation, Ndr) or not isinstance(circuit, Circuit) or circuit.read_time_s:
        return ()
    return tuple(v / circuit.unit_V for v in circuit.jumps_up_V)


def window_of(activation: Activation, shape: Shape, jumps: tuple[float, ...] = ()) -> Window:
    """Choose the window of a layer, the range of inputs u that its tables cover: for a
    sampled function from its first to its last point, otherwise by
    ``choose_window``."""
    if isinstance(activation, Sampled):
        return Window(*activation.ends, SEGMENTS, 0.0)
    return choose_window(shape, jumps)


@record()
class Neurons:
    """The neurons of one hidden layer, as they are on a die.

    Attributes
    ----------
    heights, peaks:
        float64 (M,): output at the peak and pre-activation per unit of the curve,
        as set on the chip.
    curves:
        u (..., M) -> outputs 0..1 (..., M) of the individual devices.
    individual:
        Whether every neuron has a curve of its own.
    unreachable:
        Neurons whose wanted peak or height lies outside what the ECRAM reaches; they
        take the nearest.
    states:
        States of the ECRAMs; None without any.
    devices:
        The individual NDR devices; None where they do not vary.
    bistable:
        How many have two stable voltages for some sources.
    """

    heights: Floats
    peaks: Floats
    curves: CurveFunction
    individual: bool
    unreachable: int = 0
    states: States | None = None
    devices: tuple[NdrModel, ...] | None = None
    bistable: int = 0


def make_neurons(activation: Activation, chip: Chip, outputs: int, rng: np.random.Generator) -> Neurons:
    """Set the ECRAM of every neuron of a layer and sample its individual device.
    Activations given by name (relu, ..) have no device and are computed exactly."""
    heights, peaks = heights_and_peaks(activation, outputs)
    shape = shape_of(activation, chip.neuron)
    if not isinstance(activation, Ndr):
        return Neurons(heights, peaks, shape, False)
    drawn, devices = draw_devices(chip, outputs, rng)
    heights, peaks, unreachable, states = _tuned(heights, peaks, chip, drawn)
    if states is not None and chip.ecram.tunes in SHAPES:
        states = _shaped(activation, chip, states, drawn)
    if states is not None:
        states = kept(states, chip, chip.conditions.time_since_programming_s)
    units_V = own_units_V(chip, states, outputs)
    peaks = peaks * (source_units_V(chip, units_V) / units_V)
    return ndr_neurons(chip, heights, peaks, unreachable, states, devices)


def ndr_neurons(
    chip: Chip,
    heights: Floats,
    peaks: Floats,
    unreachable: int,
    states: States | None,
    devices: Sequence[NdrModel] | None,
) -> Neurons:
    """Build the neurons of a layer from devices that are already sampled; None stands
    for nominal devices. If there are ``states``, they determine the heights."""
    # Peak voltages, relative to the peak voltages for which the input gains were set.
    stretch: Floats | float = 1.0
    if states is not None:
        heights, stretch = heights_at(states, chip), stretch_at(states, chip)
    device, drawn = chip.neuron.device, None if devices is None else tuple(devices)
    of = drawn or (device,) * len(heights)
    individual = drawn is not None
    if states is not None and states.shape is not None:
        of, individual = shaped_devices(chip, of, states), True
    if chip.neuron.source_resistance_ohm:
        loaded, bistable = loaded_curves(of, chip, heights, stretch, states)
        differ = individual or states is not None
        return Neurons(heights, peaks, loaded, differ, unreachable, states, drawn, bistable)
    if chip.readout.kind == "analog":
        units_V = own_units_V(chip, states, len(heights))
        stretch = stretch * (units_V / source_units_V(chip, units_V))
    if individual:
        volts, amperes = device.peak

        def own_curves(u: Floats) -> Floats:
            v = np.broadcast_to(u, (*np.shape(u)[:-1], len(of))) / stretch * volts
            currents = np.stack([d.current(v[..., m]) for m, d in enumerate(of)], axis=-1)
            return np.clip(heights * currents / amperes, 0.0, 1.0)

        return Neurons(heights, peaks, own_curves, True, unreachable, states, drawn)

    def nominal(u: Floats) -> Floats:
        return heights * np.clip(device.shape(u / stretch), 0.0, 1.0)

    tuned = chip.readout.kind == "analog" and states is not None
    return Neurons(heights, peaks, nominal, tuned, unreachable, states)


def without_load(neurons: Neurons, chip: Chip) -> Neurons:
    """Return the neurons with the same devices, ECRAM states and peaks, but driven by
    ideal sources without resistance."""
    ideal = dataclasses.replace(
        chip,
        neuron=dataclasses.replace(
            chip.neuron, source_resistance_ohm=0.0, capacitance_pF=0.0, inductance_nH=0.0, read_time_ns=0.0
        ),
    )
    outputs, states = len(neurons.heights), neurons.states
    peaks = neurons.peaks
    for chip_now, sign in ((chip, 1), (ideal, -1)):
        units_V = own_units_V(chip_now, states, outputs)
        peaks = peaks * (units_V / source_units_V(chip_now, units_V)) ** sign
    return ndr_neurons(ideal, neurons.heights, peaks, neurons.unreachable, states, neurons.devices)


def draw_devices(chip: Chip, outputs: int, rng: np.random.Generator) -> tuple[Floats, list[NdrModel] | None]:
    """Sample the individual devices of a layer's neurons, and the errors (2, M) that
    remain after the ECRAMs are set: standard normal numbers for voltage, then current.

    None for devices that do not vary. The second row is drawn last and only where an
    ECRAM of its own sets the current, so that chips differing in one value share draws.
    """
    first = rng.standard_normal(outputs)
    devices = chip.neuron.devices(outputs, rng) if chip.neuron.varies else None
    second = rng.standard_normal(outputs) if chip.ecram.tunes == "each" else first
    return np.stack([first, second]), devices


def each_of(neurons: Neurons) -> CurveFunction:
    """Return a function from inputs u (...,) to outputs 0..1 (..., M): what every
    neuron outputs at the same input."""
    outputs = len(neurons.heights)
    return lambda u: neurons.curves(np.repeat(np.asarray(u)[..., None], outputs, axis=-1))


def curves_of(neurons: Neurons, window: Window, outputs: int) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Return two arrays: the distinct curves of a layer's neurons (Q, 4096), each the
    wanted output in output steps (LSB) at every voltage code; and the index (M,) of
    each neuron's curve."""
    curves = each_of(neurons)(window.values()).T
    if neurons.individual:
        return INPUT_MAX * np.ascontiguousarray(curves), np.arange(outputs)
    distinct, first, curve_of = np.unique(neurons.heights, return_index=True, return_inverse=True)
    curve_codes = np.clip(INPUT_MAX * curves[first], 0.0, INPUT_MAX)
    assert len(distinct) == len(curve_codes)
    return curve_codes, curve_of


def _tuned(
    heights: Floats, peaks: Floats, chip: Chip, rest: Floats
) -> tuple[Floats, Floats, int, States | None]:
    """Choose the nearest reachable ECRAM states for the wanted heights and peaks.
    Return four values: the heights at these states, the peaks, the number of neurons
    whose wanted values are out of reach, and the states.

    Peak currents: a height is its factor on the nominal device, whose height is 1. Peak
    voltages: factors relative to the layer's geometric mean peak, which the neuron's
    input gain is set for. A state is set by pulses with a check after each, so what is
    left is the last pulse's cycle-to-cycle noise.
    """
    ecram = chip.ecram
    device = ecram.device
    if device is None or ecram.tunes == "none":
        return heights, peaks, 0, None
    states, noise = reachable(device, ecram.states), _pulse_noise(chip, rest)

    def nearest(factors: Floats, wanted: Floats) -> Floats:
        closest = np.abs(factors[None] - wanted[:, None]).argmin(axis=1)
        return np.asarray(states[closest], np.float64)

    out = np.zeros(len(heights), bool)
    voltage = np.zeros(len(heights))
    current = nearest(ecram.current(states), heights)
    untuned = heights
    if ecram.tunes in VOLTAGE:
        centre = float(np.exp(np.log(peaks).mean()))
        low, high = ecram.voltage_factors
        middle = np.sqrt(low * high)
        targets = peaks / centre * middle
        out |= (targets < low * 0.999) | (targets > high * 1.001)
        by_voltage = nearest(ecram.voltage(states), targets)
        voltage = np.clip(by_voltage + noise[0], 0.0, 1.0)
        peaks = centre / middle * ecram.voltage(voltage)
        if ecram.tunes == "both":
            # With a single ECRAM for voltage and current, the wanted peak
            # voltage determines its state, and the peak current (height) is the
            # one at that state.
            current = by_voltage
    if ecram.tunes in CURRENT:
        low, high = ecram.current_factors
        out |= (heights < low * 0.999) | (heights > high * 1.001)
        current = np.clip(current + noise[1], 0.0, 1.0)
        heights = np.minimum(ecram.current(current), 1.0)
    loaded = current if chip.neuron.source_resistance_ohm and ecram.tunes in CURRENT else None
    return heights, peaks, int(out.sum()), States(voltage, current, voltage, untuned, loaded)


def _pulse_noise(chip: Chip, rest: Floats) -> Floats:
    """Return by how much, in units of the ECRAM's range, the last pulse misses the
    target state, given the standard normal samples ``rest``."""
    ecram = chip.ecram
    step = 1.0 if ecram.model == "exponential" else ecram.step_up / (ecram.w_max - ecram.w_min)
    return np.asarray(rest * (ecram.cycle_percent / 100) * step, np.float64)


def _shaped(activation: Ndr, chip: Chip, states: States, rest: Floats) -> States:
    """Return ``states`` with the shape states whose curves are nearest to the trained
    curve; heights and peaks cannot be set."""
    device = chip.ecram.device
    assert device is not None
    grid = np.repeat(LIKENED[:, None], len(states.heights), axis=1)
    trained = np.asarray(trained_shape(activation)(grid), np.float64).T
    shape = nearest_states(chip, reachable(device, chip.ecram.states), trained)
    return dataclasses.replace(states, shape=np.clip(shape + _pulse_noise(chip, rest)[0], 0.0, 1.0))

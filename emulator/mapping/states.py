"""ECRAM states of one layer's neurons, and the curves where they set a neuron's shape."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.curves import NdrModel
from ndrite.emulator.device.ndr.description import CURVE_END, CURVE_START
from ndrite.emulator.device.ndr.tuning import CURRENT
from ndrite.emulator.device.ndr.window import Shape, Window, choose_window
from ndrite.emulator.spec.arrays import Floats
from ndrite.emulator.spec.brief import record


@record()
class States:
    """ECRAM states of one layer's neurons, each float64 (M,) in 0..1 of the device's range.

    ``voltage`` and ``current`` set the peak voltage and the peak current (the same array's values where one
    device sets both). ``reference`` is the voltage state that the neurons' input gains were set for.
    ``heights`` are the outputs at the peak where no ECRAM sets them. ``loaded`` is the current state the
    input gains were set for, where sources have a resistance for it to load; else None. ``shape`` sets a
    parameter of the curve's shape, where the ECRAM does that; else None.
    """

    voltage: Floats
    current: Floats
    reference: Floats
    heights: Floats
    loaded: Floats | None = None
    shape: Floats | None = None


def kept(states: States, chip: Chip, seconds: float) -> States:
    """The states so many seconds later (earlier, below 0), at the chip's temperature."""

    def moved(values: Floats) -> Floats:
        return chip.ecram.kept(values, seconds, chip.temperature_K)

    return dataclasses.replace(
        states,
        voltage=moved(states.voltage),
        current=moved(states.current),
        shape=None if states.shape is None else moved(states.shape),
    )


def heights_at(states: States, chip: Chip) -> Floats:
    """Outputs at the peak, relative to the nominal device, (M,)."""
    if chip.ecram.tunes not in CURRENT:
        return states.heights
    return np.minimum(chip.ecram.current(states.current), 1.0)


def stretch_at(states: States, chip: Chip) -> Floats:
    """Peak voltages relative to those that the input gains were set for, (M,)."""
    return np.asarray(chip.ecram.voltage(states.voltage) / chip.ecram.voltage(states.reference), np.float64)


LIKENED = np.linspace(CURVE_START, CURVE_END, 601)
"""Where curves are likened, in units of the nominal neuron's curve."""


def shape_at(chip: Chip, state: float) -> Shape:
    """Outputs 0..1 of the nominal neuron at a state of its shape, u in its unit."""
    neuron = chip.neuron
    unit, amperes = neuron.unit_V, neuron.device.peak[1]
    device = chip.ecram.shaped(neuron.device, state)
    model = neuron.in_circuit(device) or device
    return lambda u: np.clip(model.current(u * unit) / amperes, 0.0, 1.0)


def family(chip: Chip, states: npt.ArrayLike, u: Floats) -> Floats:
    """Outputs (S, P) of the nominal neuron at ``states`` (S,) of its shape, ``u`` (P,) in its unit."""
    return np.stack([shape_at(chip, float(state))(u) for state in np.asarray(states, np.float64)])


def nearest_states(chip: Chip, states: Floats, wanted: Floats) -> Floats:
    """Of ``states`` (S,) the one (M,) whose curve is nearest to each of ``wanted`` (M, len(LIKENED)), by the
    mean square."""
    has = family(chip, states, LIKENED)
    error = np.square(wanted[:, None] - has[None]).mean(axis=2)
    return np.asarray(states[error.argmin(axis=1)], np.float64)


def shaped_devices(chip: Chip, devices: Sequence[NdrModel], states: States) -> tuple[NdrModel, ...]:
    """The individual ``devices`` at the states of their shape."""
    assert states.shape is not None
    return tuple(chip.ecram.shaped(d, float(s)) for d, s in zip(devices, states.shape, strict=True))


def widest_window(chip: Chip) -> Window:
    """The window of the state whose curve reaches furthest, for all of them."""
    windows = [choose_window(shape_at(chip, state)) for state in (0.0, 0.5, 1.0)]
    return max(windows, key=lambda window: window.high)

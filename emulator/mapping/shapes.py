"""Neurons whose shape an ECRAM sets: the curves of its states, and the state nearest to a wanted curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.device.ndr.curves import NdrModel
from emulator.device.ndr.description import CURVE_END, CURVE_START
from emulator.device.ndr.window import Shape, Window, choose_window
from emulator.mapping.states import States

Floats = npt.NDArray[np.float64]

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


def widest_window(chip: Chip, segments: int) -> Window:
    """The window of the state whose curve reaches furthest, for all of them."""
    windows = [choose_window(shape_at(chip, state), segments) for state in (0.0, 0.5, 1.0)]
    return max(windows, key=lambda window: window.high)

"""Neurons as circuits: what sources of a layer deliver, and the curves of devices behind their resistance."""

from collections.abc import Callable, Sequence

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.curves import NdrModel
from ndrite.emulator.device.ndr.tuning import CURRENT
from ndrite.emulator.errors import CompileError
from ndrite.emulator.mapping.states import States
from ndrite.emulator.spec.arrays import Floats

Curves = Callable[[Floats], Floats]


def own_units_V(chip: Chip, states: States | None, outputs: int) -> Floats:
    """Source voltage (M,) of one peak voltage of each nominal neuron, at the states its input gain was set
    for: the device's peak voltage, or the circuit's ``unit_V``."""
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
    """Source voltage (M,) of one unit of a neuron's curve.

    Behind a converter every neuron has a gain of its own, set so that the unit is its own, ``own_V``.
    With analog readout the transimpedance is common to the layer, and so is the unit.
    """
    if chip.readout.kind == "adc":
        return own_V
    return np.full(len(own_V), np.exp(np.log(own_V).mean()))


def axes(
    chip: Chip, heights: Floats, stretch: Floats | float, states: States | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Per neuron (M,): source voltage of one unit of u, factors on its device's current and voltage
    axes, and on its output.

    ``heights`` (M,): where the ECRAM sets the peak current, the part of it that the device draws, and so
    loads its source with; elsewhere a factor on the output. ``stretch`` (M,): peak voltages relative to those
    the input gains were set for.
    """
    unit, unit_heights = source_units_V(chip, own_units_V(chip, states, len(heights))), np.ones(len(heights))
    voltage = unit_heights * stretch
    if states is not None:
        voltage = voltage * chip.ecram.voltage(states.reference)
    tuned = states is not None and chip.ecram.tunes in CURRENT
    return (unit, heights, voltage, unit_heights) if tuned else (unit, unit_heights, voltage, heights)


def loaded_curves(
    devices: Sequence[NdrModel], chip: Chip, heights: Floats, stretch: Floats | float, states: States | None
) -> tuple[Curves, int]:
    """Outputs 0..1 (..., M) of devices behind the neuron's resistance, u (..., M) in ``source_units_V``; and
    how many of them are bistable. ``heights`` and ``stretch`` as of ``axes``. Raises CompileError when
    devices oscillate."""
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

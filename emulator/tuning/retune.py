"""From ECRAM states to curves: the image of a chip whose neurons were tuned, its weights untouched."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.chips import Chip, parse_chip
from emulator.compile.devices import Curves, States, draw_devices, individual_curves
from emulator.compile.generators import device_generator
from emulator.compile.neuron import Window, choose_window
from emulator.compile.pwl import fit_pwl
from emulator.errors import CompileError
from emulator.physics.tuning import CURRENT, VOLTAGE
from emulator.spec import Program
from emulator.spec.arithmetic import INPUT_MAX, V_BITS

Floats = npt.NDArray[np.float64]


class Device:
    """A layer's devices: nominal ones, or individuals that differ."""

    def __init__(self, chip: Chip, seed: int, layer: int, outputs: int) -> None:
        rng = device_generator(seed, layer)
        rng.standard_normal((2, outputs))  # the converters'
        self._chip = chip
        self._devices = draw_devices(chip, outputs, rng)[1]

    def curves(self, heights: Floats, stretch: Floats) -> Curves:
        """u (..., M) to outputs 0..1 (..., M)."""
        if self._devices is not None:
            return individual_curves(self._devices, self._chip, heights, stretch)
        shape = self._chip.neuron.device.shape
        return lambda u: np.clip(heights * shape(u / stretch), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class TunableLayer:
    """A hidden layer whose neurons have ECRAMs: where they are, and what a state does.

    ``device`` gives outputs 0..1 of u (..., M), heights (M,) and stretches (M,) of the u axis.
    """

    index: int
    states: States
    window: Window
    device: Device


class Tunable:
    """An image whose neurons can be tuned; ``image(states)`` is the image at other states.

    ``layers`` are the hidden layers with ECRAM. Every neuron gets a curve of its own.
    """

    def __init__(self, image: Program, chip: Chip, layers: tuple[TunableLayer, ...]) -> None:
        self.base = image
        self.chip = chip
        self.layers = layers

    @property
    def states(self) -> list[States]:
        """States of the image that was given, layer by layer."""
        return [layer.states for layer in self.layers]

    def heights(self, states: States) -> Floats:
        """Outputs at the peak, relative to the nominal device, (M,)."""
        if self.chip.ecram.tunes not in CURRENT:
            return states.heights
        return np.minimum(self.chip.ecram.tuning.current(states.current), 1.0)

    def stretch(self, states: States) -> Floats:
        """Peak voltages relative to those that the input gains were set for, (M,)."""
        tuning = self.chip.ecram.tuning
        return np.asarray(tuning.voltage(states.voltage) / tuning.voltage(states.reference), np.float64)

    def image(self, states: Sequence[States]) -> Program:
        """The image with every tuned neuron's curve at ``states``; weights, biases and gains are the same
        arrays.

        Raises
        ------
        CompileError
            When there are more curves than an image can hold, or one does not fit the table.
        """
        image = self.base
        segments = image.curve_base.shape[1]
        bases, slopes, layers, first = [], [], list(image.layers), 0
        for tunable_layer, state in zip(self.layers, states, strict=True):
            layer = image.layers[tunable_layer.index]
            u = np.repeat(tunable_layer.window.values()[:, None], layer.outputs, axis=1)
            curves = tunable_layer.device.curves(self.heights(state), self.stretch(state))
            wanted = INPUT_MAX * np.ascontiguousarray(curves(u).T)
            table = fit_pwl(wanted, segments=segments, table_bits=layer.table_bits)
            bases.append(table.base)
            slopes.append(table.slope)
            index = np.arange(first, first + layer.outputs).astype(np.uint16)
            layers[tunable_layer.index] = dataclasses.replace(layer, curve=index)
            first += layer.outputs
        # Curves of layers without ECRAM stay, behind the tuned ones.
        tuned = {layer.index for layer in self.layers}
        for i, layer in enumerate(image.layers[:-1]):
            if i not in tuned:
                used, where = np.unique(layer.curve, return_inverse=True)
                bases.append(image.curve_base[used])
                slopes.append(image.curve_slope[used])
                layers[i] = dataclasses.replace(layer, curve=(first + where).astype(np.uint16))
                first += len(used)
        neurons: list[object] = [None] * len(image.layers)
        for tunable_layer, state in zip(self.layers, states, strict=True):
            neurons[tunable_layer.index] = _plain(state)
        return image.with_layers(
            tuple(layers),
            curve_base=np.concatenate(bases),
            curve_slope=np.concatenate(slopes),
            provenance={**image.provenance, "neurons": neurons},
        )


def tunable(image: Program) -> Tunable:
    """The tunable form of an image, from its provenance.

    Raises
    ------
    CompileError
        When the image does not say which chip it is, or has no neuron with ECRAM.
    """
    content, seed = image.provenance.get("chip"), image.provenance.get("seed")
    neurons = image.provenance.get("neurons")
    if not isinstance(content, dict) or not isinstance(seed, int):
        raise CompileError(
            f"image {image.name!r} does not say which chip it is for; accepted: one made by ndrite compile"
        )
    chip = parse_chip(content)
    if chip.ecram.device is None or chip.ecram.tunes == "none":
        raise CompileError(
            f"ecram.tunes of chip {chip.name!r} is {chip.ecram.tunes!r}; accepted: a chip with an ECRAM "
            f"at its "
            "neurons, such as dendritic-ndr or wan2022+ecram-tang2018"
        )
    if not isinstance(neurons, list) or len(neurons) != len(image.layers) or not any(neurons):
        raise CompileError(
            f"image {image.name!r} has no states of NDR neurons; accepted: one compiled by this version "
            f"from a "
            "network with NDR neurons"
        )
    shape = chip.neuron.device.shape

    def nominal(u: Floats) -> Floats:
        return np.clip(shape(u), 0.0, 1.0)

    layers = []
    for i, entry in enumerate(neurons):
        if entry is None:
            continue
        layer = image.layers[i]
        states = _states(entry, layer.outputs, i)
        segments = 1 << (V_BITS - layer.segment_bits)
        window = choose_window(nominal, segments)
        layers.append(TunableLayer(i, states, window, Device(chip, seed, i, layer.outputs)))
    return Tunable(image, chip, tuple(layers))


def _states(entry: object, outputs: int, layer: int) -> States:
    names = [field.name for field in dataclasses.fields(States)]
    try:
        arrays = {name: np.asarray(entry[name], np.float64) for name in names}  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise CompileError(f"provenance.neurons[{layer}] is not understood ({error})") from None
    for name, array in arrays.items():
        if array.shape != (outputs,) or not ((array >= 0) & (array <= 1)).all():
            raise CompileError(
                f"provenance.neurons[{layer}].{name} has shape {array.shape}; accepted: ({outputs},) in 0..1"
            )
    return States(**arrays)


def _plain(states: States) -> dict[str, list[float]]:
    return {field.name: getattr(states, field.name).tolist() for field in dataclasses.fields(states)}


def moved(tunes: str, states: States, which: str, to: Floats) -> States:
    """``states`` with one kind of ECRAM at ``to`` (M,); where one device sets both, both move."""
    if tunes == "both":
        return dataclasses.replace(states, voltage=to, current=to)
    return dataclasses.replace(states, **{which: to})


def kinds(tunes: str) -> tuple[str, ...]:
    """The ECRAMs a neuron has: of ``voltage`` and ``current``, one name where one device sets both."""
    if tunes == "both":
        return ("current",)
    return tuple(name for name, where in (("voltage", VOLTAGE), ("current", CURRENT)) if tunes in where)

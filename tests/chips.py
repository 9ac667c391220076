"""Chips that differ from a preset in some values, and small networks for them."""

import dataclasses
import itertools
from typing import Any

import numpy as np

from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.mapping import MapOptions, Mitigation
from ndrite.emulator.network import Dense, Named, Ndr, Network


def changed(chip: Chip | str, **sections: Any) -> Chip:
    """A chip, or the preset of that name, with other values in its sections:
    ``cell={"levels": 16}``."""
    chip = load_chip(chip) if isinstance(chip, str) else chip
    fields = {name: dataclasses.replace(getattr(chip, name), **values) for name, values in sections.items()}
    return dataclasses.replace(chip, **fields)


def mitigated(**measures: Any) -> MapOptions:
    """Mapping with other measures against the chip's errors: ``bias_correction=False``."""
    return MapOptions(mitigation=Mitigation(**measures))


def random_network(
    widths: tuple[int, ...] = (40, 24, 5), activation: str = "ndr", seed: int = 0, gain: float = 2.0
) -> Network:
    """Full layers of random weights, about ``gain`` over the root of their inputs; NDR
    neurons all differ."""
    rng = np.random.default_rng(seed)
    layers = []
    for i, (k, m) in enumerate(itertools.pairwise(widths)):
        hidden: Any = Named(activation) if activation != "ndr" else None
        w, b = rng.normal(size=(k, m)) * gain / k**0.5, rng.normal(size=m) * 0.3
        hidden = hidden or Ndr(rng.uniform(0.5, 2, m), rng.uniform(0.4, 1, m))
        layers.append(Dense(w, b, hidden if i < len(widths) - 2 else None))
    return Network.chain(tuple(layers), "random")


def centred_network(rows: int = 40, size: float = 1.0, heights: float | None = None) -> Network:
    """Twelve NDR neurons about their peaks, and four sums; ``size``: factor on
    the neurons' biases."""
    rng = np.random.default_rng(4)
    height = rng.uniform(0.3, 1, 12) if heights is None else np.full(12, heights)
    hidden = Ndr(rng.uniform(0.5, 2, 12), height)
    first = Dense(rng.normal(size=(rows, 12)) * 0.4, size * (rng.normal(size=12) * 0.3 + 0.5), hidden)
    return Network.chain((first, Dense(rng.normal(size=(12, 4)), rng.normal(size=4) * 0.3)), "random")


def samples(net: Network, n: int = 300, seed: int = 1) -> np.ndarray:
    """Random codes (n, inputs)."""
    return np.random.default_rng(seed).integers(0, 256, (n, net.inputs), dtype=np.uint8)

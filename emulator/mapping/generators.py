"""What chip ``seed`` draws each of its arrays from: a stream of numbers for every product."""

from __future__ import annotations

import numpy as np

DEVICES = 1 << 32
"""Random streams of a product: i for its cells, DEVICES + i for its converters and neurons."""
TABLES = 1 << 33
"""TABLES + i: the devices of node i where that is a table."""


def layer_generators(seed: int, layer: int) -> tuple[np.random.Generator, np.random.Generator]:
    """What chip ``seed`` draws a product's cells from, and its converters and neurons."""
    return _generator(seed, layer), device_generator(seed, layer)


def device_generator(seed: int, layer: int) -> np.random.Generator:
    """The generator that chip ``seed`` draws the converters and neurons of a product from."""
    return _generator(seed, DEVICES + layer)


def table_generator(seed: int, node: int) -> np.random.Generator:
    """The generator that chip ``seed`` draws the devices of a table from."""
    return _generator(seed, TABLES + node)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, stream]))

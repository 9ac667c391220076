"""A small Kolmogorov-Arnold network of a chip's devices."""

import numpy as np

from ndrite.emulator.network import Dense, Named, Ndr, Network, Patches, Product, Table

INPUTS, BASES, HIDDEN = 10, 3, 6


def bases(source: int, inputs: int, rng: np.random.Generator) -> Table:
    """Curves of every value: peaks in different places, devices of their own."""
    gain, shift = np.repeat([5.0, 6.0, 7.0], inputs), np.repeat([0.0, -2.0, -4.5], inputs)
    devices = Ndr(rng.uniform(0.8, 1.2, BASES * inputs), rng.uniform(0.5, 0.9, BASES * inputs))
    return Table((source,), np.tile(np.arange(inputs), BASES), gain, shift, devices)


def kan() -> Network:
    rng = np.random.default_rng(4)
    linear = Named("relu")
    first = Dense(rng.normal(size=(BASES * INPUTS, HIDDEN)) * 0.08, np.full(HIDDEN, 0.5), linear)
    last = Dense(rng.normal(size=(BASES * HIDDEN, 3)), np.zeros(3))
    nodes = (
        bases(0, INPUTS, rng),
        Product(first, (1,), Patches.whole((BASES * INPUTS, 1, 1))),
        bases(2, HIDDEN, rng),
        Product(last, (3,), Patches.whole((BASES * HIDDEN, 1, 1))),
    )
    return Network(nodes, (INPUTS, 1, 1), "kan")

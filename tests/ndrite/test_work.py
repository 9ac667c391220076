"""Products that samples ask of the array, counted one by one."""

import dataclasses
from typing import Any

import numpy as np

from emulator.golden import Core
from emulator.golden.random_program import random_program
from emulator.mapping import MapOptions, map_network
from emulator.network import Dense, Named, Network, Patches, Product
from emulator.spec import PRESETS, Geometry
from ndrite.evaluations import work


def test_of_a_chain_rows_that_are_not_zero_times_columns() -> None:
    rng = np.random.default_rng(0)
    program = random_program(PRESETS["tiny"], rng, sizes=[6, 5, 3], dac_bits=4, noise=False)
    x = np.array([[0, 16, 15, 255, 0, 1]], np.uint8)
    hidden = dataclasses.replace(program, steps=program.steps[:1])
    y = Core(hidden, fast=False).infer(x)[0]
    found = work(program, x)
    assert found.products == 2 * (6 * 5 + 5 * 3)
    # Slices of four bits: 16 has its upper one, 15 and 1 their lower, 255 both.
    after = sum(int(v & 15 != 0) + int(v >> 4 != 0) for v in y)
    assert found.nonzero == 5 * 5 + 3 * after
    assert found.bound(4) == -(-found.nonzero // 4)
    assert 0 < found.zeros < 1


def test_blocks_and_packed_groups_are_the_mappers_own() -> None:
    """The network's products are counted, whatever more the mapper programs."""
    rng = np.random.default_rng(1)

    def product(source: int, rows: int, columns: int, where: Patches, neuron: Any = None) -> Product:
        return Product(Dense(rng.normal(size=(rows, columns)), np.zeros(columns), neuron), (source,), where)

    first = product(0, 9, 4, Patches(shape=(4, 6, 6), kernel=(3, 3), groups=4), Named("relu"))
    second = product(1, 16, 2, Patches(shape=(4, 4, 4), kernel=(2, 2)), Named("relu"))
    last = product(2, 18, 3, Patches.whole((2, 3, 3)))
    network = Network((first, second, last), (4, 6, 6), "deep")
    x = rng.integers(1, 256, (32, 4 * 36)).astype(np.uint8)
    program = map_network(network, "ideal", x, options=MapOptions(target=Geometry())).program
    assert program.products[0].patches.groups < 4
    assert work(program, x, network).products == 4 * 9 * 16 + 16 * 2 * 9 + 18 * 3
    assert work(program, x).products > work(program, x, network).products

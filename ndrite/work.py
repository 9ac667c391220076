"""work: the products that a program's samples ask of the array, and those of them whose input is not 0."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.golden.codes import Codes, Draw
from emulator.golden.core import inputs_and_starts
from emulator.network import Network
from emulator.spec import Program
from emulator.spec.arithmetic import dac_slice, slices
from emulator.spec.evaluate import run
from emulator.spec.patches import Patches
from emulator.spec.steps import Product, join

LOOKED_AT = 16
"""Samples whose inputs are counted: of more, as many spread over them."""


@dataclass(frozen=True)
class Work:
    """Products of one inference, a slice of the inputs' converters each, mean over samples.

    They are the network's, whatever blocks and groups a program lays them out in; ``nonzero`` have an input
    other than 0.
    """

    products: float
    nonzero: float

    @property
    def zeros(self) -> float:
        """Share of the products whose input is 0."""
        return 1 - self.nonzero / self.products

    def bound(self, lanes: int) -> int:
        """The fewest cycles in which an array of so many lanes does the products whose input is not 0."""
        return -int(-self.nonzero // lanes)


def work(program: Program, x: npt.NDArray[np.uint8], network: Network | None = None) -> Work:
    """Of ``program`` on samples of codes ``x`` uint8 (n, inputs), without read noise.

    Without the ``network`` it was made of, groups that the mapper has packed count as one.
    """
    some = x[np.unique(np.linspace(0, len(x) - 1, min(len(x), LOOKED_AT)).astype(int))]
    codes = Codes.of(program, Draw.none(len(some)))
    inputs, starts = inputs_and_starts(program, some)
    known = _known(program, network)
    products = nonzero = 0
    for maps in run(codes, program.steps, program.states, inputs, starts):
        for step, (patches, outputs) in zip(program.products, known, strict=True):
            rows = patches.cut(join([maps[s] for s in step.sources]), step.border)
            d = step.layer.dac_bits
            each = outputs // patches.groups
            products += rows.size * each * slices(d)
            nonzero += sum(int(np.count_nonzero(dac_slice(rows, j, d))) for j in range(slices(d))) * each
    return Work(products / len(some), nonzero / len(some))


def _known(program: Program, network: Network | None) -> list[tuple[Patches, int]]:
    """Patches and outputs of each product, as the network has them."""
    ours = program.products
    if network is not None and len(network.products) == len(ours):
        return [(node.patches, node.dense.outputs) for node in network.products]
    return [_unblocked(product) for product in ours]


def _unblocked(product: Product) -> tuple[Patches, int]:
    """One position at a time; what a block leaves of its kernel is that of its first position."""
    patches, block = product.patches, product.block
    if block == (1, 1) or patches.is_whole:
        return patches, product.layer.outputs
    stride = patches.stride[0] // block[0], patches.stride[1] // block[1]
    rows, columns = (k - (b - 1) * s for k, b, s in zip(patches.kernel, block, stride, strict=True))
    once = dataclasses.replace(patches, kernel=(rows, columns), stride=stride)
    return once, product.layer.outputs // (block[0] * block[1])

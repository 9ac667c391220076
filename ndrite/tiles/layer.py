"""TiledLayer: what PyTorch's layers become when their matrices are on tiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emulator.learning.training.extra import torch
from emulator.spec.patches import Patches
from host import InputError
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product
from ndrite.tiles.reader import Reader

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Matrix:
    """One matrix of a layer: ``weight`` (K, M) and ``bias`` (M,) as views of its parameters.

    ``patches``: of the smallest map the kernel fits; None: it takes vectors.
    """

    weight: Tensor
    bias: Tensor | None
    patches: Patches | None = None


class TiledLayer:
    """Beside a layer class of PyTorch: an instance becomes one by ``put``, its parameters where they were.

    ``tiles``: the products by the names that ``matrices`` gives them.
    """

    tiles: Any
    training: bool

    def matrices(self) -> dict[str, Matrix]:
        """Its matrices by name, made of the parameters as they are now."""
        raise NotImplementedError

    def refused(self) -> str | None:
        """Why an instance cannot be put on tiles; None: it can."""
        return None

    def put(self, name: str, first: int, placement: Placement) -> int:
        """Make its products, numbered from ``first``; how many there are."""
        products = {}
        matrices = self.matrices()
        for i, (key, matrix) in enumerate(matrices.items()):
            said = (name if len(matrices) == 1 else f"{name}.{key}").lstrip(".") or key
            inputs, outputs = matrix.weight.shape
            products[key] = Product(
                said,
                first + i,
                placement,
                outputs,
                matrix.patches or Patches.whole((inputs, 1, 1)),
                whole=matrix.patches is None,
            )
        self.tiles = torch.nn.ModuleDict(products)
        for product in self.tiles.values():
            product.train(self.training)
        return len(products)

    def products(self) -> Iterator[tuple[Product, Matrix]]:
        """Its products, each with the matrix that it reads."""
        for key, matrix in self.matrices().items():
            yield self.tiles[key], matrix

    def reader(self, key: str) -> Reader:
        """What reads matrix ``key`` as it is now."""
        matrix = self.matrices()[key]
        return Reader(self.tiles[key], matrix.weight, matrix.bias)


def rows_of(x: Tensor, inputs: int, name: str) -> tuple[Tensor, int]:
    """Tensors (..., K) as rows (n, K), and how many of them a sample has: all but the first dimension.

    Raises
    ------
    InputError
        When the last dimension is not K.
    """
    if x.dim() < 1 or x.shape[-1] != inputs:
        raise InputError(f"{name} is given {tuple(x.shape)}; accepted: (..., {inputs})")
    each = 1
    for size in x.shape[1:-1]:
        each *= size
    return x.reshape(-1, inputs), each

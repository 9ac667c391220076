"""What a product must be, worked out from its program by brute force, not by
the code under test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ndrite.emulator.spec import Program
from tests.emulator.golden.test_steps import sampler
from tests.extras import needs
from tests.naive.learning import partial_sum


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Each test from the same seed."""
    needs("torch").manual_seed(0)


def module(compute: Callable[..., Any], **parts: Any) -> Any:
    """A module for inference, that computes so with itself and what it is given, of parts."""
    from torch import nn

    class Module(nn.Module):  # type: ignore[misc]
        def forward(self, *arguments: Any) -> Any:
            return compute(self, *arguments)

    made = Module()
    for name, part in parts.items():
        setattr(made, name, part)
    return made.eval()


def tile(model: Any, name: str) -> Any:
    """The product of ``model`` that its table calls so."""
    return {product.name: product for product in model.ndrite.products.values()}[name]


def read(model: Any, *arguments: Any) -> Any:
    """What a module gives, without gradients."""
    import torch

    with torch.no_grad():
        return model(*arguments)


def relative(y: Any, wanted: Any) -> float:
    """Root mean square of a deviation, over the deviation of what is wanted."""
    return float((y - wanted).square().mean().sqrt() / wanted.std())


def codes_of(program: Program, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Inputs in their own unit as codes 0..255."""
    assert program.meaning.inputs is not None
    low, high = float(program.meaning.inputs.low[0]), float(program.meaning.inputs.high[0])
    unit = np.clip((x.astype(np.float64) - low) / (high - low), 0, 1)
    return np.rint(255 * unit).astype(np.int64)


def by_hand(tile: Any, patches: Any, *, seed: int, index: Any = None, groups: int = 1) -> Any:
    """Product of patches (n, groups * K): tensor (n, M)."""
    import torch

    program, sample = tile.on_die.program, sampler(seed)
    (layer,), number, codes = program.layers, program.first_product, codes_of(program, patches.numpy())
    index = np.arange(len(patches)) if index is None else index
    sums = np.zeros((len(patches), layer.outputs))
    for (i, m), at in zip(np.ndindex(sums.shape), np.repeat(index, layer.outputs).tolist(), strict=True):
        seen = codes[i, m * groups // layer.outputs * layer.inputs :][: layer.inputs].tolist()
        sums[i, m] = partial_sum(program, layer, seen, m, number, at, sample) + layer.bias[m]
    return torch.tensor(sums.astype(np.float32)) * torch.tensor(tile.on_die.step.astype(np.float32))

"""What a product must be, worked out from its program here: by hand, not by the code under test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.golden.noise import gaussian, pass_key
from emulator.spec import Program


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


def sums_of(
    program: Program, codes: npt.NDArray[np.int64], groups: int, seed: int, index: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Section by section of the arithmetic: int64 (n, M) of codes (n, groups * K); 8-bit slices only."""
    (layer,) = program.layers
    assert layer.dac_bits == 8
    assert layer.readout == "adc"
    k, m = layer.weights.shape
    share = m // groups
    p = np.zeros((len(codes), m), np.int64)
    half, top = (1 << layer.shift) // 2, 1 << (layer.adc_bits - 1)
    for column in range(m):
        mine = codes[:, column // share * k : (column // share + 1) * k]
        for tile, start in enumerate(range(0, k, program.rows)):
            x = mine[:, start : start + program.rows]
            a = x @ layer.weights[start : start + program.rows, column].astype(np.int64)
            variance = layer.sigma_out**2 + (layer.var_cell * (x * x).sum(axis=1) >> 8)
            sigma = np.array([int(np.sqrt(int(v))) for v in variance])
            key = pass_key(seed, index, program.first_product, tile, 0)
            a = a + ((sigma * gaussian(key, np.array([column]))[:, 0].astype(np.int64) + 128) >> 8)
            c = ((a * int(layer.gain[column]) + half) >> layer.shift) + int(layer.offset[column])
            p[:, column] += np.clip(c, -top, top - 1)
    return p + layer.bias.astype(np.int64)


def by_hand(tile: Any, patches: Any, *, seed: int, index: Any = None, groups: int = 1) -> Any:
    """Product of patches (n, groups * K): tensor (n, M)."""
    import torch

    program = tile.on_die.program
    index = np.arange(len(patches)) if index is None else index
    sums = sums_of(program, codes_of(program, patches.numpy()), groups, seed, index)
    return torch.tensor(sums.astype(np.float32)) * torch.tensor(tile.on_die.step.astype(np.float32))

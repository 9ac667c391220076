"""A Kolmogorov-Arnold network of pykan as one of NDR devices: fitted, imported, on a chip.

    python examples/from_pykan.py
    python examples/from_pykan.py --bases 4 --chip dendritic-ndr

Every function of an edge becomes a weighted sum of the same few curves by least squares
(``bases_of``), in a module of ``ndrite.nn.Bases`` and ``torch.nn.Linear``; that one can
be trained further, and compiled like any other. Needs ndrite[train,onnx] and pykan (pip
install pykan pandas tqdm).
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import ndrite
from ndrite.nn import Bases

Functions = Callable[[np.ndarray], np.ndarray]
"""Values (n, inputs) to what every edge gives, (n, outputs, inputs)."""
POINTS = 257
"""Where functions are read, evenly over what their input spans."""
WIDER = 0.05
"""Part of a range that is added at either end: the fitted network's sums reach
a little further."""
RIDGE = 1e-6
"""Times the mean square of the bases: keeps weights from growing for the last bit of a fit."""


def layers_of(model: Any) -> list[Functions]:
    """The layers of a pykan model: splines and symbolic functions, scales
    and biases of nodes."""
    for widths in model.width:
        if not isinstance(widths, int) and widths[1]:
            raise ValueError(f"width {list(widths)} has multiplication nodes; accepted: nodes that add")
    return [_layer(model, number) for number in range(len(model.act_fun))]


def _layer(model: Any, number: int) -> Functions:
    def affine(name: str) -> np.ndarray:
        return getattr(model, name)[number].detach().numpy().astype(np.float64)

    def functions(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            given = torch.from_numpy(x.astype(np.float32))
            values = model.act_fun[number](given)[2].numpy().astype(np.float64)
            if model.symbolic_enabled:
                values = values + model.symbolic_fun[number](given)[1].numpy()
        scale = affine("node_scale") * affine("subnode_scale")
        bias = affine("node_scale") * affine("subnode_bias") + affine("node_bias")
        return values * scale[:, None] + bias[:, None] / values.shape[2]

    return functions


def bases_of(layers: list[Functions], samples: np.ndarray, bases: int) -> torch.nn.Sequential:
    """The module, float, whose ranges are those of the samples (n, inputs)."""
    parts: list[torch.nn.Module] = []
    values = samples.astype(np.float64)
    for functions in layers:
        low, high = values.min(axis=0), values.max(axis=0)
        room = WIDER * np.where(high > low, high - low, 1.0) * bool(parts)
        curves = Bases(values.shape[1], bases, low=low - room, high=high + room, spread=0.5)
        x = (low - room) + np.linspace(0.0, 1.0, POINTS)[:, None] * (high - low + 2 * room)
        with torch.no_grad():
            terms = curves(torch.from_numpy(x.astype(np.float32))).double().numpy()
        parts += [curves, _linear(terms, functions(x), bases)]
        values = functions(values).sum(axis=2)
    return torch.nn.Sequential(*parts)


def _linear(terms: np.ndarray, wanted: np.ndarray, bases: int) -> torch.nn.Linear:
    """Weights of ``terms`` (points, bases * inputs) that give ``wanted`` (points,
    outputs, inputs)."""
    points, outputs, inputs = wanted.shape
    linear = torch.nn.Linear(bases * inputs, outputs)
    weights, bias = np.zeros((outputs, bases, inputs)), np.zeros(outputs)
    for i in range(inputs):
        own = terms.reshape(points, bases, inputs)[:, :, i]
        about = own - own.mean(axis=0)
        ridge = RIDGE * points * np.square(about).mean() * np.eye(bases)
        middle = wanted[:, :, i].mean(axis=0)
        solution = np.linalg.solve(about.T @ about + ridge, about.T @ (wanted[:, :, i] - middle))
        weights[:, :, i] = solution.T
        bias += middle - own.mean(axis=0) @ solution
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weights.reshape(outputs, -1)))
        linear.bias.copy_(torch.from_numpy(bias))
    return linear


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.square(values).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bases", type=int, default=8, help="curves of every value")
    parser.add_argument("--chip", default="wan2022")
    options = parser.parse_args()
    from kan import KAN

    model = KAN(width=[3, 4, 2], grid=5, k=3, seed=0, auto_save=False)
    x = np.random.default_rng(0).uniform(-1, 1, (600, 3)).astype(np.float32)
    exact = model(torch.from_numpy(x)).detach().numpy()
    module = bases_of(layers_of(model), x, options.bases)
    fitted = module(torch.from_numpy(x)).detach().numpy()
    imported = ndrite.networks.import_model(module, samples=x)
    floats = imported.network.forward(imported.inputs.unit(x))
    compiled = ndrite.compile(imported.network, options.chip, samples=x)
    with ndrite.connect("golden:") as board:
        board.program(compiled.program)
        on_chip = board.infer(imported.inputs.encode(x)) * compiled.program.meaning.output_step
    print(f"outputs' rms {rms(exact - exact.mean(axis=0)):.4f}")
    for name, y in (("fitted", fitted), ("imported", floats), (f"on {options.chip}", on_chip)):
        print(f"{name}: rms error {rms(y - exact):.4f}")


if __name__ == "__main__":
    main()

"""Error of one read noise for a whole layer: accuracy with the layer's, each column's
and each cell's own.

    python benchmarks/read_noise.py

Float networks of the package with Gaussian noise on their sums, 10 draws each; a chip's
law gives the deviation of every cell. Simulated; some seconds.
"""

import warnings

import numpy as np

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.rram.programming import READ_LAWS
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import load_network, zoo
from ndrite.emulator.network.datasets import fashion_mnist_test

CHIPS = ("joshi2020", "ibm-cmo-hfox-2")
NETWORKS = ("float-fashion-mnist-784-128-10", "float-fashion-mnist-784-128-10-dendritic")
TEST, DRAWS = slice(512, 5512), 10


def main() -> None:
    """Print a line for each network and chip."""
    images, labels = fashion_mnist_test()
    x, labels = images[TEST] / 255.0, labels[TEST]
    for name in NETWORKS:
        network = load_network(zoo.FOLDER / f"{name}.npz")
        for chip_name in CHIPS:
            chip = load_chip(chip_name)
            with warnings.catch_warnings(action="ignore", category=CompileWarning):
                die = map_network(network, chip, images[:512], seed=1).die
            law = READ_LAWS[chip.cell.read_noise_model]
            kinds: dict[str, list[np.ndarray]] = {"layer": [], "column": [], "cell": []}
            ratios = []
            for array in die.arrays:
                cells = law(array.mapped.cells.faulted, chip.conditions.time_since_programming_s)
                variance = np.square(cells).sum(axis=0)
                unit = np.square(array.mapped.limits / (chip.cell.g_max_uS - chip.cell.g_min_uS))
                kinds["layer"].append(np.full_like(variance, variance.mean()) * unit)
                kinds["column"].append(np.broadcast_to(variance.mean(axis=0), variance.shape) * unit)
                kinds["cell"].append(variance * unit)
                ratios += list(np.sqrt(variance.mean(axis=0) / variance.mean()))
            means = {}
            for kind, variances in kinds.items():
                rng, right = np.random.default_rng(7), []
                for _ in range(DRAWS):
                    h = x
                    for layer, variance in zip(network.layers, variances, strict=True):
                        z = h @ layer.weights + layer.bias
                        z = z + np.sqrt(np.square(h) @ variance) * rng.standard_normal(z.shape)
                        h = z if layer.activation is None else layer.activation(z.astype(np.float32))
                    right.append((h.argmax(axis=1) == labels).mean())
                means[kind] = 100 * float(np.mean(right))
            text = ", ".join(f"{kind} {mean:.3f} %" for kind, mean in means.items())
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{name} on {chip_name}: {text}; a column is {spread} of its layer")


if __name__ == "__main__":
    main()

"""NeuRRAM's MNIST network: seven layers, inputs and activations of 3 bits."""

from collections.abc import Callable

import numpy as np

from studies import runs, table
from studies.cost import said
from studies.data import whole_mnist
from studies.dies import number_of
from studies.published import Found, percent
from studies.runs import Row, Runs
from studies.table import points

CHIP, BITS, NOISE, RATE = "wan2022", 3, 0.05, 6e-3
FITTED, COSTED = 512, 32
"""Number of training samples that set converter ranges, and number of test samples over
which the cost on the first die is averaged."""


def run(seed: int, train: int, epochs: int, dies: int, samples: int) -> Row:
    """Train one network. Record which test samples are right in floats and on each die,
    and the modelled cost on the chip."""
    from ndrite.emulator.learning.training.view import torch
    from ndrite.tiles import analog, cost_of
    from studies import noisy

    images, labels, test_images, test_labels = whole_mnist()
    x, test = (noisy.few_bits(v, BITS).view(-1, 1, 28, 28) for v in (images[:train], test_images[:samples]))
    classes, test_classes = (
        torch.from_numpy(v.astype(np.int64)) for v in (labels[:train], test_labels[:samples])
    )
    torch.manual_seed(seed)
    model = noisy.seven_layers(BITS)
    noisy.train(model, x, classes, noisy.Recipe(epochs, RATE, NOISE))
    right_in_float = noisy.right(model, test, test_classes)
    placed = [analog(model, CHIP, samples=x[:FITTED], seed=number_of(seed, die)) for die in range(dies)]
    on_dies = [noisy.right(die, test, test_classes) for die in placed]
    cost = cost_of(placed[0], test[:COSTED]).as_dict()
    costs = {"energy_pJ": cost["total"]["energy_pJ"], "tops_per_W": cost["tops_per_W"]}
    return {**runs.kept(right_in_float, {"on_dies": on_dies}), "cost": costs}


def found(of: Runs) -> dict[str, Found]:
    """Return mean accuracies in percent, and losses of accuracy in percentage points,
    with their intervals."""
    values = {"chip": runs.right(of, "on_dies"), "software": runs.right(of), "loss": runs.lost(of, "on_dies")}
    return {key: percent(v) for key, v in values.items()}


def tables(of: Runs) -> list[table.Table]:
    """Return a table with one row per network, and a table of the cost of an inference."""
    columns: dict[str, Callable[[Row], str]] = {
        "float, %": lambda r: f"{100 * runs.right([r]).mean():.2f}",
        f"{of[0]['dies']} dies, %": lambda r: points(runs.right([r], "on_dies")),
        "energy, nJ (modelled)": lambda r: said(r["cost"]["energy_pJ"], 1e-3),
        "TOPS/W (modelled)": lambda r: said(r["cost"]["tops_per_W"]),
    }
    title = "network by network; costs are of one inference on the first die"
    return [table.table(title, ("network",), {(str(r["seed"]),): r for r in of}, columns)]

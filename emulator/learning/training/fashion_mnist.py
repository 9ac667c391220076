"""Train the network in the box: ``python -m emulator.learning.training.fashion_mnist --out FILE``.

784-128-10 on Fashion-MNIST with NDR hidden neurons, through the cells of the chip preset ``wan2022``. The
last 5,000 training images are held out to choose the checkpoint; the test set is only measured at the end.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emulator.errors import EmulatorError, MissingExtraError
from emulator.network import Meaning, load_network
from emulator.network.datasets import CLASSES, fashion_mnist_test, fashion_mnist_train
from emulator.network.datasets.fashion_mnist import SIDE, TRAIN_FOLDER

HELD_OUT = 5_000
WIDTHS = (784, 128, 10)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    name = "python -m emulator.learning.training.fashion_mnist"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="network file to write (.npz)")
    parser.add_argument("--epochs", type=int, default=100, help="passes over the 55,000 training images")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights, order and noise")
    parser.add_argument("--data", default=TRAIN_FOLDER, help="folder with the original train-*.gz files")
    parser.add_argument("--threads", type=int, default=1, help="PyTorch threads")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (EmulatorError, MissingExtraError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    # Here, not at the top: --help and the error for a missing PyTorch need neither.
    from emulator.learning.training.build import of_layers
    from emulator.learning.training.extra import torch
    from emulator.learning.training.loop import Recipe, Split, train
    from emulator.learning.training.model import TrainedNetwork, export
    from emulator.learning.training.view import cells_view

    if options.epochs < 1:
        raise EmulatorError(f"--epochs is {options.epochs}; accepted: 1 or more")
    if not options.out.parent.is_dir():
        raise EmulatorError(f"--out folder is {options.out.parent}; accepted: a folder that exists")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images, labels = fashion_mnist_train(options.data)
    x = torch.from_numpy(images.astype(np.float32) / np.float32(255))
    y = torch.from_numpy(labels.astype(np.int64))
    split = Split(x[:-HELD_OUT], y[:-HELD_OUT], x[-HELD_OUT:], y[-HELD_OUT:])
    inputs, hidden, classes = WIDTHS
    model = of_layers((inputs, 1, 1), (hidden,), classes, cells_view())
    recipe = Recipe(epochs=options.epochs, seed=options.seed)

    def checkpoint(best: TrainedNetwork, epoch: int, accuracy: float) -> None:
        provenance = {
            "command": "python -m emulator.learning.training.fashion_mnist "
            f"--epochs {options.epochs} --seed {options.seed}",
            "data": f"Fashion-MNIST, {len(split.labels)} training images, last {HELD_OUT} held out",
            "epoch": epoch,
            "held_out_accuracy": accuracy,
            "recipe": vars(recipe),
            "torch": torch.__version__,
            "numpy": np.__version__,
        }
        said = Meaning(data_set="fashion-mnist", classes=CLASSES)
        export(best, name="fashion-mnist-784-128-10", provenance=provenance, meaning=said).save(options.out)

    started = time.monotonic()
    train(model, split, recipe, side=SIDE, checkpoint=checkpoint)
    seconds = time.monotonic() - started
    if not options.out.is_file():
        raise EmulatorError("training ended before its first epoch; nothing was written")
    accuracy = load_network(options.out).accuracy(*fashion_mnist_test())
    print(f"{options.out}: float accuracy on the 10,000 test images {100 * accuracy:.2f} %, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Compile the zoo's program from its float weights: ``python -m emulator.mapping.zoo_build [--out FILE]``.

Calibration uses the first 2,000 of the 5,000 training images that training held out, so it needs the
training files; the test set is only measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import EmulatorError
from emulator.mapping import die_path, golden_accuracy, map_network, save_die
from emulator.network import load_network
from emulator.network.datasets import fashion_mnist_test, fashion_mnist_train
from emulator.network.datasets.fashion_mnist import TRAIN_FOLDER
from emulator.network.zoo.files import DEFAULT, FLOAT_PREFIX, FOLDER
from emulator.spec import SpecError

CHIP = "wan2022"
HELD_OUT, SAMPLES = 5_000, 2_000
NOISE_SEEDS = range(5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m emulator.mapping.zoo_build", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / f"{DEFAULT}.npz", help="program to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of the chip's programming error")
    parser.add_argument("--data", default=TRAIN_FOLDER, help="folder with the original train-*.gz files")
    options = parser.parse_args(arguments)
    try:
        _build(options)
    except (EmulatorError, SpecError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _build(options: argparse.Namespace) -> None:
    network = load_network(FOLDER / f"{FLOAT_PREFIX}{DEFAULT}.npz")
    samples = fashion_mnist_train(options.data)[0][-HELD_OUT:][:SAMPLES]
    compiled = map_network(network, CHIP, samples, seed=options.seed, name=DEFAULT)
    save_die(compiled.die, die_path(options.out))
    compiled.program.save(options.out)
    images, labels = fashion_mnist_test()
    print(f"{options.out}: checksum {compiled.program.checksum()}")
    print(f"float accuracy {100 * network.accuracy(images, labels):.2f} %")
    for seed in NOISE_SEEDS:
        accuracy = golden_accuracy(compiled.program, images, labels, seed=seed)
        print(f"golden accuracy {100 * accuracy:.2f} % (read-noise seed {seed})")


if __name__ == "__main__":
    sys.exit(main())

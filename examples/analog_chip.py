"""What a chip without converters inside costs networks that were trained for it.

    ndrite train --chip dendritic-analog --height 0.55 --epochs 30 --seed 1 -o a1.npz
    ndrite train --chip dendritic-analog --height 0.55 --epochs 30 --seed 2 -o a2.npz
    python examples/analog_chip.py a1.npz a2.npz
    python examples/analog_chip.py            # the network of the package, which was trained for another chip

Every network is mapped onto its own dies and judged on Fashion-MNIST's 10,000 test samples, read noise on.
The interval is over networks, dies and samples.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

from emulator.errors import CompileWarning
from emulator.network import load_network, zoo
from emulator.network.datasets import fashion_mnist_test
from ndrite.experiments.dies import lost_on
from ndrite.intervals import crossed
from ndrite.labelled import typical


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "networks", nargs="*", type=Path, default=[zoo.float_network()], help="float networks"
    )
    parser.add_argument("--chip", default="dendritic-analog")
    parser.add_argument("--dies", type=int, default=10)
    options = parser.parse_args()

    warnings.simplefilter("ignore", CompileWarning)
    samples, (x, labels) = typical("fashion-mnist"), fashion_mnist_test()
    lost = np.empty((len(options.networks), options.dies, len(x)))
    for i, path in enumerate(options.networks):
        network = load_network(path)
        right = network.forward(x / np.float32(255)).argmax(axis=1) == labels
        for die in range(options.dies):
            lost[i, die] = lost_on(network, options.chip, samples, x, labels, right, i * options.dies + die)
        mean, chip = right.mean(), right.mean() - lost[i].mean()
        print(f"{path.name}  float {100 * mean:.2f} %  chip {100 * chip:.2f} %", flush=True)
    low, high = crossed(lost)
    print(
        f"loss {100 * lost.mean():.2f} points ({100 * low:.2f} .. {100 * high:.2f}) on {options.chip}, "
        f"mean over {lost.shape[0]} networks x {lost.shape[1]} dies x {lost.shape[2]} samples"
    )


if __name__ == "__main__":
    main()

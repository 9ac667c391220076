"""What a chip without converters inside costs networks that were trained for it.

    ndrite train --chip dendritic-analog --height 0.55 --epochs 30 --rate 0.016 --seed 1 -o a1.npz
    ndrite train --chip dendritic-analog --height 0.55 --epochs 30 --rate 0.016 --seed 2 -o a2.npz
    python examples/analog_chip.py a1.npz a2.npz
    python examples/analog_chip.py            # the network of the package, which was trained for another chip

Every network is mapped onto its own dies and judged on Fashion-MNIST's 10,000 test
samples, read noise on. The interval is over networks, dies and samples.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from on_dies import lost_on

import ndrite
from ndrite import intervals

SAMPLES = 512
"""Test images that set converter ranges: Fashion-MNIST's training images do not ship."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", type=Path, help="float networks; default: the one that ships")
    parser.add_argument("--chip", default="dendritic-analog")
    parser.add_argument("--dies", type=int, default=10)
    options = parser.parse_args()

    warnings.simplefilter("ignore", ndrite.networks.CompileWarning)
    x, labels = ndrite.networks.judging_set("fashion-mnist")
    networks = [ndrite.networks.load_network(path) for path in options.networks]
    networks = networks or [ndrite.networks.shipped_network()]
    lost = np.empty((len(networks), options.dies, len(x)))
    for i, network in enumerate(networks):
        right = network.forward(x / np.float32(255)).argmax(axis=1) == labels
        for die in range(options.dies):
            lost[i, die] = lost_on(
                network, options.chip, x[:SAMPLES], x, labels, right, i * options.dies + die
            )
        mean, chip = right.mean(), right.mean() - lost[i].mean()
        print(f"{network.name}  float {100 * mean:.2f} %  chip {100 * chip:.2f} %", flush=True)
    low, high = intervals.crossed(lost)
    print(
        f"loss {100 * lost.mean():.2f} points ({100 * low:.2f} .. {100 * high:.2f}) on {options.chip}, "
        f"mean over {lost.shape[0]} networks x {lost.shape[1]} dies x {lost.shape[2]} samples"
    )


if __name__ == "__main__":
    main()

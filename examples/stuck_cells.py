"""What a tenth of the cells stuck costs a network, and what placing its rows by a test
read brings back.

Means over dies; the network is trained for neither.
"""

import argparse
import dataclasses
import warnings

import ndrite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", help="float network; default: the one that ships")
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--percent", type=float, nargs="+", default=[0.1, 5.0], help="stuck low, and high")
    parser.add_argument("--dies", type=int, default=3)
    parser.add_argument("--samples", type=int, default=5000)
    options = parser.parse_args()

    warnings.simplefilter("ignore", ndrite.networks.CompileWarning)
    x, labels = ndrite.networks.judging_set("fashion-mnist")
    seen, x, labels = x[:512], x[512 : 512 + options.samples], labels[512 : 512 + options.samples]
    network = ndrite.networks.shipped_network()
    if options.network is not None:
        network = ndrite.networks.load_network(options.network)
    described = ndrite.load_chip(options.chip)
    print(f"{network.name}: float {100 * network.accuracy(x, labels):.2f} % of {len(x)} test samples")
    for percent in options.percent:
        cell = dataclasses.replace(described.cell, stuck_low_percent=percent, stuck_high_percent=percent)
        chip = dataclasses.replace(described, cell=cell)
        for placed in (False, True):
            right = [
                ndrite.Classifier(
                    ndrite.compile(network, chip, samples=seen, seed=die, place_rows=placed).program
                ).score(x, labels)
                for die in range(options.dies)
            ]
            word = "placed" if placed else "as they are"
            print(
                f"{options.chip}, {2 * percent:g} % stuck, rows {word}: {100 * sum(right) / len(right):.2f} %"
            )


if __name__ == "__main__":
    main()

"""What a tenth of the cells stuck costs a network, and what placing its rows by a test read brings back.

Means over dies. With ``--retrain`` also of the same network trained on through such cells (``ndrite.train``,
minutes), which knows their rate and not where they are.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import ndrite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", help="float network; default: the one that ships")
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--percent", type=float, nargs="+", default=[0.1, 5.0], help="stuck low, and high")
    parser.add_argument("--dies", type=int, default=3)
    parser.add_argument("--retrain", type=int, default=0, metavar="EPOCHS")
    parser.add_argument("--samples", type=int, default=5000)
    options = parser.parse_args()

    warnings.simplefilter("ignore", ndrite.networks.CompileWarning)
    x, labels = ndrite.networks.judging_set("fashion-mnist")
    seen, x, labels = x[:512], x[512 : 512 + options.samples], labels[512 : 512 + options.samples]
    network = ndrite.networks.shipped_network()
    if options.network is not None:
        network = ndrite.networks.load_network(options.network)
    print(f"{network.name}: float {100 * network.accuracy(x, labels):.2f} % of {len(x)} test samples")
    for percent in options.percent:
        stuck = Path(tempfile.mkdtemp()) / "stuck.yaml"
        stuck.write_text(f"cell: {{stuck_low_percent: {percent}, stuck_high_percent: {percent}}}\n")
        chip = f"{options.chip}+{stuck}"
        ways = [("as it is", network, False), ("rows placed", network, True)]
        if options.retrain:
            again = ndrite.train(
                data="fashion-mnist", start=network, chip=chip, epochs=options.retrain, rate=0.002
            ).network
            print(f"trained with {2 * percent:g} % stuck: float {100 * again.accuracy(x, labels):.2f} %")
            ways += [("trained with stuck cells", again, False), ("trained, rows placed", again, True)]
        for word, which, placed in ways:
            right = [
                ndrite.Classifier(
                    ndrite.compile(which, chip, samples=seen, seed=die, place_rows=placed).program,
                    classes=range(10),
                ).score(x, labels)
                for die in range(options.dies)
            ]
            print(f"{options.chip}, {2 * percent:g} % stuck, {word}: {100 * sum(right) / len(right):.2f} %")


if __name__ == "__main__":
    main()

"""What a chip costs a residual network on Fashion-MNIST: several dies, read noise on,
the whole test set.

    python examples/residual.py                        # the network that is in the package, five dies
    python examples/residual.py mine.npz --dies 10 --chip ibm-cmo-hfox-2

Converters are set by training images that training held out (Debian's package
dataset-fashion-mnist, or --folder). Die d is drawn with seed d and read with noise seed
d. The interval of the mean loss is over dies and samples both: a bootstrap that draws
dies and, for all of them, test images again.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from on_dies import losses

import ndrite
from ndrite import intervals

HELD_OUT, SAMPLES, PART = 5000, 512, 250


def float_right(
    network: ndrite.Network, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Whether the float network is right, (n,)."""
    unit = x.astype(np.float32) / np.float32(255)
    logits = np.concatenate([network.forward(unit[i : i + PART]) for i in range(0, len(x), PART)])
    return np.asarray(logits.argmax(axis=1) == labels)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", nargs="?", type=Path, help="float network; default: the shipped one")
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--dies", type=int, default=5)
    parser.add_argument("--folder", help="folder with the original train-*.gz files")
    options = parser.parse_args()

    network = ndrite.networks.shipped_network("resnet")
    if options.network:
        network = ndrite.networks.load_network(options.network)
    data = ndrite.data_set("fashion-mnist", options.folder)
    x, labels, samples = data.test_x, data.test_labels, data.x[-HELD_OUT:][:SAMPLES]
    right = float_right(network, x, labels)
    print(f"float    {intervals.percent(float(right.mean()), len(x))} of {len(x)} images")
    for line in losses(network, options.chip, samples, x, labels, right, dies=options.dies, what="images"):
        print(line, flush=True)


if __name__ == "__main__":
    main()

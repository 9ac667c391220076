"""What a resistance in series with the NDR neurons does to the shipped network, without training it again.

Input gains are set so that every circuit is most like its device; only the curve is another one. The last
line is of a driver that does not rectify: the device conducts below 0 V, and the next row's driver follows.
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings

import numpy as np

import ndrite
from ndrite import devices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chip", default="ideal+ndr-esaki")
    parser.add_argument("--ohm", type=float, nargs="+", default=[0, 50, 100, 200, 400, 800])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=10_000)
    options = parser.parse_args()

    warnings.simplefilter("ignore", ndrite.networks.CompileWarning)
    x, labels = (part[: options.samples] for part in ndrite.networks.judging_set("fashion-mnist"))
    chip, network = ndrite.load_chip(options.chip), ndrite.networks.shipped_network()
    print(f"Fashion-MNIST, {len(x)} test samples, one die of {options.chip}")
    for ohm in options.ohm:
        loaded = dataclasses.replace(chip, neuron=dataclasses.replace(chip.neuron, source_resistance_ohm=ohm))
        program = ndrite.compile(network, loaded, seed=options.seed).program
        right = ndrite.Classifier(program).score(x, labels)
        circuit = loaded.neuron.circuit
        word = (
            "bistable" if isinstance(circuit, devices.Circuit) and circuit.bistable else "one stable voltage"
        )
        print(f"{ohm:6g} ohm  {100 * right:.2f} %  {word}")
    hidden, last = (product.dense for product in network.products)
    u = (x / 255 @ hidden.weights + hidden.bias) / hidden.activation.peak
    for lowest in (0.0, -1.0):
        y = hidden.activation.height * np.clip(u * np.exp(1 - np.maximum(u, -20)), lowest, 1)
        right = ((y @ last.weights + last.bias).argmax(axis=1) == labels).mean()
        print(f"outputs from {lowest:g}: {100 * right:.2f} % in floats, {(u < 0).mean():.0%} below 0 V")


if __name__ == "__main__":
    main()

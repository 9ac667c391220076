"""What a resistance in series with the NDR neurons does to the shipped network, without
training it again.

Input gains are set so that every circuit is most like its device; only the curve is
another one. Beside each program stands the same with the circuit's exact curves in
place of voltage codes and tables. The last line is of a driver that does not rectify:
the device conducts below 0 V, and the next row's driver follows.
"""

import argparse
import dataclasses
import warnings

import numpy as np

import ndrite
from ndrite import Program, devices


def sums_of(program: Program, x: np.ndarray) -> np.ndarray:
    """Output sums of codes (n, inputs) on the golden model, without read noise."""
    with ndrite.connect("golden:") as board:
        board.program(program)
        return board.infer(x, noise=False)


def with_exact_curves(made: ndrite.Compiled, x: np.ndarray) -> np.ndarray:
    """Output sums of samples (n, inputs) where the first layer's neurons are
    the circuit itself."""
    program, array = made.program, made.die.arrays[0]
    tables = {"rows": program.rows, "curve_base": program.curve_base, "curve_slope": program.curve_slope}
    first, second = (Program.chain(name="part", layers=[layer], **tables) for layer in program.layers)
    volts = sums_of(first, x) * program.layers[0].scale / 2.0 ** program.layers[0].vshift
    y = array.neurons.curves((volts - array.window.zero) / array.window.per_unit)
    return sums_of(second, np.clip(np.rint(255 * y), 0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chip", default="ideal+ndr-esaki")
    parser.add_argument("--ohm", type=float, nargs="+", default=[0, 50, 100, 200, 400, 800, 1000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=10_000)
    options = parser.parse_args()

    warnings.simplefilter("ignore", ndrite.networks.CompileWarning)
    x, labels = (part[: options.samples] for part in ndrite.networks.judging_set("fashion-mnist"))
    chip, network = ndrite.load_chip(options.chip), ndrite.networks.shipped_network()
    print(f"Fashion-MNIST, {len(x)} test samples, one die of {options.chip}")
    for ohm in options.ohm:
        loaded = dataclasses.replace(chip, neuron=dataclasses.replace(chip.neuron, source_resistance_ohm=ohm))
        made = ndrite.compile(network, loaded, seed=options.seed)
        right, exact = (
            100 * (out.argmax(axis=1) == labels).mean()
            for out in (sums_of(made.program, x), with_exact_curves(made, x))
        )
        circuit = loaded.neuron.circuit
        word = (
            "bistable" if isinstance(circuit, devices.Circuit) and circuit.bistable else "one stable voltage"
        )
        print(f"{ohm:6g} ohm  {right:.2f} %, {exact:.2f} % with exact curves  {word}")
    hidden, last = (product.dense for product in network.products)
    u = (x / 255 @ hidden.weights + hidden.bias) / hidden.activation.peak
    for lowest in (0.0, -1.0):
        y = hidden.activation.height * np.clip(u * np.exp(1 - np.maximum(u, -20)), lowest, 1)
        right = ((y @ last.weights + last.bias).argmax(axis=1) == labels).mean()
        print(f"outputs from {lowest:g}: {100 * right:.2f} % in floats, {(u < 0).mean():.0%} below 0 V")


if __name__ == "__main__":
    main()

"""A Kolmogorov-Arnold network of a chip's devices, on the compiled gateware: every bit golden's."""

import numpy as np
import pytest

from emulator.mapping import map_network
from emulator.network import Dense, Named, Ndr, Network, Patches, Product, Table
from ndrite import connect
from tests.stimulus import inferred, ran

INPUTS, BASES, HIDDEN = 10, 3, 6
CHIP = "dendritic-ndr+ecram-pair"


def bases(source: int, inputs: int, rng: np.random.Generator) -> Table:
    """Curves of every value: peaks in different places, devices of their own."""
    gain, shift = np.repeat([5.0, 6.0, 7.0], inputs), np.repeat([0.0, -2.0, -4.5], inputs)
    devices = Ndr(rng.uniform(0.8, 1.2, BASES * inputs), rng.uniform(0.5, 0.9, BASES * inputs))
    return Table((source,), np.tile(np.arange(inputs), BASES), gain, shift, devices)


def kan() -> Network:
    rng = np.random.default_rng(4)
    linear = Named("relu")
    first = Dense(rng.normal(size=(BASES * INPUTS, HIDDEN)) * 0.08, np.full(HIDDEN, 0.5), linear)
    last = Dense(rng.normal(size=(BASES * HIDDEN, 3)), np.zeros(3))
    nodes = (
        bases(0, INPUTS, rng),
        Product(first, (1,), Patches.whole((BASES * INPUTS, 1, 1))),
        bases(2, HIDDEN, rng),
        Product(last, (3,), Patches.whole((BASES * HIDDEN, 1, 1))),
    )
    return Network(nodes, (INPUTS, 1, 1), "kan")


@pytest.mark.long
def test_every_bit_is_the_golden_models() -> None:
    network = kan()
    x = np.random.default_rng(5).integers(0, 256, (40, INPUTS)).astype(np.uint8)
    program, _, report = map_network(network, CHIP, x, seed=3)
    assert [step.kind for step in program.steps] == ["table", "product"] * 2
    assert all(layer.sigma_out or layer.var_cell for layer in program.layers), "read noise is on"
    assert report.tables[0].curves > BASES, "ECRAMs set the inputs' devices one by one"
    with connect("sim:") as board:
        noisy = ran(board, program, x, seed=8, first_index=3)
        assert getattr(board, "on_host", ()) == (), "tables and sums are the gateware's"
        quiet = inferred(board, program, x, noise=False)
    assert (noisy != quiet).any(axis=1).all()
    # It is the network: what noise, codes and cells do to its outputs is small against them.
    exact = network.forward(x / np.float32(255))
    assert np.corrcoef(quiet.ravel(), exact.ravel())[0, 1] > 0.97

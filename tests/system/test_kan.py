"""A Kolmogorov-Arnold network of a chip's devices, on the compiled gateware:
every bit golden's."""

import numpy as np
import pytest

from ndrite import connect
from ndrite.emulator.mapping import map_network
from tests.kan import BASES, INPUTS, kan
from tests.stimulus import inferred, ran

CHIP = "dendritic-ndr+ecram-pair"


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

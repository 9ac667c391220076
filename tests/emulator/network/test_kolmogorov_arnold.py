"""The functions of single inputs that a Kolmogorov-Arnold network has learned."""

from __future__ import annotations

import numpy as np
import pytest

from emulator.errors import NetworkError
from emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
from tests.emulator.mapping.test_graphs import NETWORKS
from tests.system.test_kan import BASES, HIDDEN, INPUTS, kan


def test_sums_are_the_sums_of_the_functions() -> None:
    network = kan()
    assert layers_of_functions(network) == [0, 2]
    rng = np.random.default_rng(0)
    x = rng.random((20, INPUTS))
    # One sample's own values as the points of every input: the diagonal is what it adds.
    sums = (
        np.array([sum(edge_functions(network, 0, row)[i, :, i] for i in range(INPUTS)) for row in x])
        + network.layers[0].bias
    )
    np.testing.assert_allclose(np.clip(sums, 0, 1), network.activations(x)[1], atol=1e-5)
    assert edge_functions(network, 0, np.linspace(0, 1, 7)).shape == (INPUTS, HIDDEN, 7)
    assert edge_functions(network, 2, [0.5]).shape == (HIDDEN, 3, 1)
    assert network.layers[0].weights.shape == (BASES * INPUTS, HIDDEN)


@pytest.mark.parametrize("node", [1, 3, 9])
def test_another_node_is_refused(node: int) -> None:
    with pytest.raises(NetworkError, match=rf"node {node} is no layer of functions; accepted: \[0, 2\]"):
        edge_functions(kan(), node, [0.0])


def test_which_layers_have_them() -> None:
    """A table that a full layer reads; not what convolutions or pools do."""
    found = {name: layers_of_functions(network) for name, network in NETWORKS.items()}
    assert {name for name, layers in found.items() if layers} == {"functions"}

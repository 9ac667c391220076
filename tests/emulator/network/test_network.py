"""Float networks: forward pass, file round trip, functions of single inputs, refusals."""

import numpy as np

from ndrite.emulator.errors import NetworkError
from ndrite.emulator.network import Dense, Named, Ndr, Network, Product, load_network
from ndrite.emulator.network.kolmogorov_arnold import edge_functions, layers_of_functions
from ndrite.emulator.spec.flow import State
from ndrite.emulator.spec.patches import Patches
from tests.emulator.mapping.test_graphs import NETWORKS
from tests.emulator.spec.test_program_file import edit, put, rewrite
from tests.kan import BASES, HIDDEN, INPUTS, kan
from tests.refusals import refused


def small() -> Network:
    rng = np.random.default_rng(2)

    def dense(inputs, outputs, activation=None):
        return Dense(rng.normal(size=(inputs, outputs)), rng.normal(size=outputs), activation)

    neurons = Ndr(rng.uniform(0.5, 2, 4), rng.uniform(0.2, 1, 4))
    layers = (dense(6, 4, neurons), dense(4, 3, Named("tanh")), dense(3, 2))
    return Network.chain(layers, "small", {"seed": 1})


def test_forward_is_the_formula():
    net = small()
    x = np.random.default_rng(1).uniform(size=(5, 6))
    first, second, last = net.layers
    u = (x @ first.weights + first.bias) / first.activation.peak
    h = first.activation.height * np.where(u > 0, u * np.exp(1 - u), 0)
    h = np.maximum(np.tanh(h @ second.weights + second.bias), 0)
    np.testing.assert_allclose(net.forward(x), h @ last.weights + last.bias, rtol=1e-4, atol=1e-5)
    assert net.widths == (6, 4, 3, 2)


def changed_file(folder, change):
    small().save(folder / "n.npz")
    rewrite(folder / "n.npz", change, sealed=True)
    load_network(folder / "n.npz")


test_bad_files = refused(
    NetworkError,
    (changed_file, put("format_version", 9), "format is ndrite-network 9"),
    *((changed_file, put("provenance", value), "provenance is ") for value in (3, "text", [1, 2], None)),
    (changed_file, edit("node0.bias", lambda _: np.zeros(7)), "bias has shape"),
    (changed_file, edit("node0.peak", lambda _: np.zeros(4)), r"activation peak\[0\] is 0.0; accepted: 1e"),
    given="tmp_path",
)
LAST, RELU = Dense(np.ones((2, 2)), np.ones(2)), Dense(np.ones((2, 2)), np.ones(2), Named("relu"))
PAIR, ONES = (2, 1, 1), np.ones(5)
SUMS = ((Product(LAST, (0,), Patches.whole(PAIR)),), PAIR, "sums", {}, (State(shape=PAIR, source=2),))
THREE = Dense(np.ones((2, 3)), np.ones(3), Named("relu"))
test_impossible_networks = refused(
    (NetworkError, FileNotFoundError),
    (Network.chain, (), "layers is empty"),
    (Network, *SUMS, "state0.source is sums; accepted: a map of codes, or of values in 0..1"),
    (Network, (Product(LAST, (1,), Patches.whole(PAIR)),), PAIR, r"node0 reads map 1; accepted: 0\.\.0"),
    (Network.chain, (RELU,), "none on the output layer"),
    (Network.chain, (LAST, LAST), "an activation on every hidden layer"),
    (Network.chain, (THREE, LAST), r"node1.patches shape is \(2, 1, 1\); accepted: .*, \(3, 1, 1\)"),
    (Dense, np.full((2, 2), np.nan), np.ones(2), "not finite"),
    (Named, "swish", "activation is 'swish'; accepted: ndr, relu"),
    (Ndr, np.ones(2), np.array([1, 1.5]), r"height\[1\] is 1.5; accepted: 1e-06..1.0"),
    (Ndr, ONES, ONES, np.zeros((3, 9)), r"activation curve has shape \(3, 9\); accepted: \(2, P\) or"),
    (small().forward, np.zeros((5, 3)), r"x has shape \(5, 3\); accepted: \(n, 6\)"),
    (load_network, "none.npz", "no such network file"),
    *(
        (edge_functions, kan(), node, [0.0], rf"node {node} is no layer of functions; accepted: \[0, 2\]")
        for node in (1, 3, 9)
    ),
)


def test_sums_are_the_sums_of_the_functions() -> None:
    network = kan()
    assert layers_of_functions(network) == [0, 2]
    rng = np.random.default_rng(0)
    x = rng.random((20, INPUTS))
    # One sample's own values as the points of every input: the diagonal is what it adds.
    sums = np.array([sum(edge_functions(network, 0, row)[i, :, i] for i in range(INPUTS)) for row in x])
    wanted = np.clip(sums + network.layers[0].bias, 0, 1)
    np.testing.assert_allclose(wanted, network.activations(x)[1], atol=1e-5)
    assert edge_functions(network, 0, np.linspace(0, 1, 7)).shape == (INPUTS, HIDDEN, 7)
    assert edge_functions(network, 2, [0.5]).shape == (HIDDEN, 3, 1)
    assert network.layers[0].weights.shape == (BASES * INPUTS, HIDDEN)


def test_which_layers_have_them() -> None:
    """A table that a full layer reads; not what convolutions or pools do."""
    assert [name for name, network in NETWORKS.items() if layers_of_functions(network)] == ["functions"]

"""Network: a float network of any architecture, and its file."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import NetworkError, require, require_line
from ndrite.emulator.network.activation import Activation, Floats, Named, Ndr, Sampled
from ndrite.emulator.network.floats import FLOATS
from ndrite.emulator.network.nodes import KINDS, Dense, Node, Product
from ndrite.emulator.spec.archive import Arrays, FileKind, built, digest, flat, tuples
from ndrite.emulator.spec.arithmetic import Codes
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import MeaningError
from ndrite.emulator.spec.evaluate import last
from ndrite.emulator.spec.flow import Flow, State, of_kind
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.patches import Patches, Shape

VALUES_MAX = 1 << 24
"""Largest number of patch values that ``accuracy`` computes together, unless a
single sample has more."""


@record()
class Network(Flow):
    """A float network: nodes that compute maps, with inputs and all maps in [0, 1]. Its
    output is the last node's result.

    Map 0 is the input, (C, H, W); the states follow, then each node's result. A sample
    is ``calls`` inputs, one after another, flat (call, channel, row, column); the
    result is the last call's last map. Raises NetworkError when nodes do not fit each
    other, or a hidden one has no activation.
    """

    refused = NetworkError

    nodes: tuple[Node, ...]
    shape: Shape
    name: str = "network"
    provenance: dict[str, Any] = field(default_factory=dict)
    states: tuple[State, ...] = ()
    calls: int = 1
    meaning: Meaning = field(default_factory=Meaning)

    def __post_init__(self) -> None:
        require_line("name", self.name, NetworkError)
        self.check("node", lambda where, node, shapes: node.fits(where, shapes))
        for i, state in enumerate(self.states):
            require(0 <= state.start <= 1, f"state{i}.start", state.start, "0..1", NetworkError)
        try:
            self.meaning.check(self.map_shapes[-1])
        except MeaningError as error:
            raise NetworkError(str(error)) from None

    @classmethod
    def chain(
        cls,
        layers: Sequence[Dense],
        name: str = "network",
        provenance: dict[str, Any] | None = None,
        meaning: Meaning | None = None,
    ) -> Self:
        """Build a network of fully connected layers, each applied to the outputs of the
        layer before; the last layer returns logits.

        Raises NetworkError when layers do not chain, a hidden layer has no activation,
        or the last one has.
        """
        require(bool(layers), "layers", "empty", "at least one layer", NetworkError)
        for i, layer in enumerate(layers):
            last = i == len(layers) - 1
            if last != (layer.activation is None):
                accepted = "none on the output layer" if last else "an activation on every hidden layer"
                raise NetworkError(f"layer {i} activation is {layer.activation}; accepted: {accepted}")
        nodes = tuple(
            Product(layer, (i,), Patches.whole((layer.inputs, 1, 1))) for i, layer in enumerate(layers)
        )
        shape = (layers[0].inputs, 1, 1)
        return cls(nodes, shape, name, dict(provenance or {}), meaning=meaning or Meaning())

    @property
    def parts(self) -> tuple[Node, ...]:
        return self.nodes

    @property
    def products(self) -> tuple[Product, ...]:
        """The matrix products among the nodes, in order: the ones that crossbars compute."""
        return of_kind(Product, self.nodes)

    @property
    def layers(self) -> tuple[Dense, ...]:
        """Weights, bias and activation of every matrix product, in order."""
        return tuple(node.dense for node in self.products)

    @property
    def activation_kinds(self) -> tuple[Activation | None, ...]:
        """Activation of each node, in order; None for nodes without one."""
        return tuple(node.activation for node in self.nodes)

    @property
    def gives_sums(self) -> bool:
        """Whether the network's outputs are the sums of a matrix product, and
        not values in 0..1."""
        return not self.nodes[-1].fires

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of inputs, then the number of outputs of every matrix product, as
        in (784, 128, 10)."""
        return (self.inputs, *(layer.outputs for layer in self.layers))

    def calls_of(self, x: npt.ArrayLike) -> Iterator[list[Floats]]:
        """Yield the list of all maps, float32 (n, C, H, W) each, for every time step
        (call) of inputs (n, inputs) in [0, 1].

        Raises NetworkError when the shape of ``x`` is wrong.
        """
        inputs = np.asarray(x, np.float32)
        if inputs.ndim != 2 or inputs.shape[1] != self.inputs:
            raise NetworkError(f"x has shape {inputs.shape}; accepted: (n, {self.inputs})")
        return self.run(FLOATS, inputs)

    def maps(self, x: npt.ArrayLike) -> list[Floats]:
        """Return every map, float32 (n, C, H, W) each, of the last time step; arguments
        and errors as for ``calls_of``."""
        return last(self.calls_of(x))

    def activations(self, x: npt.ArrayLike) -> list[Floats]:
        """Return the output of every node, float32 (n, values) each; the last entry
        holds the network's outputs."""
        return [y.reshape(len(y), -1) for y in self.maps(x)[self.first :]]

    def forward(self, x: npt.ArrayLike) -> Floats:
        """Return the network's outputs, float32 (n, outputs), for inputs ``x`` (n,
        inputs) in [0, 1]; errors as for ``calls_of``."""
        return self.maps(x)[-1].reshape(len(np.asarray(x)), -1)

    def accuracy(self, samples: Codes, labels: npt.NDArray[np.integer]) -> float:
        """Return the fraction of uint8 samples (n, inputs), codes 0..255, whose largest
        output is at the index of their label."""
        values_each = max(
            (p.patches.positions * p.patches.groups * p.dense.inputs for p in self.products), default=1
        )
        size = max(1, VALUES_MAX // values_each)
        answers = [
            self.forward(samples[i : i + size].astype(np.float32) / np.float32(255)).argmax(axis=1)
            for i in range(0, len(samples), size)
        ]
        return float((np.concatenate(answers) == labels).mean())

    def digest(self) -> str:
        """Return the SHA-256, hexadecimal, of everything that determines the results:
        nodes, states and shape."""
        from ndrite.emulator.network.network import network_digest

        return network_digest(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network file completely or not at all (temporary file, then rename)."""
        from ndrite.emulator.network.network import save_network

        save_network(self, path)


BYTES_MAX = 1 << 30
FILE = FileKind(
    "network",
    5,
    NetworkError,
    known=(MeaningError,),
    most_bytes=BYTES_MAX,
    total_bytes=BYTES_MAX,
    otherwise="import or train the network again (ndrite train; ONNX will do)",
)
SAMPLED = "sampled:"
"""Prefix before the name of a sampled activation in a manifest."""
NDR_ARRAYS = {"ndr": ("peak", "height"), "ndr-curve": ("peak", "height", "curve")}
"""Arrays of NDR neurons in a file, by the kind in the manifest."""

Entry = dict[str, Any]


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network file completely or not at all."""
    fields, arrays = _computes(network)
    manifest = {"name": network.name, "meaning": network.meaning.as_dict(), "provenance": network.provenance}
    FILE.save(path, manifest | fields, arrays)


def network_digest(network: Network) -> str:
    """Return the SHA-256, hexadecimal, of everything that determines the network's results."""
    return digest(*_computes(network))


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read a network file.

    Raises FileNotFoundError when there is no such file. Raises NetworkError when the
    file is not a network of a format that can be read, or is damaged.
    """
    return FILE.load(path, _assemble)


def _assemble(manifest: Entry, arrays: Arrays) -> Network:
    provenance = manifest["provenance"]
    if not isinstance(provenance, dict):
        raise NetworkError(f"provenance is {str(provenance)[:40]!r}; accepted: an object")
    return Network(
        tuple(_node(f"node{i}", entry, arrays) for i, entry in enumerate(manifest["nodes"])),
        tuples(manifest["shape"]),
        str(manifest["name"]),
        provenance,
        tuple(State(**tuples(entry)) for entry in manifest["states"]),
        int(manifest["calls"]),
        Meaning.from_dict(manifest["meaning"]),
    )


def _computes(network: Network) -> tuple[Entry, Arrays]:
    """Return the manifest fields and the arrays that determine the network's results.
    Names and provenance are not among them."""
    arrays: Arrays = {}
    fields = {
        "shape": network.shape,
        "calls": network.calls,
        "nodes": [_entry(f"node{i}", node, arrays) for i, node in enumerate(network.nodes)],
        "states": [dataclasses.asdict(state) for state in network.states],
    }
    return fields, arrays


def _entry(where: str, node: Node, arrays: Arrays) -> Entry:
    """Return the scalars of a network's node as plain values, and add the node's
    arrays to ``arrays``."""
    apart = {"activation": _activation(where, node.activation, arrays)}
    entry = {"kind": node.kind} | flat(where, node, arrays, apart)
    if isinstance(node, Product) and node.block == (1, 1):
        # Leave the default out, so that networks saved before the field ``block``
        # existed keep their digest.
        del entry["block"]
    return entry


def _node(where: str, entry: Entry, arrays: Arrays) -> Node:
    kind = KINDS.get(entry["kind"])
    if kind is None:
        raise NetworkError(f"{where}.kind is {entry['kind']!r}; accepted: {', '.join(KINDS)}")
    apart: Entry = {}
    if "activation" in entry:
        apart["activation"] = _read_activation(where, entry["activation"], arrays)
    usual = {f.name: f.default for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING}
    return built(where, kind, usual | entry, arrays, apart)


def _activation(where: str, activation: Activation | None, arrays: Arrays) -> str | None:
    """Return the kind of an activation as the manifest states it, and add the
    activation's arrays to ``arrays``."""
    if activation is None:
        return None
    if isinstance(activation, Named):
        return activation.name
    if isinstance(activation, Sampled):
        arrays[f"{where}.points"] = activation.points
        return SAMPLED + activation.name
    kind = "ndr" if activation.curve is None else "ndr-curve"
    arrays |= {f"{where}.{name}": getattr(activation, name) for name in NDR_ARRAYS[kind]}
    return kind


def _read_activation(where: str, kind: Any, arrays: Arrays) -> Activation | None:
    if kind is None:
        return None
    if kind in NDR_ARRAYS:
        return Ndr(*(arrays[f"{where}.{name}"] for name in NDR_ARRAYS[kind]))
    if isinstance(kind, str) and kind.startswith(SAMPLED):
        return Sampled(kind.removeprefix(SAMPLED), arrays[f"{where}.points"])
    return Named(kind)

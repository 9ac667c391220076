"""The file of a float network: an ``.npz`` without pickled objects, with a digest over all of it."""

import dataclasses
import os
from typing import Any

from ndrite.emulator.errors import NetworkError
from ndrite.emulator.network.activation import Activation, Named, Ndr, Sampled
from ndrite.emulator.network.network import Network
from ndrite.emulator.network.nodes import KINDS, Node
from ndrite.emulator.spec.archive import Arrays, FileKind, built, digest, flat, tuples
from ndrite.emulator.spec.errors import MeaningError
from ndrite.emulator.spec.flow import State
from ndrite.emulator.spec.meaning import Meaning

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
"""Prefix of the kind of a sampled activation, before its name."""
NDR_ARRAYS = {"ndr": ("peak", "height"), "ndr-curve": ("peak", "height", "curve")}
"""Arrays of NDR neurons, by the kind in the manifest."""

Entry = dict[str, Any]


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write the file in whole or not at all."""
    fields, arrays = _computes(network)
    manifest = {"name": network.name, "meaning": network.meaning.as_dict(), "provenance": network.provenance}
    FILE.save(path, manifest | fields, arrays)


def network_digest(network: Network) -> str:
    """SHA-256, hexadecimal, over all that computes."""
    return digest(*_computes(network))


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read a network file.

    Raises FileNotFoundError when there is no such file. Raises NetworkError when the file is not a network of
    a format that can be read, or is damaged.
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
    """The manifest's fields and the arrays that say what is computed."""
    arrays: Arrays = {}
    fields = {
        "shape": network.shape,
        "calls": network.calls,
        "nodes": [_entry(f"node{i}", node, arrays) for i, node in enumerate(network.nodes)],
        "states": [dataclasses.asdict(state) for state in network.states],
    }
    return fields, arrays


def _entry(where: str, node: Node, arrays: Arrays) -> Entry:
    """A node's scalars; its arrays go into ``arrays``."""
    apart = {"activation": _activation(where, node.activation, arrays)}
    return {"kind": node.kind} | flat(where, node, arrays, apart)


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
    """The activation's kind; its arrays go into ``arrays``."""
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

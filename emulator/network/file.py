"""The file of a float network: an ``.npz`` without pickled objects, with a digest over all of it."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network.activation import Activation, Named, Ndr, Sampled
from emulator.network.network import Network
from emulator.network.nodes import Dense, Gate, Node, Pool, Product, State, Table, Term
from emulator.spec.archive import FIELD, digest, read_arrays, write_arrays
from emulator.spec.errors import MeaningError
from emulator.spec.meaning import Meaning
from emulator.spec.patches import Patches

FORMAT = "ndrite-network"
FORMAT_VERSION = 4
BYTES_MAX = 1 << 30
SAMPLED = "sampled:"
"""Prefix of the kind of a sampled activation, before its name."""
NDR_ARRAYS = {"ndr": ("peak", "height"), "ndr-curve": ("peak", "height", "curve")}
"""Arrays of NDR neurons, by the kind in the manifest."""

KINDS: dict[str, type[Node]] = {kind.kind: kind for kind in (Product, Pool, Table, Gate)}

Arrays = dict[str, npt.NDArray[Any]]
Entry = dict[str, Any]


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write the file in whole or not at all."""
    fields, arrays = _computes(network)
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": network.name,
        "meaning": network.meaning.as_dict(),
        "provenance": network.provenance,
        **fields,
    }
    write_arrays(path, manifest | {FIELD: digest(manifest, arrays)}, arrays)


def network_digest(network: Network) -> str:
    """SHA-256, hexadecimal, over all that computes."""
    return digest(*_computes(network))


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read a network file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    NetworkError
        When the file is not a network of a format that can be read, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such network file (ndrite train writes one; ONNX will do)")
    try:
        return _assemble(read_arrays(path, most_bytes=BYTES_MAX, total_bytes=BYTES_MAX))
    except (NetworkError, MeaningError) as error:
        raise NetworkError(f"{path}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise NetworkError(f"{path}: not a network file ({error})") from None


def _assemble(arrays: Arrays) -> Network:
    if "manifest" not in arrays:
        raise NetworkError("no manifest in the file; accepted: a file written by Network.save")
    manifest = json.loads(str(arrays["manifest"]))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NetworkError(f"manifest format is not {FORMAT!r}; accepted: a file written by Network.save")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise NetworkError(
            f"format_version is {manifest.get('format_version')}; accepted: {FORMAT_VERSION}; "
            f"import or train the network again"
        )
    if manifest.get(FIELD) != digest(manifest, {key: arrays[key] for key in arrays if key != "manifest"}):
        raise NetworkError("checksum differs: manifest and arrays are not those the file was written with")
    provenance = manifest["provenance"]
    if not isinstance(provenance, dict):
        raise NetworkError(f"provenance is {str(provenance)[:40]!r}; accepted: an object")
    return Network(
        tuple(_node(f"node{i}", entry, arrays) for i, entry in enumerate(manifest["nodes"])),
        _tuple(manifest["shape"]),
        str(manifest["name"]),
        provenance,
        tuple(State(**_tuples(entry)) for entry in manifest["states"]),
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
        "states": [asdict(state) for state in network.states],
    }
    return fields, arrays


def _entry(where: str, node: Node, arrays: Arrays) -> Entry:
    """A node's scalars; its arrays go into ``arrays``."""
    entry: Entry = {"kind": node.kind}
    for f in dataclasses.fields(node):
        value = getattr(node, f.name)
        if isinstance(value, Dense):
            arrays |= {f"{where}.weights": value.weights, f"{where}.bias": value.bias}
            entry["activation"] = _activation(where, value.activation, arrays)
        elif f.name == "activation":
            entry["activation"] = _activation(where, value, arrays)
        elif isinstance(value, np.ndarray):
            arrays[f"{where}.{f.name}"] = value
        elif isinstance(value, Patches):
            entry["patches"] = asdict(value)
        elif f.name == "terms":
            entry["terms"] = [asdict(term) for term in value]
        else:
            entry[f.name] = value
    return entry


def _node(where: str, entry: Entry, arrays: Arrays) -> Node:
    kind = KINDS.get(entry["kind"])
    if kind is None:
        raise NetworkError(f"{where}.kind is {entry['kind']!r}; accepted: {', '.join(KINDS)}")
    values: Entry = {}
    for f in dataclasses.fields(kind):
        if f.name == "dense":
            weights, bias = (_array(arrays, where, name) for name in ("weights", "bias"))
            values["dense"] = Dense(weights, bias, _read_activation(where, entry["activation"], arrays))
        elif f.name == "activation":
            values["activation"] = _read_activation(where, entry["activation"], arrays)
            if values["activation"] is None:
                raise NetworkError(f"{where}.activation is None; accepted: an activation")
        elif f.name == "patches":
            values["patches"] = Patches(**_tuples(entry["patches"]))
        elif f.name == "terms":
            values["terms"] = tuple(Term(**term) for term in entry["terms"])
        elif f.name in entry:
            values[f.name] = _tuple(entry[f.name])
        elif f.default is dataclasses.MISSING or f"{where}.{f.name}" in arrays:
            values[f.name] = _array(arrays, where, f.name)
    return kind(**values)


def _activation(where: str, activation: Activation | None, arrays: Arrays) -> str | None:
    """The activation's kind; its arrays go into ``arrays``."""
    if activation is None:
        return None
    if isinstance(activation, Named):
        return activation.name
    if isinstance(activation, Sampled):
        arrays[f"{where}.points"] = activation.points
        return SAMPLED + activation.name
    arrays |= {f"{where}.peak": activation.peak, f"{where}.height": activation.height}
    if activation.curve is None:
        return "ndr"
    arrays[f"{where}.curve"] = activation.curve
    return "ndr-curve"


def _read_activation(where: str, kind: Any, arrays: Arrays) -> Activation | None:
    if kind is None:
        return None
    if kind in NDR_ARRAYS:
        return Ndr(*(_array(arrays, where, name) for name in NDR_ARRAYS[kind]))
    if isinstance(kind, str) and kind.startswith(SAMPLED):
        return Sampled(kind.removeprefix(SAMPLED), _array(arrays, where, "points"))
    return Named(kind)


def _array(arrays: Arrays, where: str, name: str) -> npt.NDArray[Any]:
    if f"{where}.{name}" not in arrays:
        raise NetworkError(f"array {where}.{name} is missing")
    return arrays[f"{where}.{name}"]


def _tuples(entry: Entry) -> Entry:
    return {key: _tuple(value) for key, value in entry.items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

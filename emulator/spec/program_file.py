"""A program as an ``.npz`` that NumPy alone can open and check.

A ``manifest`` of JSON text and plain integer arrays, no pickled objects. The manifest's ``sha256`` covers
every other field of it and every array (``emulator.spec.archive``).
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from emulator.spec.archive import FIELD, digest, read_arrays, write_arrays
from emulator.spec.errors import MeaningError, ProgramError
from emulator.spec.layer import LAYER_ARRAYS, LAYER_SCALARS, IntArray, Layer
from emulator.spec.meaning import Meaning
from emulator.spec.patches import Patches
from emulator.spec.program import Program
from emulator.spec.steps import Gate, Pool, Product, State, Step, Table, Term
from emulator.spec.variation import SCALARS, Variation

FORMAT, FORMAT_VERSION = "ndrite-program", 4
INSIDE = "program.npz"
"""What the program is called in a file that holds its die and network too."""
MANIFEST_BYTES_MAX = 4 << 20
ARRAY_BYTES_MAX = 256 << 20
KINDS: dict[str, type[Step]] = {kind.kind: kind for kind in (Product, Pool, Table, Gate)}
STEP_ARRAYS: dict[str, dict[str, type]] = {
    "product": {"skip_gain": np.uint16},
    "pool": {"mul": np.uint16},
    "table": {"channel": np.int32, "offset": np.int16, "scale": np.uint16, "curve": np.uint16},
    "gate": {},
}
"""Arrays of each kind of step beside its layer's; the first two kinds' may be absent."""
OPTIONAL = {"skip_gain", "mul"}


def arrays_of(program: Program) -> dict[str, IntArray]:
    """Every array of a program by its name in the file."""
    named: dict[str, IntArray] = {}
    for i, step in enumerate(program.steps):
        if isinstance(step, Product):
            named |= {f"step{i}.{name}": getattr(step.layer, name) for name in LAYER_ARRAYS}
        for name in STEP_ARRAYS[step.kind]:
            if getattr(step, name) is not None:
                named[f"step{i}.{name}"] = getattr(step, name)
    named |= {"curves.base": program.curve_base, "curves.slope": program.curve_slope}
    if program.variation is not None:
        named |= {"variation.mean": program.variation.mean, "variation.sigma": program.variation.sigma}
    return named


def computes(program: Program) -> dict[str, Any]:
    """The manifest's fields that say what is computed."""
    fields: dict[str, Any] = {
        "rows": program.rows,
        "shape": program.shape,
        "calls": program.calls,
        "first_product": program.first_product,
        "steps": [_entry(step) for step in program.steps],
        "states": [dataclasses.asdict(state) for state in program.states],
    }
    return fields if program.variation is None else fields | {"variation": program.variation.scalars()}


def manifest_of(program: Program) -> dict[str, Any]:
    """The manifest, its digest included."""
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": program.name,
        "inputs": program.inputs,
        "outputs": program.outputs,
        "meaning": program.meaning.as_dict(),
        "provenance": program.provenance,
        **computes(program),
    }
    # As it reads back from a file: tuples are lists there.
    written: dict[str, Any] = json.loads(json.dumps(manifest))
    return written | {FIELD: digest(written, arrays_of(program))}


def _entry(step: Step) -> dict[str, Any]:
    """A step's scalars."""
    entry: dict[str, Any] = {"kind": step.kind}
    for f in dataclasses.fields(step):
        value = getattr(step, f.name)
        if f.name in STEP_ARRAYS[step.kind]:
            continue
        if isinstance(value, Layer):
            entry |= value.scalars()
        elif isinstance(value, Patches):
            entry["patches"] = dataclasses.asdict(value)
        elif f.name == "terms":
            entry["terms"] = [dataclasses.asdict(term) for term in value]
        else:
            entry[f.name] = value
    return entry


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write the file in whole or not at all (temporary file, then rename)."""
    write_arrays(path, manifest_of(program), arrays_of(program))


def load(path: str | os.PathLike[str]) -> Program:
    """Read and verify a file; errors as ``Program.load``'s."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such program file")
    try:
        return _assemble(*_read(path))
    except (ProgramError, MeaningError) as error:
        raise ProgramError(f"{path}: {error}") from None
    except (TypeError, KeyError, AttributeError) as error:
        raise ProgramError(f"{path}: manifest is incomplete or mistyped ({error})") from None
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"{path}: not a program ({error})") from None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, IntArray]]:
    """Manifest and arrays; sizes are bounded from the archive's directory before anything is unpacked."""
    arrays = read_arrays(
        path,
        most_bytes=ARRAY_BYTES_MAX,
        total_bytes=4 * ARRAY_BYTES_MAX,
        limits={"manifest": MANIFEST_BYTES_MAX},
        inside=INSIDE,
    )
    if "manifest" not in arrays:
        raise ProgramError("no manifest in the file; not a program")
    manifest = json.loads(str(arrays.pop("manifest")))
    if not isinstance(manifest, dict):
        raise ProgramError("the manifest is not a JSON object")
    return manifest, arrays


def _assemble(manifest: dict[str, Any], arrays: dict[str, IntArray]) -> Program:
    version = manifest.get("format_version")
    if version != FORMAT_VERSION or manifest.get("format") != FORMAT:
        raise ProgramError(
            f"format is {manifest.get('format')} {version}; accepted: {FORMAT} "
            f"{FORMAT_VERSION}; compile the network again"
        )
    provenance = manifest["provenance"]
    if not isinstance(provenance, dict):
        raise ProgramError(f"manifest provenance is {str(provenance)[:40]!r}; accepted: an object")
    program = Program(
        name=str(manifest["name"]),
        rows=manifest["rows"],
        shape=_tuple(manifest["shape"]),
        steps=tuple(_step(i, entry, arrays) for i, entry in enumerate(manifest["steps"])),
        curve_base=_array(arrays, "curves.base", np.int32),
        curve_slope=_array(arrays, "curves.slope", np.int32),
        states=tuple(State(**entry | {"shape": _tuple(entry["shape"])}) for entry in manifest["states"]),
        calls=manifest["calls"],
        first_product=manifest["first_product"],
        meaning=Meaning.from_dict(manifest["meaning"]),
        provenance=provenance,
        variation=_variation(manifest, arrays),
    )
    for key, got in (("inputs", program.inputs), ("outputs", program.outputs)):
        if manifest[key] != got:
            raise ProgramError(f"manifest {key} is {manifest[key]}; the steps say {got}")
    if manifest.get(FIELD) != digest(manifest, arrays):
        raise ProgramError("checksum differs: manifest and arrays are not those the file was written with")
    return program


def _step(i: int, entry: dict[str, Any], arrays: dict[str, IntArray]) -> Step:
    kind = entry["kind"]
    if kind not in KINDS:
        raise ProgramError(f"step{i}.kind is {kind!r}; accepted: {', '.join(KINDS)}")
    given: dict[str, Any] = {}
    for name, dtype in STEP_ARRAYS[kind].items():
        if f"step{i}.{name}" in arrays or name not in OPTIONAL:
            given[name] = _array(arrays, f"step{i}.{name}", dtype)
    for f in dataclasses.fields(KINDS[kind]):
        if f.name == "layer":
            given["layer"] = _layer(i, entry, arrays)
        elif f.name == "patches":
            given["patches"] = _patches(i, entry["patches"])
        elif f.name == "terms":
            given["terms"] = tuple(Term(**term) for term in entry["terms"])
        elif f.name not in STEP_ARRAYS[kind]:
            given[f.name] = _tuple(entry[f.name])
    return KINDS[kind](**given)


def _patches(i: int, entry: dict[str, Any]) -> Patches:
    try:
        return Patches(**{k: _tuple(v) for k, v in entry.items()})
    except ProgramError as error:
        raise ProgramError(f"step{i}: {error}") from None


def _layer(i: int, entry: dict[str, Any], arrays: dict[str, IntArray]) -> Layer:
    named: dict[str, Any] = {
        name: _array(arrays, f"step{i}.{name}", kind[0]) for name, kind in LAYER_ARRAYS.items()
    }
    options = {k: entry[k] for k in LAYER_SCALARS if k not in ("inputs", "outputs")}
    layer = Layer(**named, readout=entry["readout"], **options)
    if layer.weights.ndim != 2 or layer.weights.shape != (entry["inputs"], entry["outputs"]):
        raise ProgramError(
            f"step{i}.weights has shape {layer.weights.shape}; the manifest says "
            f"({entry['inputs']}, {entry['outputs']})"
        )
    return layer


def _array(arrays: dict[str, IntArray], key: str, dtype: type) -> IntArray:
    if key not in arrays:
        raise ProgramError(f"array {key} is missing")
    if arrays[key].dtype != dtype:
        raise ProgramError(f"{key} has dtype {arrays[key].dtype}; accepted: {np.dtype(dtype)}")
    return arrays[key]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _variation(manifest: dict[str, Any], arrays: dict[str, IntArray]) -> Variation | None:
    if "variation" not in manifest:
        return None
    scalars = {name: manifest["variation"][name] for name in SCALARS}
    mean, sigma = (_array(arrays, f"variation.{name}", np.uint16) for name in ("mean", "sigma"))
    return Variation(mean=mean, sigma=sigma, **scalars)

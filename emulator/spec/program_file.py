"""A program as an ``.npz`` that NumPy alone can open and check.

A ``manifest`` of JSON text and plain integer arrays, no pickled objects. The manifest's ``sha256`` covers
every other field of it and every array (``ndrite.emulator.spec.archive``).
"""

import dataclasses
import os
from typing import Any

from ndrite.emulator.spec.archive import Arrays, FileKind, built, flat, tuples
from ndrite.emulator.spec.errors import MeaningError, ProgramError
from ndrite.emulator.spec.flow import State
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import KINDS, Step
from ndrite.emulator.spec.variation import Variation

INSIDE = "program.npz"
"""What the program is called in a file that holds its die and network too."""
MANIFEST_BYTES_MAX = 4 << 20
ARRAY_BYTES_MAX = 256 << 20
FILE = FileKind(
    "program",
    5,
    ProgramError,
    known=(MeaningError,),
    most_bytes=ARRAY_BYTES_MAX,
    total_bytes=4 * ARRAY_BYTES_MAX,
    limits={"manifest": MANIFEST_BYTES_MAX},
    inside=INSIDE,
    otherwise="compile the network again",
)
OPTIONAL = {"skip_gain", "mul"}
"""Arrays of steps that may be absent."""


def parts_of(program: Program) -> tuple[dict[str, Any], Arrays]:
    """The manifest's fields that say what is computed, and every array by its name in the file."""
    arrays: Arrays = {}
    fields: dict[str, Any] = {
        "rows": program.rows,
        "shape": program.shape,
        "calls": program.calls,
        "first_product": program.first_product,
        "steps": [_entry(f"step{i}", step, arrays) for i, step in enumerate(program.steps)],
        "states": [dataclasses.asdict(state) for state in program.states],
    }
    arrays |= {"curves.base": program.curve_base, "curves.slope": program.curve_slope}
    if program.variation is not None:
        fields["variation"] = flat("variation", program.variation, arrays)
    return fields, arrays


def _content(program: Program) -> tuple[dict[str, Any], Arrays]:
    fields, arrays = parts_of(program)
    manifest = {
        "name": program.name,
        "inputs": program.inputs,
        "outputs": program.outputs,
        "meaning": program.meaning.as_dict(),
        "provenance": program.provenance,
    }
    return manifest | fields, arrays


def manifest_of(program: Program) -> dict[str, Any]:
    """The manifest as it reads back from a file, its digest included."""
    return FILE.written(*_content(program))


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write the file in whole or not at all (temporary file, then rename)."""
    FILE.save(path, *_content(program))


def load(path: str | os.PathLike[str]) -> Program:
    """Read and verify a file; errors as ``Program.load``'s."""
    return FILE.load(path, _assemble)


def _entry(where: str, step: Step, arrays: Arrays) -> dict[str, Any]:
    """A step's scalars; its arrays go into ``arrays``."""
    entry = {"kind": step.kind} | flat(where, step, arrays)
    for layer in step.layers:
        entry |= {"inputs": layer.inputs, "outputs": layer.outputs}
    return {name: value for name, value in entry.items() if name not in OPTIONAL}


def _assemble(manifest: dict[str, Any], arrays: Arrays) -> Program:
    provenance = manifest["provenance"]
    if not isinstance(provenance, dict):
        raise ProgramError(f"manifest provenance is {str(provenance)[:40]!r}; accepted: an object")
    variation = None
    if "variation" in manifest:
        variation = built("variation", Variation, manifest["variation"], arrays)
    program = Program(
        name=str(manifest["name"]),
        rows=manifest["rows"],
        shape=tuples(manifest["shape"]),
        steps=tuple(_step(f"step{i}", entry, arrays) for i, entry in enumerate(manifest["steps"])),
        curve_base=arrays["curves.base"],
        curve_slope=arrays["curves.slope"],
        states=tuple(State(**tuples(entry)) for entry in manifest["states"]),
        calls=manifest["calls"],
        first_product=manifest["first_product"],
        meaning=Meaning.from_dict(manifest["meaning"]),
        provenance=provenance,
        variation=variation,
    )
    for key, count in (("inputs", program.inputs), ("outputs", program.outputs)):
        if manifest[key] != count:
            raise ProgramError(f"manifest {key} is {manifest[key]}; the steps say {count}")
    return program


def _step(where: str, entry: dict[str, Any], arrays: Arrays) -> Step:
    kind = KINDS.get(entry["kind"])
    if kind is None:
        raise ProgramError(f"{where}.kind is {entry['kind']!r}; accepted: {', '.join(KINDS)}")
    try:
        step = built(where, kind, entry, arrays)
    except ProgramError as error:
        raise ProgramError(f"{where}: {error}") from None
    for layer in step.layers:
        sizes = (entry["inputs"], entry["outputs"])
        if layer.weights.shape != sizes:
            raise ProgramError(f"{where}.weights has shape {layer.weights.shape}; the manifest says {sizes}")
    return step

"""Program: what a die computes, in integers: an ordered list of steps over maps of codes.

Map 0 is the input, (C, H, W) codes 0..255; the states follow, then each step's
result. The program names no lanes and no memory addresses: laying it out for a
geometry is the driver's work.

The file is an ``.npz`` that NumPy alone can open and check: a ``manifest`` of JSON text
and plain integer arrays, no pickled objects. The manifest's ``sha256`` covers every
other field of it and every array (``ndrite.emulator.spec.archive``).
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import field
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.archive import Arrays, FileKind, built, digest, flat, tuples
from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.brief import record, titled
from ndrite.emulator.spec.errors import MeaningError, ProgramError, require, require_line
from ndrite.emulator.spec.flow import Flow, State, of_kind
from ndrite.emulator.spec.layer import CURVE_MAX, CURVE_MIN, Layer, check_ints
from ndrite.emulator.spec.meaning import Meaning
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.steps import KINDS, Product, Step
from ndrite.emulator.spec.variation import ROW_MAX, Variation

INSIDE = "program.npz"
"""File name of the program in an archive that also holds its die and network."""
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
"""Arrays of program steps that may be absent from a file."""


def parts_of(program: Program) -> tuple[dict[str, Any], Arrays]:
    """Return two parts of a program: the manifest fields that determine its results,
    and every array by its name in the file."""
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
    """Return the program's manifest as a file will contain it, including the digest."""
    return FILE.written(*_content(program))


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write a program file completely or not at all (temporary file, then rename)."""
    FILE.save(path, *_content(program))


def load(path: str | os.PathLike[str]) -> Program:
    """Read a program file and verify its digest; errors as for ``Program.load``."""
    return FILE.load(path, _assemble)


def _entry(where: str, step: Step, arrays: Arrays) -> dict[str, Any]:
    """Return the scalars of a step, and add the step's arrays to ``arrays``."""
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
            raise ProgramError(f"manifest {key} is {manifest[key]}; accepted: {count}, as the steps have")
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


PRODUCTS_MAX = 256
"""Largest number of matrix products in a program: their numbers have 8 bits in the key
of the read noise."""
CALLS_MAX = 1 << 16
MAP_MAX = 1 << 26
"""Largest number of codes in a map. It is checked before memory of that size is allocated."""


@record(kw_only=True)
class Program(Flow):
    """A network mapped onto a die: steps, curve tables, the meaning of inputs and
    outputs, and provenance.

    A sample is ``calls`` inputs of ``shape``, one after another; the states begin anew
    with every sample, and the result is the last call's last map. ``curve_base`` and
    ``curve_slope`` are int32 (Q, segments), 18-bit signed values. ``variation``, where
    present, says that the weights are the nominal chip's and how those of virtual chips
    spread around them. ``first_product`` is the first product's number in the read
    noise's key: other than 0 only where a program is a piece of another.
    """

    name: str
    rows: int
    shape: Shape
    steps: tuple[Step, ...]
    curve_base: npt.NDArray[np.int32]
    curve_slope: npt.NDArray[np.int32]
    states: tuple[State, ...] = ()
    calls: Annotated[int, 1, CALLS_MAX] = 1
    first_product: int = 0
    meaning: Meaning = field(default_factory=Meaning)
    provenance: dict[str, Any] = field(default_factory=dict)
    variation: Variation | None = None

    def __post_init__(self) -> None:
        _check(self)

    def _repr_html_(self) -> str:
        rows = []
        for i, step in enumerate(self.steps):
            size = "x".join(map(str, self.map_shapes[self.first + i]))
            layers_text = ", ".join(f"{layer.inputs} rows, {layer.readout}" for layer in step.layers)
            rows.append((i, step.kind, ", ".join(map(str, step.reads)), layers_text, size))
        title = f"{self.name}: {self.inputs} inputs, {self.outputs} outputs, tag {self.tag:08x}"
        return titled(title, ("step", "kind", "reads maps", "rows and readout", "gives"), rows)

    @classmethod
    def chain(cls, *, layers: Sequence[Layer], **rest: Any) -> Self:
        """Build a program of fully connected layers, each applied to the output codes
        of the layer before; the last layer returns sums. ``rest``: values of the
        program's other fields."""
        require(len(layers) >= 1, "layers", "empty", "at least one layer")
        steps = tuple(
            Product(
                layer=layer,
                sources=(i,),
                patches=Patches.whole((layer.inputs, 1, 1)),
                fires=i < len(layers) - 1,
            )
            for i, layer in enumerate(layers)
        )
        return cls(shape=(layers[0].inputs, 1, 1), steps=steps, **rest)

    @property
    def parts(self) -> tuple[Step, ...]:
        return self.steps

    @property
    def products(self) -> tuple[Product, ...]:
        """The matrix products among the program's steps, in order: the ones that the
        crossbar array computes."""
        return of_kind(Product, self.steps)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer of every matrix product, in order."""
        return tuple(layer for step in self.steps for layer in step.layers)

    @property
    def is_chain(self) -> bool:
        """Whether the program is a chain of fully connected layers that ends with sums,
        as ``chain`` builds it."""
        is_chain = (
            p.layer.inputs == math.prod(shape)
            for p, shape in zip(self.products, self.map_shapes, strict=False)
        )
        return super().is_chain and not self.steps[-1].fires and all(is_chain)

    def products_before(self, step: int) -> int:
        """Return how many matrix products come before step number ``step``."""
        return len(of_kind(Product, self.steps[:step]))

    def with_layers(self, layers: Sequence[Layer], **changes: Any) -> Self:
        """Return a copy of the program with the layers of its matrix products replaced,
        in order; ``changes`` are new values of other fields."""
        count = len(self.products)
        require(len(layers) == count, "layers", len(layers), f"{count}, one per matrix product")
        fresh = iter(layers)
        steps = tuple(step.holding(fresh) for step in self.steps)
        return dataclasses.replace(self, steps=steps, **changes)

    def piece(self, product: int) -> Self:
        """Return matrix product number ``product`` as a program of its own that returns
        sums. Its inputs are patches (n, K); its outputs are the sums z before a second
        operand (another map) is added."""
        step = self.products[product]
        require(step.patches.groups == 1, f"groups of product {product}", step.patches.groups, "1")
        return type(self).chain(
            name=f"{self.name}, product {product}",
            rows=self.rows,
            layers=[step.layer],
            curve_base=self.curve_base,
            curve_slope=self.curve_slope,
            first_product=self.first_product + product,
        )

    def arrays(self) -> dict[str, IntArray]:
        """Return every array by its name in the file."""
        from ndrite.emulator.spec.program import parts_of

        return parts_of(self)[1]

    def manifest(self) -> dict[str, Any]:
        """Return the file's JSON manifest as a dictionary, including its digest."""
        from ndrite.emulator.spec.program import manifest_of

        return manifest_of(self)

    @cached_property
    def _checksum(self) -> str:
        from ndrite.emulator.spec.program import parts_of

        return digest(*parts_of(self))

    def checksum(self) -> str:
        """Return the SHA-256, hexadecimal, of everything that determines the results:
        arrays and scalars."""
        return self._checksum

    @property
    def tag(self) -> int:
        """32-bit number computed from everything that determines the results. It is
        never 0, so that 0 can mean 'not programmed'."""
        return int.from_bytes(bytes.fromhex(self.checksum()[:8]), "little") or 1

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the program file completely or not at all (temporary file, then rename)."""
        from ndrite.emulator.spec.program import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Program:
        """Read a program file and verify its digest.

        Raises FileNotFoundError when there is no such file. Raises ProgramError
        when the file is no program, is damaged, or holds values outside the
        arithmetic's ranges.
        """
        from ndrite.emulator.spec.program import load

        return load(path)


def _check_shape(where: str, shape: Shape) -> None:
    sizes = isinstance(shape, tuple) and len(shape) == 3 and all(type(v) is int and v >= 1 for v in shape)
    require(sizes, where, shape, "(C, H, W), each at least 1")
    require(math.prod(shape) <= MAP_MAX, where, shape, f"at most {MAP_MAX} codes")


def _check(program: Program) -> None:
    require_line("name", program.name)
    rows = program.rows
    rows_fit = isinstance(rows, int) and 8 <= rows <= 1024 and rows % 8 == 0
    require(rows_fit, "rows", rows, "8..1024, multiple of 8")
    _check_shape("shape", program.shape)
    check_ints("", program)
    for name, curve in (("curves.base", program.curve_base), ("curves.slope", program.curve_slope)):
        plane = curve.dtype == np.int32 and curve.ndim == 2
        require(plane, name, f"{curve.dtype} {curve.shape}", "int32 (Q, segments)")
        fits = curve.size > 0 and int(curve.min()) >= CURVE_MIN and int(curve.max()) <= CURVE_MAX
        require(fits, name, "outside 18 bits or empty", f"{CURVE_MIN}..{CURVE_MAX}")
    table = program.curve_base.shape
    require(program.curve_slope.shape == table, "curves.slope shape", program.curve_slope.shape, str(table))
    for i, state in enumerate(program.states):
        _check_shape(f"state{i}.shape", state.shape)

    def check(where: str, step: Step, shapes: list[Shape]) -> None:
        step.check(where, shapes, table, rows)
        _check_shape(f"{where} result", step.shape(shapes))

    program.check("step", check)
    for i, state in enumerate(program.states):
        check_ints(f"state{i}", state, start=(0, 255))
    program.meaning.check(program.map_shapes[-1])
    count, first = len(program.products), program.first_product
    after = first + count if type(first) is int else first
    fits = type(first) is int and first >= 0 and after <= PRODUCTS_MAX
    require(fits, "number of products", after, f"at most {PRODUCTS_MAX}")
    if program.variation is not None:
        top = program.variation.code_max
        for i, layer in enumerate(program.layers):
            weight_max = int(np.abs(layer.weights.astype(np.int64)).max())
            require(
                weight_max <= top,
                f"weights magnitude of product {i}",
                weight_max,
                f"0..{top}, variation.code_max",
            )
            inputs = layer.inputs
            require(inputs <= ROW_MAX, f"inputs of product {i}", inputs, f"1..{ROW_MAX} with variation")

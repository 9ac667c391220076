"""ChipImage: the compiled network as an ``.npz`` that NumPy alone can open and check.

A ``manifest`` of JSON text and plain integer arrays, no pickled objects. The manifest's ``sha256`` covers
every other field of it and every array (``emulator.spec.digest``). The file names no lanes and no addresses:
laying it out for a geometry is the driver's work.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.spec.archive import read_arrays
from emulator.spec.arithmetic import (
    ADC_BITS,
    DAC_BITS,
    INPUT_MAX,
    SHIFT_MAX,
    SIGMA_MAX,
    TABLE_BITS_MAX,
    V_BITS,
    slices,
)
from emulator.spec.brief import brief_repr
from emulator.spec.digest import FIELD, digest
from emulator.spec.errors import ImageError
from emulator.spec.files import whole_file
from emulator.spec.variation import ROW_MAX, SCALARS, Variation

FORMAT_VERSION = 2
MANIFEST_BYTES_MAX = 4 << 20
ARRAY_BYTES_MAX = 256 << 20
VECTOR_MAX = 65536

IntArray = npt.NDArray[Any]

LAYER_ARRAYS: dict[str, tuple[type, int, int]] = {
    "weights": (np.int16, -255, 255),
    "bias": (np.int32, -(1 << 31), (1 << 31) - 1),
    "gain": (np.uint16, 0, 65535),
    "offset": (np.int16, -2048, 2047),
    "scale": (np.uint16, 0, 65535),
    "curve": (np.uint16, 0, 65535),
}
"""Array name -> (dtype, least, greatest value)."""

LAYER_SCALARS: dict[str, tuple[int, int]] = {
    "inputs": (1, VECTOR_MAX),
    "outputs": (1, VECTOR_MAX),
    "dac_bits": (1, 8),
    "adc_bits": (ADC_BITS.start, ADC_BITS.stop - 1),
    "shift": (0, SHIFT_MAX),
    "vshift": (0, SHIFT_MAX),
    "segment_bits": (1, V_BITS - 1),
    "table_bits": (0, TABLE_BITS_MAX),
    "sigma_out": (0, SIGMA_MAX),
    "var_cell": (0, 65535),
}

CURVE_MIN, CURVE_MAX = -(1 << 17), (1 << 17) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer: K inputs, M outputs, the arithmetic's parameters and arrays.

    ``weights`` int16 (K, M); ``bias`` int32, ``gain`` uint16, ``offset`` int16, ``scale`` uint16 and
    ``curve`` uint16, each (M,). ``sigma_out`` in accumulator LSB; ``var_cell`` in Q8.8 code units squared.
    """

    __repr__ = brief_repr

    weights: IntArray
    bias: IntArray
    gain: IntArray
    offset: IntArray
    scale: IntArray
    curve: IntArray
    readout: str = "adc"
    dac_bits: int = 8
    adc_bits: int = 8
    shift: int = 0
    vshift: int = 0
    segment_bits: int = 7
    table_bits: int = 6
    sigma_out: int = 0
    var_cell: int = 0

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])

    def tile_rows(self, rows: int) -> int:
        """Rows that add before readout: the array's, or all of them with ``analog`` readout."""
        return rows if self.readout == "adc" else self.inputs

    def tiles(self, rows: int) -> int:
        """Row tiles T on an array of ``rows`` rows."""
        return -(-self.inputs // self.tile_rows(rows))

    def scalars(self) -> dict[str, int | str]:
        """The layer's entry in the manifest."""
        return {name: getattr(self, name) for name in LAYER_SCALARS} | {"readout": self.readout}


@dataclass(frozen=True, kw_only=True, eq=False)
class ChipImage:
    """A network compiled for a chip: layers, curve tables, provenance.

    ``curve_base`` and ``curve_slope`` are int32 (Q, segments), 18-bit signed values. ``variation``, where
    present, says that the weights are the nominal chip's and how those of virtual chips spread around them.
    """

    __repr__ = brief_repr

    name: str
    rows: int
    layers: tuple[Layer, ...]
    curve_base: IntArray
    curve_slope: IntArray
    provenance: dict[str, Any] = field(default_factory=dict)
    variation: Variation | None = None

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    def arrays(self) -> dict[str, IntArray]:
        """Every array by its name in the file."""
        named: dict[str, IntArray] = {
            f"layer{i}.{name}": getattr(layer, name)
            for i, layer in enumerate(self.layers)
            for name in LAYER_ARRAYS
        }
        named |= {"curves.base": self.curve_base, "curves.slope": self.curve_slope}
        if self.variation is not None:
            named |= {"variation.mean": self.variation.mean, "variation.sigma": self.variation.sigma}
        return named

    def checksum(self) -> str:
        """SHA-256, hexadecimal, over all that computes: arrays and scalars, not name and provenance."""
        return digest(self._computes(), self.arrays())

    @property
    def tag(self) -> int:
        """32-bit mark of all that computes; never 0, so 0 can mean 'not programmed'."""
        return int.from_bytes(bytes.fromhex(self.checksum()[:8]), "little") or 1

    def manifest(self) -> dict[str, Any]:
        """The JSON manifest as a dictionary, its digest included."""
        manifest = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "provenance": self.provenance,
            **self._computes(),
        }
        return manifest | {FIELD: digest(manifest, self.arrays())}

    def _computes(self) -> dict[str, Any]:
        """The manifest's fields that say what is computed."""
        fields: dict[str, Any] = {"rows": self.rows, "layers": [layer.scalars() for layer in self.layers]}
        return fields if self.variation is None else fields | {"variation": self.variation.scalars()}

    def without_noise(self) -> ChipImage:
        """The same chip with read noise off."""
        quiet = tuple(dataclasses.replace(la, sigma_out=0, var_cell=0) for la in self.layers)
        return dataclasses.replace(self, layers=quiet)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file in whole or not at all (temporary file, then rename)."""
        named: dict[str, Any] = {
            "manifest": np.array(json.dumps(self.manifest(), sort_keys=True)),
            **self.arrays(),
        }
        with whole_file(Path(path)) as file:
            np.savez_compressed(file, **named)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ChipImage:
        """Read and verify a file.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ImageError
            When the file is not a chip image, is damaged, or holds values outside the arithmetic's ranges.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such chip image file")
        try:
            manifest, arrays = _read(path)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None
        except (ValueError, RecursionError) as error:
            raise ImageError(f"{path}: not a chip image ({error})") from None
        try:
            return cls._assemble(manifest, arrays)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None
        except (TypeError, KeyError) as error:
            raise ImageError(f"{path}: manifest is incomplete or mistyped ({error})") from None

    @classmethod
    def _assemble(cls, manifest: dict[str, Any], arrays: dict[str, IntArray]) -> ChipImage:
        version = manifest.get("format_version")
        if version != FORMAT_VERSION:
            earlier = "; compile the network again: files of format 1 do not protect their manifest"
            raise ImageError(
                f"format_version is {version}; accepted: {FORMAT_VERSION}{earlier if version == 1 else ''}"
            )
        layers = []
        for i, scalars in enumerate(manifest["layers"]):
            named: dict[str, Any] = {}
            for name, (dtype, _, _) in LAYER_ARRAYS.items():
                key = f"layer{i}.{name}"
                if key not in arrays:
                    raise ImageError(f"array {key} is missing")
                if arrays[key].dtype != dtype:
                    raise ImageError(f"{key} has dtype {arrays[key].dtype}; accepted: {np.dtype(dtype)}")
                named[name] = arrays[key]
            options = {k: scalars[k] for k in LAYER_SCALARS if k not in ("inputs", "outputs")}
            layer = Layer(**named, readout=scalars["readout"], **options)
            if layer.weights.ndim != 2 or layer.weights.shape != (scalars["inputs"], scalars["outputs"]):
                raise ImageError(
                    f"layer{i}.weights has shape {layer.weights.shape}; the manifest says "
                    f"({scalars['inputs']}, {scalars['outputs']})"
                )
            layers.append(layer)
        for key in ("curves.base", "curves.slope"):
            if key not in arrays:
                raise ImageError(f"array {key} is missing")
        image = cls(
            name=str(manifest["name"]),
            rows=manifest["rows"],
            layers=tuple(layers),
            curve_base=arrays["curves.base"],
            curve_slope=arrays["curves.slope"],
            provenance=_object(manifest, "provenance"),
            variation=_variation(manifest, arrays),
        )
        for key, got in (("inputs", image.inputs), ("outputs", image.outputs)):
            if manifest[key] != got:
                raise ImageError(f"manifest {key} is {manifest[key]}; the layers say {got}")
        if manifest.get(FIELD) != digest(manifest, arrays):
            raise ImageError("checksum differs: manifest and arrays are not those the file was written with")
        return image


def _variation(manifest: dict[str, Any], arrays: dict[str, IntArray]) -> Variation | None:
    if "variation" not in manifest:
        return None
    for key in ("variation.mean", "variation.sigma"):
        if key not in arrays:
            raise ImageError(f"array {key} is missing")
    scalars = {name: manifest["variation"][name] for name in SCALARS}
    return Variation(mean=arrays["variation.mean"], sigma=arrays["variation.sigma"], **scalars)


def _object(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    value = manifest[name]
    if not isinstance(value, dict):
        raise ImageError(f"manifest {name} is {str(value)[:40]!r}; accepted: an object")
    return value


def _read(path: Path) -> tuple[dict[str, Any], dict[str, IntArray]]:
    """Manifest and arrays; sizes are bounded from the archive's directory before anything is unpacked."""
    arrays = read_arrays(
        path,
        most_bytes=ARRAY_BYTES_MAX,
        total_bytes=4 * ARRAY_BYTES_MAX,
        limits={"manifest": MANIFEST_BYTES_MAX},
    )
    if "manifest" not in arrays:
        raise ImageError("no manifest in the file; not a chip image")
    manifest = json.loads(str(arrays.pop("manifest")))
    if not isinstance(manifest, dict):
        raise ImageError("the manifest is not a JSON object")
    return manifest, arrays


def _require(ok: bool, what: str, value: object, accepted: str) -> None:
    if not ok:
        raise ImageError(f"{what} is {value}; accepted: {accepted}")


def _validate(image: ChipImage) -> None:
    _require(
        isinstance(image.rows, int) and 8 <= image.rows <= 1024 and image.rows % 8 == 0,
        "rows",
        image.rows,
        "8..1024, multiple of 8",
    )
    _require(len(image.layers) >= 1, "layers", "empty", "at least one layer")
    for name, curve in (("curves.base", image.curve_base), ("curves.slope", image.curve_slope)):
        _require(
            curve.dtype == np.int32 and curve.ndim == 2,
            name,
            f"{curve.dtype} {curve.shape}",
            "int32 (Q, segments)",
        )
        _require(
            curve.size > 0 and curve.min() >= CURVE_MIN and curve.max() <= CURVE_MAX,
            name,
            "outside 18 bits or empty",
            f"{CURVE_MIN}..{CURVE_MAX}",
        )
    _require(
        image.curve_base.shape == image.curve_slope.shape,
        "curves.slope shape",
        image.curve_slope.shape,
        str(image.curve_base.shape),
    )
    for i, layer in enumerate(image.layers):
        _validate_layer(image, i, layer)
        if image.variation is not None:
            most = int(np.abs(layer.weights.astype(np.int64)).max())
            top = image.variation.code_max
            _require(most <= top, f"layer{i}.weights magnitude", most, f"0..{top}, variation.code_max")
            _require(
                layer.inputs <= ROW_MAX, f"layer{i}.inputs", layer.inputs, f"1..{ROW_MAX} with variation"
            )
        if i:
            before = image.layers[i - 1].outputs
            _require(
                layer.inputs == before,
                f"layer{i}.inputs",
                layer.inputs,
                f"the {before} outputs of layer {i - 1}",
            )


def _validate_layer(image: ChipImage, i: int, layer: Layer) -> None:
    where = f"layer{i}"
    _require(layer.weights.ndim == 2, f"{where}.weights shape", layer.weights.shape, "(K, M)")
    _require(layer.readout in ("adc", "analog"), f"{where}.readout", layer.readout, "adc or analog")
    for name, (low, high) in LAYER_SCALARS.items():
        value = getattr(layer, name)
        _require(type(value) is int and low <= value <= high, f"{where}.{name}", value, f"{low}..{high}")
    _require(layer.dac_bits in DAC_BITS, f"{where}.dac_bits", layer.dac_bits, "1, 2, 4 or 8")
    for name, (dtype, low, high) in LAYER_ARRAYS.items():
        array = getattr(layer, name)
        _require(array.dtype == dtype, f"{where}.{name} dtype", array.dtype, str(np.dtype(dtype)))
        shape = (layer.inputs, layer.outputs) if name == "weights" else (layer.outputs,)
        _require(array.shape == shape, f"{where}.{name} shape", array.shape, str(shape))
        least, most = int(array.min()), int(array.max())
        _require(low <= least and most <= high, f"{where}.{name}", f"{least}..{most}", f"{low}..{high}")
    if i < len(image.layers) - 1:
        curves, segments = image.curve_base.shape
        most = int(layer.curve.max())
        _require(most < curves, f"{where}.curve", most, f"0..{curves - 1}")
        _require(
            1 << (V_BITS - layer.segment_bits) == segments,
            f"{where}.segment_bits",
            layer.segment_bits,
            f"12 - log2 of the table's {segments} segments",
        )
    worst = _partial_max(layer, image.rows) + int(np.abs(layer.bias.astype(np.int64)).max())
    _require(worst < 1 << 31, f"{where} largest |p| + |bias|", worst, "below 2^31")


def _partial_max(layer: Layer, rows: int) -> int:
    """Largest magnitude the 32-bit partial sum of any column can reach."""
    weight_of_slices = sum(1 << (j * layer.dac_bits) for j in range(slices(layer.dac_bits)))
    if layer.readout == "adc":
        return layer.tiles(rows) * weight_of_slices << (layer.adc_bits - 1)
    column = int(np.abs(layer.weights.astype(np.int64)).sum(axis=0).max())
    noise = (SIGMA_MAX << 3) * weight_of_slices if layer.sigma_out or layer.var_cell else 0
    return column * INPUT_MAX + noise

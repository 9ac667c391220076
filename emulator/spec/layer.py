"""Layer: the parameters of one crossbar product with its neurons, and what they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
from emulator.spec.errors import ProgramError, SpecError

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


def require(ok: bool, what: str, value: object, accepted: str, error: type[SpecError] = ProgramError) -> None:
    """Raise an error that names what is wrong, its value and what is accepted."""
    if not ok:
        raise error(f"{what} is {value}; accepted: {accepted}")


def check_ints(where: str, of: object, ranges: Mapping[str, tuple[int, int]]) -> None:
    """Raise ProgramError unless every attribute in ``ranges`` is an int from the least to the greatest."""
    for name, (low, high) in ranges.items():
        value = getattr(of, name)
        require(type(value) is int and low <= value <= high, f"{where}{name}", value, f"{low}..{high}")


def check_array(where: str, array: Any, shape: tuple[int, ...], kind: tuple[type, int, int]) -> None:
    """Raise ProgramError unless ``array`` has this shape, dtype and range."""
    dtype, low, high = kind
    require(
        isinstance(array, np.ndarray) and array.dtype == dtype,
        f"{where} dtype",
        getattr(array, "dtype", type(array).__name__),
        str(np.dtype(dtype)),
    )
    require(array.shape == shape, f"{where} shape", array.shape, str(shape))
    least, most = int(array.min()), int(array.max())
    require(low <= least and most <= high, where, f"{least}..{most}", f"{low}..{high}")


def check_layer(where: str, layer: Layer) -> None:
    """Raise ProgramError when a scalar or array is out of range."""
    require(
        layer.weights.ndim == 2 and layer.weights.size > 0,
        f"{where}.weights shape",
        layer.weights.shape,
        "(K, M)",
    )
    require(layer.readout in ("adc", "analog"), f"{where}.readout", layer.readout, "adc or analog")
    check_ints(f"{where}.", layer, LAYER_SCALARS)
    require(layer.dac_bits in DAC_BITS, f"{where}.dac_bits", layer.dac_bits, "1, 2, 4 or 8")
    for name, kind in LAYER_ARRAYS.items():
        shape = (layer.inputs, layer.outputs) if name == "weights" else (layer.outputs,)
        check_array(f"{where}.{name}", getattr(layer, name), shape, kind)


def check_curves(where: str, curve: IntArray, segment_bits: int, table: tuple[int, ...]) -> None:
    """Raise ProgramError when a curve index or the segments are not those of the table (Q, segments)."""
    curves, segments = table
    most = int(curve.max())
    require(most < curves, f"{where}.curve", most, f"0..{curves - 1}")
    require(
        1 << (V_BITS - segment_bits) == segments,
        f"{where}.segment_bits",
        segment_bits,
        f"12 - log2 of the table's {segments} segments",
    )


def partial_max(layer: Layer, rows: int) -> int:
    """Largest magnitude the 32-bit partial sum of any column can reach."""
    weight_of_slices = sum(1 << (j * layer.dac_bits) for j in range(slices(layer.dac_bits)))
    if layer.readout == "adc":
        return layer.tiles(rows) * weight_of_slices << (layer.adc_bits - 1)
    column = int(np.abs(layer.weights.astype(np.int64)).sum(axis=0).max())
    noise = (SIGMA_MAX << 3) * weight_of_slices if layer.sigma_out or layer.var_cell else 0
    return column * INPUT_MAX + noise

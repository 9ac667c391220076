"""Layer: the parameters of one matrix product with its neurons, and their limits."""

from functools import cache
from typing import Annotated, Any, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import (
    ADC_BITS,
    DAC_BITS,
    INPUT_MAX,
    SHIFT_MAX,
    SIGMA_MAX,
    TABLE_BITS_MAX,
    V_BITS,
    IntArray,
    slices,
)
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import require

VECTOR_MAX = 65536


Code = Annotated[int, 0, INPUT_MAX]
Shift = Annotated[int, 0, SHIFT_MAX]
SegmentBits = Annotated[int, 1, V_BITS - 1]
TableBits = Annotated[int, 0, TABLE_BITS_MAX]
Word = Annotated[int, 0, 65535]
Words = Annotated[npt.NDArray[np.uint16], np.uint16, 0, 65535]
"""Types of fields with their limits: smallest and largest value, preceded by the
dtype for an array."""

CURVE_MIN, CURVE_MAX = -(1 << 17), (1 << 17) - 1


@record(kw_only=True)
class Layer:
    """Weights and parameters of one layer, K inputs by M outputs: everything that
    its arithmetic uses.

    ``weights`` int16 (K, M); ``bias`` int32, ``gain`` uint16, ``offset`` int16,
    ``scale`` uint16 and ``curve`` uint16, each (M,). ``sigma_out`` in accumulator LSB;
    ``var_cell`` in Q8.8 code units squared.
    """

    weights: npt.NDArray[np.int16]
    bias: Annotated[npt.NDArray[np.int32], np.int32, -(1 << 31), (1 << 31) - 1]
    gain: Words
    offset: Annotated[npt.NDArray[np.int16], np.int16, -2048, 2047]
    scale: Words
    curve: Words
    readout: str = "adc"
    dac_bits: int = 8
    adc_bits: Annotated[int, ADC_BITS.start, ADC_BITS.stop - 1] = 8
    shift: Shift = 0
    vshift: Shift = 0
    segment_bits: SegmentBits = 7
    table_bits: TableBits = 6
    sigma_out: Annotated[int, 0, SIGMA_MAX] = 0
    var_cell: Word = 0

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])

    def tile_rows(self, rows: int) -> int:
        """Return how many rows add up on a column before readout: at most the array's
        ``rows``, or all rows of the layer with ``analog`` readout."""
        return rows if self.readout == "adc" else self.inputs

    def tiles(self, rows: int) -> int:
        """Return the number T of row tiles on an array of ``rows`` rows."""
        return -(-self.inputs // self.tile_rows(rows))


@cache
def limits(kind: type) -> dict[str, tuple[Any, ...]]:
    """Return the limits that annotate the fields of a dataclass, such as (low,
    high), by field name."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hint.__metadata__ for name, hint in hints.items() if get_origin(hint) is Annotated}


def check_ints(where: str, of: Any, **more: tuple[int, int]) -> None:
    """Raise ProgramError unless every int field of ``of`` with annotated limits is
    within them. ``more``: limits of further fields, by name."""
    ints = {name: limit for name, limit in limits(of.__class__).items() if len(limit) == 2}
    for name, (low, high) in (ints | more).items():
        value = getattr(of, name)
        field = f"{where}.{name}".removeprefix(".")
        require(type(value) is int and low <= value <= high, field, value, f"{low}..{high}")


def check_arrays(where: str, of: Any, shape: tuple[int, ...]) -> None:
    """Raise ProgramError unless every array field with annotated limits is within them
    and has the shape ``shape``."""
    for name, kind in limits(of.__class__).items():
        if len(kind) == 3:
            check_array(f"{where}.{name}", getattr(of, name), shape, kind)


def check_array(where: str, array: Any, shape: tuple[int, ...], kind: tuple[Any, ...]) -> None:
    """Raise ProgramError unless ``array`` has the shape ``shape`` and fits ``kind``
    (dtype, lowest value, highest value)."""
    dtype, low, high = kind
    dtype_name = getattr(array, "dtype", type(array).__name__)
    fits = isinstance(array, np.ndarray) and array.dtype == dtype
    require(fits, f"{where} dtype", dtype_name, str(np.dtype(dtype)))
    require(array.shape == shape, f"{where} shape", array.shape, str(shape))
    lowest, highest = int(array.min()), int(array.max())
    require(low <= lowest and highest <= high, where, f"{lowest}..{highest}", f"{low}..{high}")


def check_layer(where: str, layer: Layer) -> None:
    """Raise ProgramError when a scalar or array of a layer is out of range."""
    shape = layer.weights.shape
    require(layer.weights.ndim == 2 and layer.weights.size > 0, f"{where}.weights shape", shape, "(K, M)")
    require(layer.readout in ("adc", "analog"), f"{where}.readout", layer.readout, "adc or analog")
    check_ints(where, layer, inputs=(1, VECTOR_MAX), outputs=(1, VECTOR_MAX))
    bits = layer.dac_bits
    require(type(bits) is int and bits in DAC_BITS, f"{where}.dac_bits", bits, "1, 2, 4 or 8")
    check_array(f"{where}.weights", layer.weights, shape, (np.int16, -255, 255))
    check_arrays(where, layer, shape[1:])


def check_curves(where: str, curve: IntArray, segment_bits: int, table: tuple[int, ...]) -> None:
    """Raise ProgramError when a curve number or the number of segments does not fit the
    program's table of curves, whose shape ``table`` is (Q, segments)."""
    curves, segments = table
    curve_max = int(curve.max())
    require(curve_max < curves, f"{where}.curve", curve_max, f"0..{curves - 1}")
    fits, accepted = 1 << (V_BITS - segment_bits) == segments, f"12 - log2 of the table's {segments} segments"
    require(fits, f"{where}.segment_bits", segment_bits, accepted)


def partial_max(layer: Layer, rows: int) -> int:
    """Return the largest magnitude that the 32-bit partial sum of any column can reach."""
    weight_of_slices = sum(1 << (j * layer.dac_bits) for j in range(slices(layer.dac_bits)))
    if layer.readout == "adc":
        return layer.tiles(rows) * weight_of_slices << (layer.adc_bits - 1)
    column = int(np.abs(layer.weights.astype(np.int64)).sum(axis=0).max())
    noise = (SIGMA_MAX << 3) * weight_of_slices if layer.sigma_out or layer.var_cell else 0
    return column * INPUT_MAX + noise

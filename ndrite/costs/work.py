"""What one step does in one inference, and what hardware it needs: counts, before any constant."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Device:
    """An NDR neuron's device: peak current, and the mean output 0..1 it was read at."""

    peak_mA: float
    level: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """One step of a program. Counts are of one inference, all its calls; hardware is what is there.

    Attributes
    ----------
    macs:
        Multiplications of weights; two operations each.
    reads:
        Times the arrays are read one after the other (positions, slices, groups).
    drives, dac_bits:
        Conversions of row voltages that are not zero, and their bits.
    analog_drives:
        Rows set by an analog map, without conversion.
    gated_cells:
        Cells whose word line is switched, summed over reads.
    array_uS_V2:
        Sum of conductance times voltage squared over cells and reads, microsiemens volts squared.
    conversions, adc_bits, converts_serially:
        Of the columns' converters, and how many of them one after the other.
    shift_adds, multiplies, tables, compares:
        Digital operations.
    fires, device:
        Neurons read, how many one after the other (``fires_serially``), and what device they have; None:
        no device. ``buffered``: a buffer drives the device and another one reads its current (analog
        readout), else a DAC and a converter.
    cycles:
        Digital clock cycles one after the other that nothing hides.
    moved_bits:
        Read from and written to the memory of maps; wires carry the same.
    arrays, cells, drivers, analog_drivers, converters, adders, multipliers, table_units, comparators,
    neurons, held_bits:
        Hardware: whole arrays, converters of their columns, and so on.
    """

    name: str
    macs: int = 0
    reads: float = 0.0
    drives: float = 0.0
    dac_bits: int = 8
    analog_drives: float = 0.0
    gated_cells: float = 0.0
    array_uS_V2: float = 0.0
    conversions: float = 0.0
    converts_serially: float = 0.0
    adc_bits: float = 8.0
    shift_adds: float = 0.0
    multiplies: float = 0.0
    tables: float = 0.0
    compares: float = 0.0
    fires: float = 0.0
    fires_serially: float = 0.0
    device: Device | None = None
    buffered: bool = False
    cycles: float = 0.0
    moved_bits: float = 0.0
    arrays: int = 0
    cells: int = 0
    drivers: int = 0
    analog_drivers: int = 0
    converters: int = 0
    adders: int = 0
    multipliers: int = 0
    table_units: int = 0
    comparators: int = 0
    neurons: int = 0
    held_bits: int = 0

    def times(self, factor: float) -> Work:
        """The same hardware used ``factor`` times as often."""
        counts = {field.name for field in dataclasses.fields(self)} - HARDWARE - QUALITIES
        done = {name: factor * getattr(self, name) for name in counts}
        return dataclasses.replace(self, **{**done, "macs": round(done["macs"])})


HARDWARE = frozenset(
    "arrays cells drivers analog_drivers converters adders multipliers table_units comparators neurons "
    "held_bits".split()
)
"""What is there, however often it is used."""
QUALITIES = frozenset("name dac_bits adc_bits device buffered".split())
"""What no count is."""

"""Measurements as they come: rows under a header, in a file."""

from pathlib import Path
from typing import Any

from emulator.device.fitting import Measurements, read_measurements
from emulator.device.measurements import UNITS


def measured(folder: Path, header: str, *columns: Any) -> Measurements:
    """Written and read back; ``header`` names quantity and unit of each column, and the device perhaps."""
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    (folder / "measured.csv").write_text("\n".join([header, *rows]) + "\n")
    quantities = [name.split("_")[0] for name in header.split(",")]
    return read_measurements(folder / "measured.csv", [name for name in quantities if name in UNITS])

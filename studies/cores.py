"""Cores of published chips put through the account of costs, beside what was measured on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emulator.yaml_file import read_yaml
from ndrite.costs.account import MODELLED, UM2_PER_MM2, Account, account, ranged
from ndrite.costs.constants import Constants, CostError
from ndrite.costs.work import Work

CHIPS = Path(__file__).parent / "cores.yaml"


def chips() -> dict[str, Any]:
    """Descriptions by name."""
    found: dict[str, Any] = read_yaml(CHIPS, CostError)
    return found


def work_of(chip: dict[str, Any], point: dict[str, Any]) -> Work:
    """One product of a whole core: ``level`` is the mean square of a row's drive, relative to full scale."""
    rows, columns, planes = chip["rows"], chip["columns"], point["planes"]
    # The planes add before the converter, where the point does not say how often a column is converted.
    conversions = columns * (
        planes * point["conversions_per_column"] if "conversions_per_column" in point else 1
    )
    return Work(
        name=point["name"],
        macs=chip["macs"],
        reads=planes,
        drives=rows * planes * point["level"],
        dac_bits=chip["driver_bits"],
        gated_cells=rows * columns * planes,
        array_uS_V2=rows * columns * planes * chip["mean_uS"] * point["level"] * chip["read_V"] ** 2,
        conversions=conversions,
        adc_bits=point["adc_bits"],
        shift_adds=conversions if planes > 1 and conversions > columns else 0,
        arrays=1,
        cells=rows * columns * chip["cells_per_place"],
        drivers=rows,
        converters=columns * point.get("conversions_per_column", 1),
        adders=columns,
    )


def account_of_point(chip: dict[str, Any], point: dict[str, Any], constants: Constants) -> Account:
    """The account of one published point, at the chip's node and read time."""
    here = constants.on(chip["node_nm"]).with_values(read_ns=chip["read_ns"])
    found = [work_of(chip, point)]
    if "second_adc_bits" in point:
        again = Work(name="second phase", conversions=chip["columns"], adc_bits=point["second_adc_bits"])
        found.append(again)
    return account(found, here, name=chip["title"], chip=point["name"])


def compare(name: str, point: int, constants: Constants) -> dict[str, Any]:
    """One point: published and modelled TOPS/W and area of a core, and what the energy is made of."""
    chip = chips()[name]
    entry = chip["points"][point]
    found = account_of_point(chip, entry, constants)
    modelled = found.tops_per_W
    parts = found.by_component()
    total = found.total.energy_pJ[1]
    return {
        "basis": MODELLED,
        "chip": chip["title"],
        "point": entry["name"],
        "node_nm": chip["node_nm"],
        "published_tops_per_W": entry["tops_per_W"],
        "tops_per_W": ranged(modelled),
        "factor": float(modelled[1] / entry["tops_per_W"]),
        "inside": bool(modelled[0] <= entry["tops_per_W"] <= modelled[2]),
        "published_core_mm2": chip["core_mm2"]["value"],
        "core_mm2": ranged(found.total.area_um2 / UM2_PER_MM2),
        "shares": {c: float(np.round(v.energy_pJ[1] / total, 4)) for c, v in parts.items()},
    }

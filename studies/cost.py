"""Cores of published chips put through the account of costs, beside what was measured on them.

Nothing is measured here; published figures are, by those who published them.
"""

from typing import Any

import numpy as np

from ndrite.costs.account import UM2_PER_MM2, Account
from ndrite.costs.constants import ACCOUNTINGS, Constants, load_constants
from ndrite.costs.parts import MODELLED, Use, Work, ranged
from studies import table
from studies.published import Found
from studies.runs import Row, Runs, described

CORES: dict[str, Any] = described("cores")
"""Descriptions of published cores by name."""


def work_of(core: dict[str, Any], point: dict[str, Any]) -> Work:
    """Return the work of one matrix product by a whole core (an array with its
    converters). A design point's ``level`` is the mean square of a row's input voltage,
    relative to full scale."""
    rows, columns, planes = core["rows"], core["columns"], point["planes"]
    # The input's bit planes are added before the converter, unless the design point
    # states conversions per column.
    per_column = point.get("conversions_per_column", 1)
    conversions = columns * per_column * (planes if "conversions_per_column" in point else 1)
    power = rows * columns * planes * core["mean_uS"] * point["level"] * core["read_V"] ** 2
    adds = conversions if planes > 1 and conversions > columns else 0
    uses = (
        Use("row DAC", rows * planes * point["level"], there=rows, of=(core["driver_bits"],)),
        Use("word line", rows * columns * planes),
        Use("cell", power, planes, rows * columns * core["cells_per_place"]),
        Use("converter", conversions, there=columns * per_column, of=(point["adc_bits"],)),
        Use("shift-add", adds, there=columns),
        Use("bus bit", there=1),
    )
    return Work(point["name"], core["macs"], uses)


def account_of_point(core: dict[str, Any], point: dict[str, Any], constants: Constants) -> Account:
    """Return the modelled cost of one published design point, at the chip's technology
    node and read time."""
    of_core = constants.on(core["node_nm"]).with_values(read_ns=core["read_ns"])
    all_work = [work_of(core, point)]
    if "second_adc_bits" in point:
        second = Use("converter", core["columns"], of=(point["second_adc_bits"],))
        all_work.append(Work("second phase", uses=(second,)))
    return Account(tuple(all_work), of_core, name=core["title"], chip=point["name"])


def compare(core: dict[str, Any], point: dict[str, Any], constants: Constants) -> Row:
    """Compare the published TOPS/W and core area of a design point with the modelled
    ones; also return the share of each component in the energy."""
    account = account_of_point(core, point, constants)
    modelled, total = account.tops_per_W, account.total
    shares = {
        c: float(np.round(v.energy_pJ[1] / total.energy_pJ[1], 4)) for c, v in account.by_component().items()
    }
    return {
        "basis": MODELLED,
        "chip": core["title"],
        "point": point["name"],
        "node_nm": core["node_nm"],
        "published_tops_per_W": point["tops_per_W"],
        "tops_per_W": ranged(modelled),
        "factor": float(modelled[1] / point["tops_per_W"]),
        "inside": bool(modelled[0] <= point["tops_per_W"] <= modelled[2]),
        "published_core_mm2": core["core_mm2"]["value"],
        "core_mm2": ranged(total.area_um2 / UM2_PER_MM2),
        "shares": shares,
    }


def run(name: str, point: int, seed: int) -> Row:
    """Return the comparison of one published design point with the cost model."""
    return compare(CORES[name], CORES[name]["points"][point], load_constants())


def found(of: Runs) -> dict[str, Found]:
    """Return the modelled range of TOPS/W for each design point."""
    return {r["point"]: Found(*(r["tops_per_W"][a] for a in ("typical", "low", "high"))) for r in of}


def said(value: dict[str, float], unit: float = 1.0) -> str:
    """Format the range of a modelled value as ``typical (low .. high)``."""
    low, typical, high = (f"{unit * value[a]:.3g}" for a in ACCOUNTINGS)
    return f"{typical} ({low} .. {high})"


def tables(of: Runs) -> list[table.Table]:
    """Return a table of published and modelled figures, and a table of the components
    with at least half a percent of the energy."""
    columns = {
        "TOPS/W published": lambda r: f"{r['published_tops_per_W']:.3g}",
        "modelled typical (low .. high)": lambda r: said(r["tops_per_W"]),
        "modelled / published": lambda r: f"{r['factor']:.2f}",
        "inside the range": lambda r: "yes" if r["inside"] else "no",
        "core mm2": lambda r: f"{r['published_core_mm2']:.3g}",
        "core mm2, modelled": lambda r: said(r["core_mm2"]),
        "energy, modelled": lambda r: ", ".join(f"{c} {s:.0%}" for c, s in r["shares"].items() if s >= 0.005),
    }
    title = "published chips and the account of them, modelled"
    return [table.table(title, ("chip", "point"), {(r["chip"], r["point"]): r for r in of}, columns)]

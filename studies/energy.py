"""TOPS/W of a published chip's core beside the account of costs; nothing is measured here."""

from __future__ import annotations

from typing import Any

from ndrite.costs import ACCOUNTINGS, load_constants
from studies import table
from studies.cores import chips, compare
from studies.published import Found
from studies.runs import Runs

OVER = "no interval of a sample: the range of the account's constants, low to high"


def grid(smoke: bool, name: str) -> Runs:
    """Every point of the chip that the study is called after."""
    chip = name.removesuffix("-energy")
    return [{"chip": chip, "number": i} for i in range(len(chips()[chip]["points"]))]


def run(chip: str, number: int) -> dict[str, Any]:
    """One point's account."""
    return {**compare(chip, number, load_constants()), "chip": chip}


def found(of: Runs) -> dict[str, Found]:
    """The modelled ranges."""
    return {
        r["point"]: Found(r["tops_per_W"]["typical"], r["tops_per_W"]["low"], r["tops_per_W"]["high"])
        for r in of
    }


def tables(of: Runs) -> list[table.Table]:
    """What the energy is made of."""
    columns = {
        "modelled / published": lambda r: f"{r['factor']:.2f}",
        "energy by component, modelled": shares,
    }
    return [table.table("the account", ("point",), {(r["point"],): r for r in of}, columns)]


def shares(r: dict[str, Any]) -> str:
    """Components that take half a percent or more."""
    return ", ".join(f"{c} {s:.0%}" for c, s in r["shares"].items() if s >= 0.005)


def ranged(value: dict[str, float], unit: float = 1.0) -> str:
    """Typical (low .. high)."""
    low, typical, high = (f"{unit * value[a]:.3g}" for a in ACCOUNTINGS)
    return f"{typical} ({low} .. {high})"

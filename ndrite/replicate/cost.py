"""What a replicated network costs on its die, as columns of tables."""

from __future__ import annotations

from typing import Any

from ndrite.costs import ACCOUNTINGS, Account

HEADER = ("energy, nJ (modelled)", "TOPS/W (modelled)")


def cost_of(chip: Any, x: Any) -> dict[str, Any]:
    """Of one sample through a module that ``ndrite.analog`` made, mean over ``x``."""
    from ndrite.tiles import cost_of as account_of

    return plain(account_of(chip, x))


def plain(account: Account) -> dict[str, Any]:
    """What tables show of an account."""
    found = account.as_dict()
    return {
        "basis": found["basis"],
        "node_nm": found["node_nm"],
        "energy_pJ": found["total"]["energy_pJ"],
        "tops_per_W": {a: found["tops_per_W"][a] for a in ACCOUNTINGS},
    }


def cells(cost: dict[str, Any]) -> tuple[str, str]:
    """The columns of ``HEADER``; typical (low .. high)."""
    return _ranged(cost["energy_pJ"], 1e-3), _ranged(cost["tops_per_W"])


def _ranged(value: dict[str, float], unit: float = 1.0) -> str:
    low, typical, high = (f"{unit * value[a]:.3g}" for a in ACCOUNTINGS)
    return f"{typical} ({low} .. {high})"

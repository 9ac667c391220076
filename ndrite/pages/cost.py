"""The page's section on what an inference costs."""

from __future__ import annotations

from emulator.spec.notebook import table, text
from ndrite.costs import COMPONENTS, MODELLED, Account, Cost
from ndrite.costs.constants import Triple


def cost_section(account: Account) -> str:
    """Energy, latency and area by component, every line called modelled."""
    total = account.total
    rows = [_row(c, what, account.by_component()[c], total) for c, what in COMPONENTS.items()]
    rows.append(_row("all", "", total, total))
    head = ("component", "energy, nJ", "share", "latency, us", "area, mm2", "basis", "what")
    words = (
        f"One inference, {MODELLED}, typical (low .. high), at {account.node_nm:g} nm, counted on "
        f"{account.samples} inputs and this die's conductances: {_ranged(account.tops_per_W)} TOPS/W at two "
        "operations a MAC. Constants and sources: ndrite cost --show."
    )
    return f"<p>{text(words)}</p>{table(head, rows)}"


def _row(name: str, what: str, cost: Cost, total: Cost) -> tuple[str, ...]:
    share = cost.energy_pJ[1] / total.energy_pJ[1] if total.energy_pJ[1] else 0.0
    return (
        name,
        _ranged(cost.energy_pJ, 1e-3),
        f"{share:.1%}",
        _ranged(cost.latency_ns, 1e-3),
        _ranged(cost.area_um2, 1e-6),
        MODELLED,
        what,
    )


def _ranged(value: Triple, unit: float = 1.0) -> str:
    low, typical, high = (f"{unit * float(v):.3g}" for v in value)
    return f"{typical} ({low} .. {high})"

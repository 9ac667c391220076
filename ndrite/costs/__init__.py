"""What a chip costs, modelled: energy, latency and area of one inference, by component."""

from ndrite.costs.account import Account, account_of
from ndrite.costs.constants import ACCOUNTINGS, CONSTANTS, Constants, CostError, load_constants
from ndrite.costs.parts import COMPONENTS, MODELLED, Cost

__all__ = [
    "ACCOUNTINGS",
    "COMPONENTS",
    "CONSTANTS",
    "MODELLED",
    "Account",
    "Constants",
    "Cost",
    "CostError",
    "account_of",
    "load_constants",
]

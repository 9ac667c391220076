"""What a chip costs, modelled: energy, latency and area of one inference, by component."""

from ndrite.cost.account import MODELLED, Account, account_of
from ndrite.cost.constants import ACCOUNTINGS, CONSTANTS, Constants, CostError, load_constants
from ndrite.cost.parts import COMPONENTS, Cost

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

"""Any PyTorch module with its static products on the tiles of a die, and everything else in PyTorch.

``analog`` is what users call; ``cost_of`` says what it costs, ``explain_module`` what is lost, ``place`` what
to keep digital. Needs ``ndrite[train]``.
"""

from ndrite.tiles.convert import analog
from ndrite.tiles.cost import cost_of
from ndrite.tiles.loss import ModuleLoss, Placed, explain_module, place
from ndrite.tiles.placement import Placement, Row, Table

__all__ = [
    "ModuleLoss",
    "Placed",
    "Placement",
    "Row",
    "Table",
    "analog",
    "cost_of",
    "explain_module",
    "place",
]

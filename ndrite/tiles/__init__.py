"""Any PyTorch module with its matrix products by constant weights on the tiles of a
die, and everything else in PyTorch.

``analog`` is what users call; ``cost_of`` says what it costs. ``explain_module`` (what
is lost) and ``place_products`` (what to keep digital) are behind ``ndrite.explain`` and
``ndrite.place``, ``cost_of_module`` behind ``ndrite.cost``. Needs ``ndrite[train]``.
"""

from ndrite.tiles.assessment import Assessment
from ndrite.tiles.convert import analog
from ndrite.tiles.cost import cost_of, cost_of_module, cost_on
from ndrite.tiles.digital import place_products
from ndrite.tiles.loss import explain_module
from ndrite.tiles.placement import Placement, Row, Table
from ndrite.tiles.source import source_of

__all__ = [
    "Assessment",
    "Placement",
    "Row",
    "Table",
    "analog",
    "cost_of",
    "cost_of_module",
    "cost_on",
    "explain_module",
    "place_products",
    "source_of",
]

"""Any PyTorch module with its static products on the tiles of a die, and everything else in PyTorch.

``analog`` is what users call, and ``cost_of`` what that costs; needs ``ndrite[train]``.
"""

from ndrite.tiles.convert import analog
from ndrite.tiles.cost import cost_of
from ndrite.tiles.placement import Placement, Row, Table

__all__ = ["Placement", "Row", "Table", "analog", "cost_of"]

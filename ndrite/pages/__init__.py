"""One self-contained page about one program, or two beside each other.

It shows chip, network, accuracy, errors, curves, cells, tiles, cycles, cost and board.

Imports matplotlib (when drawing), ndrite and what it composes.
"""

from ndrite.pages.page import page, title
from ndrite.pages.run import Report, gather

__all__ = ["Report", "gather", "page", "title"]

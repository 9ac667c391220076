"""One self-contained page about one program: chip, network, accuracy, errors, curves, cells, cycles,
board.

Imports matplotlib (when drawing), ndrite and what it composes.
"""

from ndrite.pages.files import run_files
from ndrite.pages.page import page
from ndrite.pages.run import Report, gather

__all__ = ["Report", "gather", "page", "run_files"]

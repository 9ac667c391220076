"""One self-contained page about one program: chip, network, accuracy, errors, curves, cells, cycles,
board.

Imports matplotlib (when drawing), ndrite and what it composes.
"""

from ndrite.report.files import RunFiles, run_files
from ndrite.report.page import page
from ndrite.report.run import Report, gather

__all__ = ["Report", "RunFiles", "gather", "page", "run_files"]

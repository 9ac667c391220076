"""Bringing up a board: bitstream, link, memories, arithmetic, noise and speed, and one report of it all.

Imports boards, host and emulator, and the checks of ``ndrite.selftest``.
"""

from ndrite.bringup.report import Report, markdown
from ndrite.bringup.run import stages_of

__all__ = ["Report", "markdown", "stages_of"]

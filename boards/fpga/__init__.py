"""FPGA boards: pins, geometry and clock of each, the flow to a bitstream, and the
reports of past builds.

Imports hdl, ndrite.emulator.spec and the standard library; Amaranth and the tools only
where they are used.
"""

from ndrite.boards.fpga.registry import TARGETS, find_target

__all__ = ["TARGETS", "find_target"]

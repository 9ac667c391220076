"""The card: part, geometry, clock, and where its reports lie."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from boards.fpga.ecp5_arrays import LARGE

REPORTS = Path(__file__).with_name("reports")
PART = "xc7a200tsbg484-2"
"""An XC7A200T, as on M.2 cards of the LiteFury and NiteFury kind; the XC7A100T has the same hard block."""
USER_CLOCK_MHZ = 62.5
"""The hard block's user clock at gen1 or gen2 x1 with 64-bit streams; the whole gateware runs on it."""
GEOMETRY = dataclasses.replace(LARGE, name="pcie-card", redraw=0)
"""64 lanes without virtual chips: their buffers and the DMA's do not both fit the ECP5 of ``area``."""

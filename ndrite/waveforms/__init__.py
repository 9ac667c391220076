"""Waveforms of one inference in the compiled RTL, and what each block did when.

Imports boards.sim, host, emulator.golden and emulator.spec only.
"""

from ndrite.waveforms.lists import write_lists
from ndrite.waveforms.run import Trace, on_array, product_on_array, trace_inference, traced
from ndrite.waveforms.signals import SIGNALS, Signal
from ndrite.waveforms.vcd import read_activity

__all__ = [
    "SIGNALS",
    "Signal",
    "Trace",
    "on_array",
    "product_on_array",
    "read_activity",
    "trace_inference",
    "traced",
    "write_lists",
]

"""The core for the smallest FPGAs: one multiplier and one shifter do the work of
readout and neurons, step by step.

Same ports, memory map and arithmetic as ``ndrite.hdl.core``.
"""

"""The core for the smallest parts: one multiplier and one shifter do readout and neurons, step by step.

Same ports, memory map and arithmetic as ``ndrite.hdl.core``.
"""

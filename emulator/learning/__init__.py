"""Learning: networks in training through a chip's errors, and programmed chips tuned by pulses.

Imports emulator below it; torch in ``training`` only, lazily.
"""

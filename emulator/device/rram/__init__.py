"""RRAM cells side by side: programming, drift, faults, their description, and the fit of measured ones.

Imports NumPy, SciPy and emulator.{spec,errors} and emulator.device below it only.
"""

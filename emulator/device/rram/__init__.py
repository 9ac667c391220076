"""RRAM cells side by side: programming, drift, faults, their description, and the fit of measured ones.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

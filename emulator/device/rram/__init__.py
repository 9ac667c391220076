"""RRAM cells: programming, drift, faults, their description, and the fit of measured cells.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

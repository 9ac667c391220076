"""NDR neurons: curves, what an ECRAM tunes, description, tables of pieces, and the fit of measured ones.

Imports NumPy, SciPy and emulator.{spec,errors} and emulator.device below it only.
"""

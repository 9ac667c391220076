"""NDR neurons: curves, what an ECRAM tunes, description, tables of pieces, and the fit of measured ones.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

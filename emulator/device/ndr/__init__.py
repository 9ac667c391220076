"""NDR neurons: device curves, their circuit and description, piecewise-linear tables,
and the fit of measured devices.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

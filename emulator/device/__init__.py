"""Device physics in floating point and SI units (conductances in microsiemens): NDR,
RRAM, ECRAM and crossbar.

Imports NumPy, SciPy and ndrite.emulator.errors only.
"""

"""ECRAM synapses: how pulses change a state, the description section, and the fit of
measured devices.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

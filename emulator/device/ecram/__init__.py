"""ECRAM synapses: how pulses move a state, their description, and the fit of measured ones.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

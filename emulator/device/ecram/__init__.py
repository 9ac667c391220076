"""ECRAM synapses: how pulses move a state, their description, and the fit of measured ones.

Imports NumPy, SciPy and emulator.{spec,errors} and emulator.device below it only.
"""

"""Learning: networks trained with a chip's errors, programmed chips tuned by pulses,
and learning in situ.

Imports emulator below it; torch in ``training`` only, lazily.
"""

"""The crossbar as a circuit: wires, access transistors, cells with a curved I-V.

Imports NumPy, SciPy and emulator.{spec,errors} and emulator.device below it only.
"""

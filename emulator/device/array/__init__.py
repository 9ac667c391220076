"""The crossbar as a circuit: wires, access transistors, cells with a curved I-V.

Imports NumPy, SciPy and ndrite.emulator.{spec,errors} and ndrite.emulator.device below it only.
"""

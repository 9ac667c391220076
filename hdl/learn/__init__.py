"""Learning: forward, backward and every device's pulses, block by block as ``ndrite.emulator.golden.learn``.

Imports ndrite.hdl.parts, ndrite.hdl.noise and ndrite.hdl.readout.
"""

"""Learning: forward, backward and every device's pulses, block by block as ``emulator.golden.learn``.

Imports hdl.parts, hdl.noise and hdl.readout.
"""

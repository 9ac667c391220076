"""The learning core: forward pass, backward pass and the pulses of every device, block
by block as in ``ndrite.emulator.golden.learn``.

Imports ndrite.hdl.parts, ndrite.hdl.noise and ndrite.hdl.readout.
"""

"""Laws of what time, cycles and temperature do to measured devices: fits with
intervals, misfit and noise.

Imports the devices' own folders and ``ndrite.emulator.device.measurements`` only.
"""

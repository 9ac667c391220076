"""What time, cycles and temperature do to measured devices: laws, intervals, misfit and noise apart.

Imports the devices' own folders and ``ndrite.emulator.device.measurements`` only.
"""

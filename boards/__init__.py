"""Boards: pins, geometry presets and builds, the RTL compiled for this machine, the golden board.

Imports emulator, hdl and host; never ndrite.
"""

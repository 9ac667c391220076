"""Boards: pins, geometry presets and builds, the RTL compiled for this machine, the
golden board, self tests.

Imports emulator, hdl and host; never ndrite.
"""

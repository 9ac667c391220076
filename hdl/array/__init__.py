"""The crossbar: lanes in groups, each with its cells and an accumulator, and the bus's way to the cells.

Imports Amaranth, ndrite.emulator.spec and ndrite.hdl.parts only.
"""

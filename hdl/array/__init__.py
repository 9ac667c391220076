"""The crossbar: lanes in groups, each with its cells and an accumulator, and the bus
access to the cells.

Imports Amaranth, ndrite.emulator.spec and ndrite.hdl.parts only.
"""

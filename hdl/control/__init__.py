"""The walk over layers, tiles and slices (sequencer), and over rows that are not zero (scanner, emitter).

Imports Amaranth, ndrite.emulator.spec and ndrite.hdl.parts only.
"""

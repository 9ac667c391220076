"""Control of an inference: the order of its layers, tiles and slices (sequencer), and
of the rows that are not zero (scanner, emitter).

Imports Amaranth, ndrite.emulator.spec and ndrite.hdl.parts only.
"""

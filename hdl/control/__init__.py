"""Control of an inference: the order of layers, tiles and slices (sequencer), and of rows that are not zero
(scanner, emitter).

Imports Amaranth, ndrite.emulator.spec and ndrite.hdl.parts only.
"""

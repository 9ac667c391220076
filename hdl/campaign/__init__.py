"""Virtual chips one after the other: their cells drawn, samples run through each, votes counted.

Imports Amaranth, emulator.spec, hdl.parts, hdl.array, hdl.noise and hdl.neuron only.
"""

"""The converters: columns taken from the array P a cycle, noise added, scaled, clipped and summed over tiles.

Imports Amaranth, emulator.spec, hdl.parts, hdl.array and hdl.noise only.
"""

"""Read noise: Gaussian samples from counters, the scale of each pass, and three orders to make them in.

Imports Amaranth, emulator.spec and hdl.parts only.
"""

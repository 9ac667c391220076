"""The gateware, in Amaranth: one component per block of the golden model, plus link, bus and top.

Imports Amaranth and emulator.spec only; never host, boards, ndrite or the rest of emulator.
"""

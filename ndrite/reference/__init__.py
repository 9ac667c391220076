"""Reference pages written from the tables that gateware and driver are made of.

Imports emulator.spec only.
"""

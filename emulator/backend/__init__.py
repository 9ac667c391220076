"""The back end of the compiler: lowers a program for a geometry, cuts it into segments,
and assigns its memory addresses.

Boards call it; gateware and host know what it makes (records, descriptors, sections:
``ndrite.emulator.spec``) and never it. Imports ndrite.emulator.spec and NumPy only.
"""

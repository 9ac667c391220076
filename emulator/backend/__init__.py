"""The back end: a program for a geometry. Lowered, cut into segments, placed and laid out.

Boards call it; gateware and host know what it makes (records, descriptors, sections:
``ndrite.emulator.spec``) and never it. Imports ndrite.emulator.spec and NumPy only.
"""

"""Everything a board holds but its pins: core, registers, watchdog and bus, and the link before them.

Imports Amaranth, emulator.spec, hdl.parts, hdl.link, hdl.campaign, hdl.core and hdl.small only.
"""

"""One emulated chip, the blocks put together, and the ports that any core has.

Imports Amaranth, emulator.spec and what lies below: hdl.campaign, hdl.control and their steps.
"""

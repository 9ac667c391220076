"""Everything on a board except its pins: core, registers, watchdog, bus, and the link
in front of them."""

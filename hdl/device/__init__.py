"""Everything a board holds but its pins: core, registers, watchdog and bus, and the link before them."""

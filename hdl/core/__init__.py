"""One emulated chip, the blocks put together, and the ports that any core has."""

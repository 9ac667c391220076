"""One emulated chip, made of the other blocks, and the ports that every core has."""

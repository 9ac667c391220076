"""Bringing up a board: bitstream, link, memories, arithmetic, noise and speed, and one report of it all."""

"""Self test of a board: registers, memories and random networks against the golden model.

Imports boards, host and emulator.
"""

from ndrite.selftest.run import Check, checks_of, networks_of

__all__ = ["Check", "checks_of", "networks_of"]

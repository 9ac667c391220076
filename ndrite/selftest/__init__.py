"""Self test of a board: registers, memories and random networks against the golden model.

Imports boards, host and emulator.
"""

from ndrite.selftest.run import Check, networks_of, selftest

__all__ = ["Check", "networks_of", "selftest"]

"""The reference is of the tables that gateware and driver are made from."""

from __future__ import annotations

from emulator.spec.reference import reference
from emulator.spec.registers import REGISTERS


def test_every_register_is_described() -> None:
    text = reference()
    for register in REGISTERS:
        assert f"`{register.name}`" in text
        assert register.text.replace("|", "\\|") in text

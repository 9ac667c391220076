"""A program on a die whose neurons are tuned: the program at any ECRAM states, its weights untouched."""

import dataclasses
from collections.abc import Sequence

from emulator.device.ndr.tuning import CURRENT, SHAPES, VOLTAGE
from emulator.errors import CompileError, require
from emulator.mapping import Die, program_of
from emulator.mapping.states import States
from emulator.spec import Program
from emulator.spec.arrays import Floats


class Tunable:
    """A program on a die whose neurons can be tuned; ``program(states)`` is the program at other states.

    ``layers`` are numbers of the die's parts: of products with ECRAM at their neurons, then of tables with
    ECRAM at their devices, as bases have. Every such neuron or function gets a curve of its own. Raises
    CompileError when the die has no neuron and no basis with ECRAM.
    """

    def __init__(self, program: Program, die: Die) -> None:
        self.base, self.die, self.chip = program, die, die.chip
        ecram, what = self.chip.ecram, f"ecram.tunes of chip {self.chip.name!r}"
        some = "a chip with an ECRAM at its neurons, such as dendritic-ndr or wan2022+ecram-tang2018"
        tunes = ecram.device is not None and ecram.tunes != "none"
        require(tunes, what, repr(ecram.tunes), some, CompileError)
        if ecram.tunes in SHAPES:
            raise CompileError(
                f"{what} is {ecram.tunes!r}; accepted for pulses in the loop: peak voltages and currents"
            )
        self.layers = tuple(i for i, states in enumerate(die.states) if states is not None)
        if not self.layers:
            raise CompileError(
                f"program {program.name!r} has no NDR neurons or bases; accepted: one of a network "
                "with NDR neurons or bases"
            )

    @property
    def states(self) -> list[States]:
        """States of the die that was given, layer by layer."""
        return [states for states in self.die.states if states is not None]

    def die_at(self, states: Sequence[States]) -> Die:
        """The die with its ECRAMs at ``states``, layer by layer."""
        moved = dict(zip(self.layers, states, strict=True))
        return self.die.tuned([moved.get(i) for i in range(len(self.die.parts))])

    def program(self, states: Sequence[States]) -> Program:
        """The program at ``states``; weights, biases and gains are the same. Raises CompileError when there
        are more curves than a program can hold, or one does not fit the table."""
        return program_of(self.die_at(states), self.base)


def moved(tunes: str, states: States, which: str, to: Floats) -> States:
    """``states`` with one kind of ECRAM at ``to`` (M,); where one device sets both, both move."""
    if tunes == "both":
        return dataclasses.replace(states, voltage=to, current=to)
    return dataclasses.replace(states, **{which: to})


def kinds(tunes: str) -> tuple[str, ...]:
    """The ECRAMs a neuron has: of ``voltage`` and ``current``, one name where one device sets both."""
    if tunes == "both":
        return ("current",)
    return tuple(name for name, where in (("voltage", VOLTAGE), ("current", CURRENT)) if tunes in where)

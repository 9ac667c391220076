"""Tuning of neurons on a programmed die: ECRAMs changed by pulses alone, and the
program for any of their states."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ndrite.emulator.device.description import Ecram
from ndrite.emulator.device.ecram.pulses import LinearStep
from ndrite.emulator.device.ndr.curves import CURRENT, SHAPES, VOLTAGE
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.mapping import Die, program_of
from ndrite.emulator.mapping.curves import States
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Bools, Floats, Ints


class EcramBank:
    """A bank of ``len(states)`` ECRAM devices of one chip description, each sampled
    with the described spread between devices.

    ``ecram``: the description; its model is not ``none``. ``states``: where the devices
    are, float64 (n,) in 0..1 of the nominal range. ``rng``: draws the devices, then the
    noise of every pulse.
    """

    def __init__(self, ecram: Ecram, states: Floats, rng: np.random.Generator) -> None:
        nominal = ecram.device
        assert nominal is not None
        self.nominal, self._model, self._rng = nominal, nominal, rng
        self._span = nominal.high - nominal.low
        if isinstance(nominal, LinearStep):
            self._model = nominal.population(ecram.spread, len(states), rng)
        self._w = np.clip(self._at(np.asarray(states, np.float64)), self._model.low, self._model.high)
        self.pulses = np.zeros(len(states), np.int64)
        """Number of pulses that each device has received."""

    @property
    def states(self) -> Floats:
        """States (n,) of the devices as a read of their channels shows them, 0..1 of
        the nominal range."""
        return np.asarray(np.clip((self._w - self.nominal.low) / self._span, 0.0, 1.0), np.float64)

    def _at(self, states: Floats) -> Floats:
        return self.nominal.low + states * self._span

    def step_sizes(self, up: Bools) -> Floats:
        """Return the change of state (n,), above 0, that the next pulse up (or down)
        would cause in a nominal device at the present states."""
        w = self._at(self.states)
        moved = np.where(up, self.nominal.pulse(w, True), self.nominal.pulse(w, False))
        return np.asarray(np.abs(moved - w) / self._span, np.float64)

    def pulse(self, counts: Ints) -> None:
        """Apply ``counts`` pulses, int64 (n,): positive counts are pulses up, negative
        ones pulses down."""
        for i in range(int(np.abs(counts).max(initial=0))):
            up = self._model.pulse(self._w, True, self._rng)
            down = self._model.pulse(self._w, False, self._rng)
            self._w = np.where(counts > i, up, np.where(-counts > i, down, self._w))
        self.pulses += np.abs(counts)

    def toward(self, change: Floats, limit: int) -> Ints:
        """Return the pulse counts (n,) that would change the states by ``change`` (n,),
        according to the nominal law at the present states.

        The fraction of a pulse is rounded up or down at random, so that small changes
        add up; no device gets more than ``limit``.
        """
        size = np.maximum(self.step_sizes(change > 0), 1e-9)
        states_change = np.clip(change / size, -limit, limit)
        return np.asarray(np.floor(states_change + self._rng.random(len(states_change))), np.int64).clip(
            -limit, limit
        )


class Tunable:
    """A program on a die with ECRAMs at its neurons, which can be tuned.
    ``program(states)`` returns the program with the ECRAMs at other states.

    ``layers`` are numbers of the die's parts: of products with ECRAM at their neurons,
    then of tables with ECRAM at their devices, as bases have. Every such neuron or
    function gets a curve of its own. Raises CompileError when the die has no neuron and
    no basis with ECRAM.
    """

    def __init__(self, program: Program, die: Die) -> None:
        self.base, self.die, self.chip = program, die, die.chip
        ecram, field = self.chip.ecram, f"ecram.tunes of chip {self.chip.name!r}"
        some = "a chip with an ECRAM at its neurons, such as dendritic-ndr or wan2022+ecram-tang2018"
        tunes = ecram.device is not None and ecram.tunes != "none"
        require(tunes, field, repr(ecram.tunes), some, CompileError)
        if ecram.tunes in SHAPES:
            raise CompileError(
                f"{field} is {ecram.tunes!r}; accepted for tuning by pulses: peak_voltage, peak_current, "
                f"each, both"
            )
        self.layers = tuple(i for i, states in enumerate(die.states) if states is not None)
        if not self.layers:
            raise CompileError(
                f"program {program.name!r} has no NDR neurons or bases; accepted: one of a network "
                "with NDR neurons or bases"
            )

    @property
    def states(self) -> list[States]:
        """The ECRAM states of the die as it was passed in, one entry for each tunable layer."""
        return [states for states in self.die.states if states is not None]

    def die_at(self, states: Sequence[States]) -> Die:
        """Return the die with its ECRAMs at ``states``, which has one entry for
        each tunable layer."""
        moved = dict(zip(self.layers, states, strict=True))
        return self.die.tuned([moved.get(i) for i in range(len(self.die.parts))])

    def program(self, states: Sequence[States]) -> Program:
        """Return the program with the ECRAMs at ``states``; weights, biases and gains
        stay the same. Raises CompileError when there are more curves than a program can
        hold, or a curve does not fit the table."""
        return program_of(self.die_at(states), self.base)


def moved(tunes: str, states: States, which: str, to: Floats) -> States:
    """Return the ECRAM states ``states`` with one kind of state, ``which``, replaced by
    ``to`` (M,). If one device sets both voltage and current, both are replaced."""
    if tunes == "both":
        return dataclasses.replace(states, voltage=to, current=to)
    return dataclasses.replace(states, **{which: to})


def kinds(tunes: str) -> tuple[str, ...]:
    """Return the kinds of ECRAM that a neuron has, ``voltage`` and ``current``; only
    ``current`` if one device sets both."""
    if tunes == "both":
        return ("current",)
    return tuple(name for name, where in (("voltage", VOLTAGE), ("current", CURRENT)) if tunes in where)

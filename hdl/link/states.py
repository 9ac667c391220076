"""states: a state machine with one register per state."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from amaranth import Module, Signal
from amaranth.hdl import Value


class States:
    """State machine with one-hot encoding: one register per state; reset
    enters the first state.

    Logic of a state depends on that one register, not on a decoder of the state's
    number: on ECP5 this saves some 2 ns before every decision. Amaranth's own
    machine numbers its states, and Yosys, which could recode them, skips registers
    with an initial value.
    """

    def __init__(self, m: Module, *names: str) -> None:
        assert len(set(names)) == len(names), f"two states of one name among {names}"
        self._m = m
        self._bits = {
            name: Signal(name=f"at_{name.replace(' ', '_')}", init=i == 0) for i, name in enumerate(names)
        }
        self._here = ""

    def __getitem__(self, name: str) -> Signal:
        """Return the register of state ``name``."""
        return self._bits[name]

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Context in which statements apply in state ``name``; ``go`` inside it
        selects the next state."""
        self._here = name
        with self._m.If(self._bits[name]):
            yield

    def go(self, name: str, *, when: Value | None = None) -> None:
        """Enter state ``name`` in the next cycle. Call it at most once on every
        path through a state."""
        assert name != self._here, f"state {name} leads to itself by doing nothing"
        with nullcontext() if when is None else self._m.If(when):
            self._m.d.sync += [self._bits[self._here].eq(0), self._bits[name].eq(1)]

    def choose(self, *ways: tuple[Value, str], otherwise: str = "") -> None:
        """Enter the state that belongs to the first true condition; if no
        condition is true, enter ``otherwise``, or stay in the present state if
        ``otherwise`` is empty."""
        for i, (condition, name) in enumerate(ways):
            with self._m.Elif(condition) if i else self._m.If(condition):
                self.go(name)
        if otherwise:
            with self._m.Else():
                self.go(otherwise)

    def chain(self, *names: str) -> None:
        """Make each of the states ``names`` lead to the next one in the
        list after one cycle."""
        for name, following in itertools.pairwise(names):
            with self.at(name):
                self.go(following)

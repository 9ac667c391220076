"""states: a state machine with a register for each state."""

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth import Module, Signal


class States:
    """One register a state, exactly one of them up; the first one after reset.

    What happens in a state waits for that one register, not for a decoder of the state's number: on ECP5
    some 2 ns less before every decision. Amaranth's own machine numbers its states, and Yosys, which could
    recode them, leaves alone what has an initial value.
    """

    def __init__(self, m: Module, *names: str) -> None:
        assert len(set(names)) == len(names), f"two states of one name among {names}"
        self._m = m
        self._bits = {
            name: Signal(name=f"at_{name.replace(' ', '_')}", init=i == 0) for i, name in enumerate(names)
        }
        self._here = ""

    def __getitem__(self, name: str) -> Signal:
        """Whether it is in state ``name``: a register."""
        return self._bits[name]

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """What happens in state ``name``; ``go`` in it leads to the next one."""
        self._here = name
        with self._m.If(self._bits[name]):
            yield

    def go(self, name: str) -> None:
        """Be in state ``name`` in the next cycle; once at most on every way through a state."""
        assert name != self._here, f"state {name} leads to itself by doing nothing"
        self._m.d.sync += [self._bits[self._here].eq(0), self._bits[name].eq(1)]

"""countdown: counts of a loop's turns, whose last one is known a cycle ahead."""

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Value


class Countdown:
    """``turns`` of a loop, which holds still while it counts; ``last`` is up in the last turn.

    ``again`` begins, ``down`` ends a turn that is not the last. No comparison stands between the count and
    what hangs on it.
    """

    def __init__(self, m: Module, turns: Value, name: str) -> None:
        self.turns = turns
        self.left, self.last = Signal(len(turns), name=f"{name}_left"), Signal(name=f"{name}_last")
        self._single = Signal(name=f"{name}_single")
        m.d.sync += self._single.eq(turns == 1)

    def again(self) -> list[Any]:
        """All turns are left; not in the two cycles behind a change of ``turns``."""
        return [self.left.eq(self.turns), self.last.eq(self._single)]

    def down(self) -> list[Any]:
        """One turn is over."""
        return [self.left.eq(self.left - 1), self.last.eq(self.left == 2)]

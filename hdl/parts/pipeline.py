"""pipeline: numbered register stages, of which a compact part builds some only."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from amaranth import Module

from hdl.parts.delay import delayed
from hdl.parts.target import is_compact
from hdl.parts.unmerged import unmerged


class Pipeline:
    """Stages of a pipeline that nothing holds up: a value of stage n is one register behind stage n - 1.

    Where the platform is compact only the ``kept`` ones are registers and the others are wires. Every value
    then skips the same stages, so what stood side by side still does; only the cycles between are fewer.
    """

    def __init__(self, m: Module, platform: object, kept: Container[int]) -> None:
        self.m = m
        self.platform = platform
        self.kept = kept

    def has(self, stage: int) -> bool:
        """Whether ``stage`` is a register."""
        return stage in self.kept or not is_compact(self.platform)

    def at(self, stage: int) -> str:
        """Domain in which values of ``stage`` are assigned."""
        return "sync" if self.has(stage) else "comb"

    def delayed(self, value: Any, stage: int, until: int, name: str) -> Any:
        """``value`` of ``stage`` as it is at stage ``until``."""
        return delayed(self.m, value, cycles(self.platform, self.kept, stage, until), name)

    def unmerged(self, value: Any, stage: int, name: str) -> Any:
        """``value`` of the stage before at ``stage``, from a register that is not merged with others."""
        return unmerged(self.m, self.platform, value, name) if self.has(stage) else value


def cycles(platform: object, kept: Container[int], stage: int, until: int) -> int:
    """Registers between two stages of a pipeline of which a compact ``platform`` has those ``kept``."""
    return sum(n in kept or not is_compact(platform) for n in range(stage + 1, until + 1))

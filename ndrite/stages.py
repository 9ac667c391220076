"""How far a long task is: what every public function takes as ``progress``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from host.api import Progress

Stages = Callable[[str], AbstractContextManager[Progress]]
"""Called with the name of each stage; a context that gives ``report(done, total)`` while the stage lasts."""


@contextmanager
def silent(what: str) -> Iterator[Progress]:
    """Nobody is told."""
    yield lambda done, total: None

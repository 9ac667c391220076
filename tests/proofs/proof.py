"""What is proved of a module, and the two tests of every proof: it holds, and it
finds the bugs put in.

A file's ``BUGS`` are rows of a proof, a text that stands once in its module, and what
is put in its place.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.proofs.prover import Verdict, mutated

long = partial(pytest.param, marks=pytest.mark.long)
"""A row whose bug is found after minutes."""


@dataclass(frozen=True)
class Proof:
    """``claim``, whose docstring says it, of the module called ``module``.

    ``shown``: changes of the module that let the claim see what is inside. ``long``:
    the proof takes minutes.
    """

    claim: Callable[[types.ModuleType], Verdict]
    module: str
    shown: tuple[tuple[str, str], ...] = ()
    long: bool = False

    def __str__(self) -> str:
        return self.claim.__name__


def proof(module: str, **how: Any) -> Callable[[Callable[[types.ModuleType], Verdict]], Proof]:
    """Makes a claim the proof of it; ``how`` as the fields of ``Proof``."""
    return lambda claim: Proof(claim, module, **how)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The cases of a file's tests: every proof in it, and its rows."""
    if "new" in metafunc.fixturenames:
        metafunc.parametrize(("proved", "old", "new"), metafunc.module.BUGS, ids=str)
    elif "proved" in metafunc.fixturenames:
        proofs = [found for found in vars(metafunc.module).values() if isinstance(found, Proof)]
        metafunc.parametrize("proved", [long(p) if p.long else p for p in proofs], ids=str)


def test_holds(proved: Proof, summary: dict[str, list[str]]) -> None:
    verdict = proved.claim(mutated(proved.module, *proved.shown))
    assert verdict.holds, verdict.log[-3000:]
    said = f"{proved.module}, {proved}: {proved.claim.__doc__}"
    summary["proved"].append(f"{said} [{verdict.method}, {verdict.seconds:.0f} s]")


def test_injected_bug_is_found(proved: Proof, old: str, new: str) -> None:
    verdict = proved.claim(mutated(proved.module, (old, new), *proved.shown))
    assert verdict.refuted, f"{new} for {old} is not found: {verdict.log[-3000:]}"

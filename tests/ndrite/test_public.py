"""The public face: every name is there, and nothing heavy is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ndrite


@pytest.mark.parametrize("name", ndrite.__all__)
def test_every_name_is_there(name: str) -> None:
    if name == "analog":
        pytest.importorskip("torch", reason="needs ndrite[train]")
    assert getattr(ndrite, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ndrite.nothing  # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    heavy = ("scipy", "torch", "numba", "emulator.mapping")
    program = f"import sys, ndrite; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"

"""Damaged files and frames of every kind: the parser's own error, naming the file,
and nothing else."""

import random
from pathlib import Path

import pytest

from tests.trust.fuzz import targets

INPUTS = 60
"""Of each target, times the scale."""
PIECES = [b"\0", b"\xff" * 8, b": ", b"\n", *b'1e999 -1 [] {} null nan , " 2147483648'.split()]


def damaged(seed: bytes, rng: random.Random) -> bytes:
    """A seed after one to four small changes."""
    data = bytearray(seed)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + rng.randrange(1, 20)]
        elif kind == 3:
            data[at:at] = rng.choice(PIECES)
        else:
            piece = rng.choice(PIECES)
            data[at : at + len(piece)] = piece
    return bytes(data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_damaged_input(
    name: str, scale: int, counted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "SCRATCH", tmp_path)
    rng = random.Random(name)
    seeds = targets.seeds(name)
    for seed in seeds:
        targets.TARGETS[name](seed)
    for i in range(INPUTS * scale):
        data = damaged(rng.choice(seeds), rng)
        try:
            targets.TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name}, input {i}: {data[:2000]!r}") from error
    assert not list(tmp_path.iterdir())
    counted.append(f"parser fuzz, {name}: {INPUTS * scale:,} inputs, typed errors only")

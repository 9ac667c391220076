"""Rows that are emitted, against the words they come from: each once, in as few
cycles as lanes allow."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.spec import PRESETS, Geometry
from ndrite.hdl.control.emitter import Emitter
from tests.hdl.interpreted import simulated
from tests.marks import long_where

ONE = dataclasses.replace(PRESETS["tiny"], overlap=True, redraw=0, skip=True, weight_depth=1024)
TWO = dataclasses.replace(ONE, lane_rows=2)
PASSES = 60
Word = tuple[int, dict[int, int], bool]
"""Address of its first row, inputs by row, whether it ends a pass."""


def words(rng: np.random.Generator, rows: int) -> list[Word]:
    """Of each pass one to six; all but its last have a row with an input."""
    found: list[Word] = []
    for _ in range(PASSES):
        first, count = int(rng.integers(512)), int(rng.integers(1, 7))
        for w in range(count):
            visited = rng.permutation(rows)[: rng.integers(1, rows + 1)]
            inputs = {int(row): int(rng.integers(1, 256)) for row in visited}
            last = w == count - 1
            found.append((first + rows * w, {0: 0} if last and rng.random() < 0.2 else inputs, last))
    return found


def described(word: Word, rows: int, ways: int) -> dict[str, Any]:
    """The word as the scanner hands it on."""
    address, inputs, last = word
    ordered = sorted(inputs)
    one = {"x": [inputs.get(row, 0) for row in range(rows)], "visit": sum(1 << row for row in ordered)}
    one |= {"pick": 1 << ordered[0], "single": len(ordered) <= ways, "last": last, "address": address}
    if ways > 1:
        one |= {"pick_other": sum(1 << row for row in ordered[1:][-1:]), "more": len(ordered) > 1}
        one |= {"pick_before": sum(1 << row for row in ordered[1:-1][-1:]), "few": len(ordered) <= 3}
    return one


def cycles(some: list[Word], ways: int) -> int:
    """In which they go at best: ``ways`` rows of a word at once, and beside the
    last of a word that is not its pass's last one of the next word's, where
    that has another."""
    spent, borrowed = 0, 0
    for (_, inputs, last), following in zip(some, [*some[1:], None], strict=True):
        left = len(inputs) - borrowed
        spent += -(-left // ways)
        lone = ways > 1 and left % ways == 1 and not last and following is not None
        borrowed = int(lone and len(following[1]) > 1)
    return spent


@pytest.mark.parametrize("rows", long_where((4).__eq__, [8, 4, 2, 1]))
@pytest.mark.parametrize("geometry", [ONE, TWO], ids=["one row a cycle", "two"])
def test_every_row_goes_once_and_none_waits(geometry: Geometry, rows: int) -> None:
    ways = geometry.lane_rows
    dut = Emitter(geometry, rows)
    sent = words(np.random.default_rng(rows), rows)
    expected: list[list[tuple[int, int]]] = [[]]
    for address, inputs, last in sent:
        expected[-1] += [(address + row, x) for row, x in inputs.items() if x]
        expected += [[]] if last else []
    got: list[list[tuple[int, int]]] = []
    seen: list[int] = []

    async def feed(ctx: Any) -> None:
        for word in sent:
            ctx.set(dut.words.payload, described(word, rows, ways))
            ctx.set(dut.words.valid, 1)
            await ctx.tick().until(dut.words.ready)
        ctx.set(dut.words.valid, 0)

    async def listen(ctx: Any) -> None:
        for cycle in range(8 * len(sent) + 20):
            row = ctx.get(dut.row)
            if row["valid"]:
                seen.append(cycle)
                got.extend([[]] * row["first"])
                of_cycle = [(row["address"], row["x"])]
                of_cycle += [(row["address_other"], row["x_other"])] if ways > 1 else []
                got[-1] = got[-1] + [(address, x) for address, x in of_cycle if x]
            # A place is free again as soon as a pass has taken one.
            ctx.set(dut.release, int(row["valid"] and row["last"]))
            await ctx.tick()

    simulated(dut, feed, listen)
    assert [sorted(rows_of) for rows_of in got] == [sorted(rows_of) for rows_of in expected[:-1]]
    assert sum(map(len, got)) > PASSES
    assert len(seen) == cycles(sent, ways) == seen[-1] - seen[0] + 1

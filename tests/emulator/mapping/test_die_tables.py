"""The devices of a die's table steps: kept in its file, and ageing with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emulator.device.description import Chip, load_chip
from emulator.golden import Core
from emulator.mapping import Mapped, die_digest, load_die, map_network, program_of, save_die
from emulator.spec import Program
from tests.chips import changed
from tests.emulator.mapping.test_graphs import NETWORKS, inputs
from tests.emulator.mapping.test_shapes import chip as shaped_chip
from tests.stimulus import step_of
from tests.system.test_kan import INPUTS, kan

X = np.random.default_rng(1).integers(0, 256, (60, INPUTS), dtype=np.uint8)
LATER_S = 1.5e5


def forgetful(time_s: float = 1.0) -> Chip:
    """ECRAMs that lose two thirds of their state by ``LATER_S``."""
    return changed(
        "dendritic-ndr+ecram-pair",
        ecram={"retention_s": 1.5e5},
        conditions={"time_since_programming_s": time_s},
    )


def made(chip: Chip | str) -> Mapped:
    return map_network(kan(), chip, X, seed=5)


def tables(program: Program) -> list[np.ndarray]:
    """What every table step makes of every code, (256, E)."""
    codes = np.arange(256, dtype=np.uint8)
    found = []
    for i, step in enumerate(program.steps):
        if step.kind == "table":
            shape = program.map_shapes[step.reads[0]]
            found.append(
                step_of(
                    program, i, {step.reads[0]: np.broadcast_to(codes[:, None, None, None], (256, *shape))}
                )
            )
    return found


CHIPS = {
    "pair": lambda: load_chip("dendritic-ndr+ecram-pair"),
    "fixed": lambda: load_chip("wan2022"),
    "shape": lambda: shaped_chip("width"),
    "analog": lambda: load_chip("dendritic-analog"),
}


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_a_die_computes_what_it_was_mapped_to_and_its_file_too(chip: object, tmp_path: Path) -> None:
    program, die, _ = made(chip())  # type: ignore[operator]
    assert [table is not None for table in die.tables] == [True, True]
    save_die(die, tmp_path / "p.die.npz")
    back = load_die(tmp_path / "p.die.npz")
    assert die_digest(back) == die_digest(die) == program.provenance["die"]
    wanted = Core(program, fast=False).infer(X, seed=2)
    for one in (die, back):
        np.testing.assert_array_equal(Core(program_of(one, program), fast=False).infer(X, seed=2), wanted)
    for mine, held in zip(die.tables, back.tables, strict=True):
        assert mine is not None
        assert held is not None
        np.testing.assert_array_equal(mine.values(), held.values())


def test_bases_age_with_their_die() -> None:
    """As those of a die that is mapped later: only what the ECRAMs still hold is left."""
    program, die, _ = made(forgetful())
    later = program_of(die.at(LATER_S), program)
    for now, old, then in zip(
        tables(program), tables(later), tables(made(forgetful(LATER_S)).program), strict=True
    ):
        np.testing.assert_array_equal(old, then)
        assert np.abs(now.astype(int) - old).max() > 20
    back = program_of(die.at(LATER_S).at(1.0), program)
    for now, again in zip(tables(program), tables(back), strict=True):
        assert np.abs(now.astype(int) - again).max() <= 1


def test_exact_functions_are_nobodys_devices() -> None:
    network = NETWORKS["functions"]
    program, die, _ = map_network(network, "dendritic-ndr", inputs(network), seed=1)
    assert any(step.kind == "table" for step in program.steps)
    assert die.tables == ()

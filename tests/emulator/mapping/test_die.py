"""The die: what is kept of an individual chip, what time and tuning make of it, and its file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from emulator.device.description import Chip, load_chip
from emulator.device.rram.drift import WanRelaxation
from emulator.errors import ChipError, CompileError
from emulator.golden import Core
from emulator.mapping import (
    MapOptions,
    Mapped,
    die_digest,
    load_die,
    map_network,
    program_of,
    save_die,
)
from emulator.mapping.explain import explain
from emulator.spec import Geometry, Program
from tests.chips import changed, mitigated, random_network, samples
from tests.emulator.mapping.test_graphs import NETWORKS, inputs
from tests.emulator.mapping.test_shapes import chip as shaped_chip
from tests.stimulus import step_of
from tests.system.test_kan import INPUTS, kan

CHIPS = "wan2022 dendritic-ndr dendritic-ndr+ecram-pair dendritic-analog wan2022+ndr-bell ideal".split()


NET = random_network()
X = samples(NET, 200)


def made(name: str = "wan2022", **cell: float) -> Mapped:
    return map_network(NET, changed(name, cell=cell), X, seed=5)


def outputs(program: object) -> np.ndarray:
    return Core(program, fast=False).infer(X[:40], seed=9)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CHIPS)
def test_a_die_computes_what_it_was_mapped_to(name: str) -> None:
    program, die, report = made(name, stuck_high_percent=1.0)
    again = program_of(die, program)
    np.testing.assert_array_equal(outputs(again), outputs(program))
    assert die.seed == report.seed == 5
    assert die.network == NET.digest()
    assert program.provenance["die"] == die_digest(die)
    assert len(die.arrays) == 2


PULSES = {"low_uS": 4.0, "high_uS": 100.0, "window_percent": 2.0, "most_pulses": 500}
KEPT = {name: changed(name, cell={"stuck_low_percent": 1.0}) for name in CHIPS} | {
    "circuit": changed(
        "dendritic-ndr+ecram-pair", neuron={"source_resistance_ohm": 300.0, "capacitance_pF": 1.0}
    ),
    "pulses": changed("ibm-cmo-hfox-2+programming-gong2018", programming=PULSES),
    "retention": changed("dendritic-ndr", ecram={"retention_s": 2 * 86_400.0, "retention_rest": 0.2}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_the_file_holds_all_of_it(name: str, tmp_path: Path) -> None:
    placed = mitigated(row_placement=True)
    program, die, _ = map_network(NET, KEPT[name], X, seed=5, options=placed)
    path = tmp_path / "die.npz"
    save_die(die, path)
    back = load_die(path)
    assert die_digest(back) == die_digest(die)
    compared = 0
    for a, b in zip(die.arrays, back.arrays, strict=True):
        for field in dataclasses.fields(a.mapped.cells):
            if field.name != "pulses" and getattr(a.mapped.cells, field.name) is not None:
                np.testing.assert_array_equal(
                    getattr(a.mapped.cells, field.name), getattr(b.mapped.cells, field.name)
                )
                compared += 1
        np.testing.assert_array_equal(a.mapped.codes, b.mapped.codes)
        if a.neurons is not None:
            assert b.neurons is not None
            u = np.linspace(-1, 6, 50)[:, None] * np.ones(24)
            np.testing.assert_allclose(b.neurons.curves(u), a.neurons.curves(u), atol=1e-12)
    assert compared >= 14
    if name not in ("circuit", "pulses"):
        assert die_digest(back.at(172_800.0)) == die_digest(die.at(172_800.0))
    np.testing.assert_array_equal(outputs(program_of(back, program)), outputs(program))


def test_time_moves_cells_as_the_law_says_and_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    program, die, _ = made(drift="wan2022")
    monkeypatch.setattr(np.random, "default_rng", None)
    monkeypatch.setattr(np.random, "Generator", None)
    later = die.at(86400.0)
    law, cells = WanRelaxation(), die.arrays[0].mapped.cells
    wanted = np.maximum(cells.programmed + law.sigma(cells.target, 86400.0) * cells.ageing, 0)
    np.testing.assert_array_equal(later.arrays[0].mapped.cells.aged, wanted)
    assert np.abs(wanted - cells.aged).max() > 0.5
    aged = program_of(later, program)
    scale = die.arrays[0].mapped.full_scale_uS
    codes = np.minimum(np.rint(wanted * 255 / scale), 255)
    np.testing.assert_array_equal(aged.layers[0].weights, codes[0] - codes[1])
    for name in ("gain", "offset", "bias", "scale"):
        np.testing.assert_array_equal(getattr(aged.layers[0], name), getattr(program.layers[0], name))
    back = program_of(later.at(1.0), aged)
    np.testing.assert_array_equal(back.layers[0].weights, program.layers[0].weights)
    with pytest.raises(ChipError, match="time_since_programming_s is 1e-09"):
        die.at(1e-9)


def test_ecrams_are_set_and_nothing_else_moves() -> None:
    program, die, _ = made("dendritic-ndr+ecram-pair")
    states = die.states[0]
    assert die.states[1] is None
    lower = die.tuned([dataclasses.replace(states, current=states.current * 0.5), None])
    moved = program_of(lower, program)
    assert (outputs(moved) != outputs(program)).any()
    np.testing.assert_array_equal(moved.layers[0].weights, program.layers[0].weights)
    np.testing.assert_array_equal(outputs(program_of(lower.tuned(die.states), moved)), outputs(program))
    with pytest.raises(CompileError, match="array 1 has no ECRAM"):
        die.tuned([None, states])
    with pytest.raises(CompileError, match="states are of 1 arrays; accepted: 2"):
        die.tuned([states])


def test_a_nominal_die_stays_nominal() -> None:
    drifting = changed("wan2022", cell={"drift": "wan2022"})
    program, die, _ = map_network(NET, drifting, X, options=MapOptions(nominal=True))
    assert die.nominal
    np.testing.assert_array_equal(
        program_of(die.at(86400.0), program).layers[0].weights, program.layers[0].weights
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_dies_of_any_network(name: str, tmp_path: Path) -> None:
    net = NETWORKS[name]
    program, die, _ = map_network(net, "wan2022", inputs(net), options=MapOptions(target=Geometry(lanes=16)))
    save_die(die, tmp_path / "d.npz")
    again = program_of(load_die(tmp_path / "d.npz").at(1.0), program)
    x = inputs(net)[:5]
    np.testing.assert_array_equal(
        Core(again, fast=False).infer(x, seed=3), Core(program, fast=False).infer(x, seed=3)
    )


def test_programs_of_others_are_refused() -> None:
    program, _, _ = made()
    net = NETWORKS["small"]
    _, other, _ = map_network(net, "wan2022", inputs(net))
    with pytest.raises(CompileError, match=r"products of \[\(40, 24\), \(24, 5\)\]; accepted: the die's"):
        program_of(other, program)


def test_what_is_no_die_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x.die.npz: no such die file"):
        load_die(tmp_path / "x.die.npz")
    (tmp_path / "x.die.npz").write_bytes(b"PK nothing")
    with pytest.raises(CompileError, match=r"x.die.npz: not a die file"):
        load_die(tmp_path / "x.die.npz")
    made()[0].save(tmp_path / "p.npz")
    with pytest.raises(CompileError, match=r"format is ndrite-program 4; accepted: ndrite-die 1"):
        load_die(tmp_path / "p.npz")


def test_corrections_are_as_old_as_the_chip_says() -> None:
    """A chip corrected a second after programming and used a day later: the cells of that day, and every
    range, gain and bias of the first second; what is lost shows as a cause of its own."""
    fresh = changed("dendritic-ndr", conditions={"time_since_programming_s": 86400.0})
    old = changed(fresh, conditions={"corrected_at_s": 1.0})
    at_once = changed(fresh, conditions={"time_since_programming_s": 1.0})
    now, then, first = (map_network(NET, chip, X, seed=3) for chip in (fresh, old, at_once))
    for a, b, c in zip(now.die.arrays, then.die.arrays, first.die.arrays, strict=True):
        np.testing.assert_array_equal(a.mapped.cells.effective, b.mapped.cells.effective)
        np.testing.assert_array_equal(b.built.gain, c.built.gain)
    for a, b in zip(then.program.products, first.program.products, strict=True):
        np.testing.assert_array_equal(a.layer.scale, b.layer.scale)
        np.testing.assert_array_equal(a.layer.bias, b.layer.bias)
    labels = np.zeros(len(X), int)
    held = explain(NET, then.program, then.die, X, X, labels).row("drift since correction")
    none = explain(NET, now.program, now.die, X, X, labels).row("drift since correction")
    assert held.snr_db < 30
    assert held.snr_corrected_db == pytest.approx(held.snr_db, abs=0.1), "no correction has seen it"
    assert none.snr_db == 100
    with pytest.raises(ChipError, match=r"corrected_at_s is 100000\.0; accepted: 1\.\.86400"):
        changed(fresh, conditions={"corrected_at_s": 100000.0})


KAN_X = np.random.default_rng(1).integers(0, 256, (60, INPUTS), dtype=np.uint8)
LATER_S = 1.5e5


def forgetful(time_s: float = 1.0) -> Chip:
    """ECRAMs that lose two thirds of their state by ``LATER_S``."""
    return changed(
        "dendritic-ndr+ecram-pair",
        ecram={"retention_s": 1.5e5},
        conditions={"time_since_programming_s": time_s},
    )


def made_kan(chip: Chip | str) -> Mapped:
    return map_network(kan(), chip, KAN_X, seed=5)


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


KAN_CHIPS = {
    "pair": lambda: load_chip("dendritic-ndr+ecram-pair"),
    "fixed": lambda: load_chip("wan2022"),
    "shape": lambda: shaped_chip("width"),
    "analog": lambda: load_chip("dendritic-analog"),
}


@pytest.mark.slow
@pytest.mark.parametrize("chip", KAN_CHIPS.values(), ids=KAN_CHIPS)
def test_a_die_computes_what_it_was_mapped_to_and_its_file_too(chip: object, tmp_path: Path) -> None:
    program, die, _ = made_kan(chip())  # type: ignore[operator]
    assert [table is not None for table in die.tables] == [True, True]
    save_die(die, tmp_path / "p.die.npz")
    back = load_die(tmp_path / "p.die.npz")
    assert die_digest(back) == die_digest(die) == program.provenance["die"]
    wanted = Core(program, fast=False).infer(KAN_X, seed=2)
    for one in (die, back):
        np.testing.assert_array_equal(Core(program_of(one, program), fast=False).infer(KAN_X, seed=2), wanted)
    for mine, held in zip(die.tables, back.tables, strict=True):
        np.testing.assert_array_equal(mine.values(), held.values())


def test_bases_age_with_their_die() -> None:
    """As those of a die that is mapped later: only what the ECRAMs still hold is left."""
    program, die, _ = made_kan(forgetful())
    later = program_of(die.at(LATER_S), program)
    for now, old, then in zip(
        tables(program), tables(later), tables(made_kan(forgetful(LATER_S)).program), strict=True
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

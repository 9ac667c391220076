"""The die: what is kept of an individual chip, what time and tuning make of
it, and its file."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.rram.drift import WanRelaxation
from ndrite.emulator.errors import ChipError, CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import (
    MapOptions,
    Mapped,
    die_digest,
    load_die,
    map_network,
    program_of,
    save_die,
)
from ndrite.emulator.mapping.curves import States
from ndrite.emulator.mapping.devices import Neurons
from ndrite.emulator.mapping.die import DieTable
from ndrite.emulator.mapping.explain import explain
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Geometry, Program
from tests.chips import changed, mitigated, random_network, samples
from tests.emulator.mapping.test_circuits import shaped_chip
from tests.emulator.mapping.test_graphs import NETWORKS, inputs
from tests.kan import INPUTS, kan
from tests.stimulus import step_of

NET = random_network()
X = samples(NET, 200)


def made(name: str = "wan2022", **cell: float) -> Mapped:
    return map_network(NET, changed(name, cell=cell), X, seed=5)


def outputs(program: Program, x: np.ndarray = X) -> np.ndarray:
    return Core(program, fast=False).infer(x[:40], seed=9)


PULSES = {"low_uS": 4.0, "high_uS": 100.0, "window_percent": 2.0, "most_pulses": 500}
KAN_X = np.random.default_rng(1).integers(0, 256, (60, INPUTS), dtype=np.uint8)
PLACED, LAID_OUT = mitigated(row_placement=True), MapOptions(target=Geometry(lanes=16))
PRESETS = "wan2022 dendritic-ndr dendritic-ndr+ecram-pair dendritic-analog wan2022+ndr-bell ideal".split()
CHIPS = {name: changed(name, cell={"stuck_low_percent": 1.0, "stuck_high_percent": 1.0}) for name in PRESETS}
CHIPS |= {
    "circuit": changed(
        "dendritic-ndr+ecram-pair", neuron={"source_resistance_ohm": 300.0, "capacitance_pF": 1.0}
    ),
    "pulses": changed("ibm-cmo-hfox-2+programming-gong2018", programming=PULSES),
    "measured": changed(
        "wan2022",
        neuron={
            "model": "table",
            "table_voltage_V": (0.0, 0.1, 0.2, 0.4),
            "table_current_A": (0.0, 1e-3, 4e-4, 1e-4),
            "peak_voltage_variation_percent": 5.0,
            "peak_current_variation_percent": 5.0,
        },
    ),
    "retention": changed("dendritic-ndr", ecram={"retention_s": 2 * 86_400.0, "retention_rest": 0.2}),
}
BASES = ("dendritic-ndr+ecram-pair", "wan2022", "dendritic-analog", shaped_chip("width"))
KEPT = [
    *(pytest.param(NET, X, chip, PLACED, id=name, marks=pytest.mark.slow) for name, chip in CHIPS.items()),
    *(
        pytest.param(kan(), KAN_X, chip, MapOptions(), id=f"bases {i}", marks=pytest.mark.slow)
        for i, chip in enumerate(BASES)
    ),
    *(pytest.param(net, inputs(net), "wan2022", LAID_OUT, id=name) for name, net in NETWORKS.items()),
]


@pytest.mark.parametrize(("net", "x", "chip", "options"), KEPT)
def test_the_file_holds_all_of_it(
    net: Network, x: np.ndarray, chip: Chip | str, options: MapOptions, tmp_path: Path
) -> None:
    program, die, _ = map_network(net, chip, x, seed=5, options=options)
    assert (die.seed, die.network, len(die.arrays)) == (5, net.digest(), len(net.products))
    save_die(die, tmp_path / "die.npz")
    back = load_die(tmp_path / "die.npz")
    assert die_digest(back) == die_digest(die) == program.provenance["die"]
    for a, b in zip(die.arrays, back.arrays, strict=True):
        cells = {f.name: getattr(a.mapped.cells, f.name) for f in dataclasses.fields(a.mapped.cells)}
        kept = {name: held for name, held in cells.items() if name != "pulses" and held is not None}
        assert len(kept) >= 7
        for name, held in kept.items():
            np.testing.assert_array_equal(held, getattr(b.mapped.cells, name))
        np.testing.assert_array_equal(a.mapped.codes, b.mapped.codes)
        if a.neurons is not None:
            u = np.linspace(-1, 6, 50)[:, None] * np.ones(len(a.neurons.peaks))
            np.testing.assert_allclose(b.neurons.curves(u), a.neurons.curves(u), atol=1e-12)
    for mine, held in zip(die.tables, back.tables, strict=True):
        np.testing.assert_array_equal(mine.values(), held.values())
    if chip not in (CHIPS["circuit"], CHIPS["pulses"]):
        assert die_digest(back.at(172_800.0)) == die_digest(die.at(172_800.0))
    for one in (die, back):
        np.testing.assert_array_equal(outputs(program_of(one, program), x), outputs(program, x))


def test_time_moves_cells_as_the_law_says_and_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    program, die, _ = made(drift="wan2022")
    old = map_network(NET, "dendritic-ndr", X).die
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
    for of, time_s in ((die, 1e-9), (old, 60.0)):
        with pytest.raises(
            ChipError, match=f"time_s is {time_s}; accepted: .* or more, the time of its calibration"
        ):
            of.at(time_s)


def test_a_tuned_die_has_the_curves_of_its_states_and_is_otherwise_the_same() -> None:
    program, die, _ = map_network(NET, "dendritic-ndr", X, seed=5)
    before = die.states[0]
    assert before is not None
    assert die.states[1:] == [None]
    top = dataclasses.replace(before, current=np.ones(24), voltage=before.voltage)
    tuned = die.tuned([top, None])
    low, high = (np.max(d.arrays[0].neurons.heights) for d in (die.tuned([_zeros(before), None]), tuned))
    assert low < 0.2 < 0.9 < high
    assert die_digest(tuned.tuned([before, None])) == die_digest(die) == die_digest(die.tuned([None, None]))
    again = program_of(tuned, program)
    np.testing.assert_array_equal(again.layers[0].weights, program.layers[0].weights)
    assert not np.array_equal(outputs(again), outputs(program))
    with pytest.raises(
        CompileError, match="states has 1 entries; accepted: one for each of 2 arrays and 0 tables"
    ):
        die.tuned([top])
    with pytest.raises(CompileError, match="part 1 has no ECRAM"):
        die.tuned([None, top])


def _zeros(states: States) -> States:
    return dataclasses.replace(states, current=np.zeros_like(states.current))


def test_a_nominal_die_stays_nominal() -> None:
    drifting = changed("wan2022", cell={"drift": "wan2022"})
    program, die, _ = map_network(NET, drifting, X, options=MapOptions(nominal=True))
    later = program_of(die.at(86400.0), program)
    np.testing.assert_array_equal(later.layers[0].weights, program.layers[0].weights)
    day = changed(drifting, conditions={"time_since_programming_s": 86400.0})
    then = map_network(NET, day, X, options=MapOptions(nominal=True)).program
    np.testing.assert_array_equal(later.variation.sigma, then.variation.sigma, "virtual chips age too")
    for array in map_network(NET, "dendritic-analog", X, options=MapOptions(nominal=True)).die.arrays:
        np.testing.assert_array_equal(array.bias.mapped.cells.programmed, array.bias.mapped.cells.target)


def test_what_is_no_die_is_refused(tmp_path: Path) -> None:
    program = made().program
    with pytest.raises(FileNotFoundError, match=r"x.die.npz: no such die file"):
        load_die(tmp_path / "x.die.npz")
    (tmp_path / "x.die.npz").write_bytes(b"PK nothing")
    program.save(tmp_path / "p.npz")
    for name, message in (
        ("x.die.npz", "x.die.npz: not a die file"),
        ("p.npz", "format is .*: ndrite-die 1"),
    ):
        with pytest.raises(CompileError, match=message):
            load_die(tmp_path / name)
    net = NETWORKS["small"]
    with pytest.raises(CompileError, match=r"shapes \[\(40, 24\), \(24, 5\)\]; accepted: those of the die"):
        program_of(map_network(net, "wan2022", inputs(net)).die, program)


def test_a_die_is_read_for_the_program_that_was_mapped_onto_it(tmp_path: Path) -> None:
    program, die, _ = made()
    save_die(die, tmp_path / "die.npz")
    assert die_digest(load_die(tmp_path / "die.npz", program)) == die_digest(die)
    other = map_network(NET, "wan2022", X, seed=6).program
    with pytest.raises(
        CompileError, match="this die belongs to another program than random; accepted: the die"
    ):
        load_die(tmp_path / "die.npz", other)


def test_a_die_that_would_unpack_to_more_than_4_GiB_is_refused(tmp_path: Path) -> None:
    """By the size that a member states, before any of it is unpacked."""
    path = tmp_path / "die.npz"
    save_die(made().die, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("zeros.npy", b"")
        archive.getinfo("zeros.npy").file_size = (4 << 30) + 1
    with pytest.raises(CompileError, match=r"member zeros\.npy is larger than 4294967296 bytes"):
        load_die(path)


def test_corrections_are_as_old_as_the_chip_says() -> None:
    """A chip corrected a second after programming and used a day later: the cells of
    that day, and every range, gain and bias of the first second; what is lost shows as
    a cause of its own."""
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
    assert first.die.at(86400.0).chip.conditions == then.die.chip.conditions
    assert then.program.provenance["chip"] == old.as_dict()
    assert then.program.provenance["die"] == die_digest(then.die)
    labels = np.zeros(len(X), int)
    held = explain(NET, then.program, then.die, X, X, labels).row("drift since correction")
    none = explain(NET, now.program, now.die, X, X, labels).row("drift since correction")
    assert held.snr_db < 30
    assert held.snr_corrected_db == pytest.approx(held.snr_db, abs=0.1), "no correction has seen it"
    assert none.snr_db == 100
    # All that was asked for was done then.
    seen: list[tuple[int, int]] = []
    how = {"seed": 4, "name": "mine", "exact": X / 300, "options": MapOptions(nominal=True)}
    late, early = (
        map_network(NET, chip, X, progress=lambda *done: seen.append(done), **how)  # type: ignore[arg-type]
        for chip in (old, at_once)
    )
    assert seen == [(1, 2), (2, 2)] * 2
    assert late.program.name == early.program.name == "mine"
    for a, b in zip(late.program.products, early.program.products, strict=True):
        np.testing.assert_array_equal(a.layer.weights, b.layer.weights, "nominal cells do not drift")
        np.testing.assert_array_equal(a.layer.scale, b.layer.scale)
        np.testing.assert_array_equal(a.layer.bias, b.layer.bias)
    with pytest.raises(ChipError, match=r"corrected_at_s is 100000\.0; accepted: 1\.\.86400"):
        changed(fresh, conditions={"corrected_at_s": 100000.0})


LATER_S = 1.5e5


def forgetful(time_s: float) -> Mapped:
    """Bases whose ECRAMs lose two thirds of their state by ``LATER_S``."""
    times = {"ecram": {"retention_s": LATER_S}, "conditions": {"time_since_programming_s": time_s}}
    return map_network(kan(), changed("dendritic-ndr+ecram-pair", **times), KAN_X, seed=5)


def tables(program: Program) -> np.ndarray:
    """What the table steps make of every code, (256, E), those of both steps."""
    codes = np.arange(256, dtype=np.uint8)[:, None, None, None]
    kinds = [(i, step.reads[0]) for i, step in enumerate(program.steps) if step.kind == "table"]
    made = [
        step_of(program, i, {at: np.broadcast_to(codes, (256, *program.map_shapes[at]))}) for i, at in kinds
    ]
    return np.concatenate(made, axis=1).astype(int)


def test_bases_age_with_their_die() -> None:
    """As those of a die that is mapped later: only what the ECRAMs still hold is left."""
    program, die, _ = forgetful(1.0)
    now, later, again = (
        tables(program_of(d, program)) for d in (die, die.at(LATER_S), die.at(LATER_S).at(1.0))
    )
    np.testing.assert_array_equal(later, tables(forgetful(LATER_S).program))
    assert np.abs(now - later).max() > 20
    assert np.abs(now - again).max() <= 1


def test_a_table_divides_its_inputs_by_the_peaks_of_its_devices() -> None:
    neurons = Neurons(np.ones(2), np.array([0.25, 4.0]), lambda u: (u + 2.0) / 8.0, False, 0)
    x = np.arange(256) / 255
    first = (3.0 * x - 1.0) / 0.25  # -4..8, limited to -2..6
    wanted = np.array([first, (5.0 * x + 0.5) / 4.0])
    values = DieTable(neurons, np.array([3.0, 5.0]), np.array([-1.0, 0.5])).values()
    np.testing.assert_allclose(values, np.clip(255 * (wanted + 2.0) / 8.0, 0, 255))


def test_exact_functions_are_nobodys_devices() -> None:
    network = NETWORKS["functions"]
    program, die, _ = map_network(network, "dendritic-ndr", inputs(network), seed=1)
    assert any(step.kind == "table" for step in program.steps)
    assert die.tables == ()

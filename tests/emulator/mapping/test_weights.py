"""Weights to levels and codes, for wires and stuck cells too; real quantities to
integers, virtual chips."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.device.crossbar import effective_matrix
from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.device.rram.programming import STUCK_HIGH, STUCK_LOW
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden.noise import redraw
from ndrite.emulator.mapping import NOTHING, Mitigation, map_network
from ndrite.emulator.mapping.cells import (
    LIMIT_RISES,
    compensate,
    compensated,
    pair_targets,
    part_left,
    places,
)
from ndrite.emulator.mapping.network import in_order
from ndrite.emulator.mapping.ranges import (
    AdcRange,
    cell_noise,
    int32,
    output_noise,
    read_sigma_uS,
    scale_and_shift,
    skip_gain,
)
from ndrite.emulator.mapping.weights import (
    BiasCells,
    Columns,
    build_columns,
    column_limits,
    full_scale,
    map_weights,
    program_bias,
    total_noise,
    variation_of,
    without_errors,
)
from ndrite.emulator.network import load_network
from ndrite.emulator.network.zoo import FOLDER
from tests.chips import centred_network, changed, mitigated, random_network
from tests.emulator.mapping import by_hand
from tests.refusals import refused

IDEAL, WAN, CMO = (load_chip(name) for name in ("ideal", "wan2022", "ibm-cmo-hfox-2"))


def test_limits_cut_rare_extremes_and_survive_zeros():
    w = np.random.default_rng(0).normal(size=(2000, 2))
    w[0, 0], w[:, 1] = 30.0, 0.0
    limits = column_limits(w, 16)
    assert limits[0] < 30.0
    assert limits[1] == pytest.approx(30.0 / 256)
    assert (column_limits(np.zeros((5, 2)), 16) == 1.0).all()


@pytest.mark.parametrize("levels", [2, 4, 16])
@pytest.mark.parametrize("at_once", [7, 1000])
def test_a_limit_is_the_one_of_thirteen_with_the_least_error(levels, at_once, monkeypatch):
    """Limiting and rounding, level by level, however many columns are tried at once; one
    for all columns where sums are compared."""
    monkeypatch.setattr("ndrite.emulator.mapping.weights.CACHED", 60 * at_once)
    w = np.random.default_rng(1).standard_t(4, size=(60, 40)) * np.linspace(0.2, 1, 40)
    held = np.arange(1 - levels, levels) / (levels - 1)

    def best(columns):
        limits = np.abs(columns).max(axis=0) * np.linspace(1.0, 0.4, 13)[:, None]
        missed = np.abs(columns[None, ..., None] - limits[:, None, :, None] * held).min(axis=-1)
        return limits[np.square(missed).sum(axis=1).argmin(axis=0), np.arange(columns.shape[1])]

    np.testing.assert_allclose(column_limits(w, levels), best(w))
    np.testing.assert_allclose(column_limits(w, levels, uniform=True), best(w.reshape(-1, 1)).repeat(40))


def test_cells_stuck_above_g_max_have_room_in_the_codes():
    """Where cells may be stuck at 60 uS the largest code stands for 60 uS; without such
    cells it does not."""
    chip = changed(IDEAL, cell={"stuck_high_uS": 60.0, "stuck_low_uS": 4.0})
    assert full_scale(chip) == 40.0
    stuck = changed(chip, cell={"stuck_high_percent": 10.0, "stuck_low_percent": 10.0})
    assert full_scale(stuck) == 60.0
    mapped = map_weights(np.zeros((400, 5)), stuck, np.random.default_rng(0), mitigation=NOTHING)
    assert mapped.saturated == 0
    assert set(np.unique(mapped.cells.faulted)) == {0.0, 4.0, 60.0}
    assert set(np.unique(mapped.codes)) >= {-255, 0, 255}
    np.testing.assert_array_equal(mapped.cells.faulted == 60.0, mapped.cells.stuck == 1)
    for side, conductances in enumerate((mapped.g_plus_uS, mapped.g_minus_uS)):
        np.testing.assert_array_equal(conductances == 60.0, mapped.cells.stuck[side] == 1)
    # A lower conductance than g_max takes no room away from the levels.
    assert full_scale(changed(stuck, cell={"stuck_high_uS": 10.0})) == 40.0


@pytest.mark.parametrize(("shift", "top"), [(2.0, 42.0), (-2.0, 40.0)])
def test_cells_that_drift_upward_have_room_in_the_codes(
    shift: float, top: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(IDEAL.cell.drift_model), "shift", lambda self, g, time_s: np.full(len(g), shift))
    assert full_scale(IDEAL) == top


def test_limited_and_saturated_conductances_are_counted_on_both_sides():
    w = np.random.default_rng(0).normal(size=(2000, 1))
    w[0, 0] = -30.0
    mapped = map_weights(w, WAN, np.random.default_rng(0))
    assert mapped.limited == (np.abs(w) > mapped.limits * 1.000001).sum() > 0
    assert map_weights(np.array([[1.0], [-1.0], [0.0]]), IDEAL, np.random.default_rng(0)).limited == 0
    high = changed(IDEAL, cell={"stuck_high_percent": 100.0, "stuck_high_uS": 60.0})
    # Codes of the one cell, conductances of the other: all of them beyond, plus and minus.
    beyond = map_weights(w, IDEAL, np.random.default_rng(0), programmed_on=high)
    assert beyond.saturated == 2 * w.size
    assert not beyond.codes.any()


def mapped(chip, seed=0):
    weights = np.random.default_rng(seed).normal(size=(60, 4))
    return map_weights(weights, chip, np.random.default_rng(seed))


@pytest.mark.parametrize("size", [1e-7, 0.3, 4_000.0])
def test_scales_stand_for_what_was_wanted_with_sixteen_bits(size):
    wanted = size * np.array([1.0, 0.7, 0.01])
    scale, vshift = scale_and_shift(wanted)
    np.testing.assert_allclose(scale / 2.0**vshift, wanted, atol=0.5 / 2.0**vshift)
    assert scale.max() <= 65_535
    assert scale.max() > 32_767 or vshift == 47
    # Second operands too, whose weights may be 0.
    step = np.array([0.3, 2.0, 1e-3])
    gain, shift = skip_gain(wanted * step * 255, step)
    np.testing.assert_array_equal(gain, scale)
    assert shift == vshift
    assert not skip_gain(0 * step, step)[0].any()


NOISY = changed(WAN, cell={"read_noise_percent": 5.0, "programming_error": "ideal"})
"""5 % of 40 uS in codes of 40 uS / 255 is 12.75; a full scale smaller than the
range makes it more."""
SMALL = dataclasses.replace(mapped(NOISY), full_scale_uS=5.0 * 40 * 255 / 100 / 16.0)
LOUD = changed(WAN, readout={"output_noise_lsb": 16.0})
RANGES = AdcRange(np.array([1], np.uint16), np.zeros(1, np.int16), 12, 0.0)
test_what_no_register_holds_is_refused = refused(
    CompileError,
    (
        scale_and_shift,
        np.array([1.0, 1e-6]),
        r"scales of a layer are 1e-06\.\.1; accepted: largest over smallest",
    ),
    *((scale_and_shift, np.array([1.0, v]), "scale is .*; accepted: finite") for v in (np.inf, np.nan)),
    *((int32, "bias", np.array([0.0, v]), r"bias reaches .* below 2\^30") for v in (2**30, -(2**30), np.nan)),
    (cell_noise, NOISY, SMALL, r"read noise is 16\.00 codes per effective weight; accepted: below"),
    (output_noise, LOUD, RANGES, "output noise is 65536 accumulator units; accepted: at most 65535"),
)


def test_what_registers_just_hold():
    """A neuron with scale 0 would not see its column at all."""
    assert scale_and_shift(np.array([1.0, 1 / 60_000]))[0].min() == 1
    assert int32("bias", np.array([2.0**30 - 1, -5.5])).tolist() == [2**30 - 1, -6]
    assert cell_noise(NOISY, mapped(NOISY)) == round(12.75**2 * 256)
    just = dataclasses.replace(SMALL, full_scale_uS=SMALL.full_scale_uS * (65_536 / 65_535) ** 0.5)
    assert cell_noise(NOISY, just) == 65_535
    assert output_noise(WAN, RANGES) == 2048


def test_a_steep_scale_is_a_step():
    """Every sum but 0 saturates: at an end of the table as with any larger factor."""
    scale, vshift = scale_and_shift(np.array([1.0, 1e9]))
    sums = np.array([-3, -1, 0, 1, 7])
    v = np.clip((sums * scale[1]) >> vshift, -2048, 2047)
    assert v.tolist() == [-2048, -2048, 0, 2047, 2047]
    assert scale[0] / 2**vshift == pytest.approx(1.0, rel=1e-3)


def test_read_noise_of_an_effective_weight():
    """Constant: one deviation for the pair. IBM's law: of both cells, as they are, at
    their conductances."""
    assert read_sigma_uS(WAN, mapped(WAN)) == pytest.approx(0.01 * 40)
    cells = mapped(CMO)
    growth = np.sqrt(np.log((1 + 1e-6) / 2e-6))
    sigma = 0.0277316483 * np.log10(cells.cells.faulted) * growth
    assert read_sigma_uS(CMO, cells) == pytest.approx(np.sqrt((sigma[0] ** 2 + sigma[1] ** 2).mean()))
    code = cells.full_scale_uS / 255
    assert cell_noise(CMO, cells) == round((read_sigma_uS(CMO, cells) / code) ** 2 * 256)


SPREAD = (("dendritic-ndr", 1.0), ("wan2022", 86_400.0), ("ibm-cmo-hfox-2", 1.0), ("milo2021", 1.0))


@pytest.mark.parametrize(("name", "time_s"), SPREAD)
def test_virtual_chips_spread_as_programmed_ones(name: str, time_s: float) -> None:
    """Mean and deviation of weights, level by level: integer draws against the float
    programming model."""
    # Rare stuck cells would dominate a sample's deviation; their rates have a
    # test of their own.
    still = {"stuck_low_percent": 0.0, "stuck_high_percent": 0.0}
    cell = changed(name, cell=still | ({"drift": "wan2022"} if time_s > 1 else {})).cell
    # Ideal wires.
    chip = changed(Chip(name="cell", cell=cell), conditions={"time_since_programming_s": time_s})
    rng = np.random.default_rng(0)
    levels = np.linspace(-1, 1, 2 * chip.cell.levels - 1)
    floats = np.repeat(levels[:, None], 4000, axis=1).T.copy()  # every column has every level
    ideal = without_errors(chip)
    nominal = map_weights(floats.T, chip, rng, ratio=np.ones(len(floats)), programmed_on=ideal).codes
    real = map_weights(floats.T, chip, rng, ratio=np.ones(len(floats))).codes
    drawn = redraw(nominal, variation_of(chip), seed=1, chip=0, layer=0)
    deviation = real.std(axis=1)
    limit = 5 * deviation / np.sqrt(real.shape[1])
    # One code of rounding; both clip at 0 once, after programming and ageing.
    assert (np.abs(real.mean(axis=1) - drawn.mean(axis=1)) < limit + 1.0).all()
    assert np.allclose(deviation, drawn.std(axis=1), rtol=0.08, atol=0.4)


def test_tables_say_what_the_chip_says() -> None:
    v = variation_of(load_chip("dendritic-ndr"))
    assert (v.stuck_low, v.stuck_high, v.stuck_code_low, v.code_max) == (66, 66, 0, 255)  # 0.1 % of 65536
    quiet = variation_of(without_errors(load_chip("dendritic-ndr")))
    assert (quiet.sigma.any(), quiet.stuck_low, quiet.stuck_high) == (False, 0, 0)
    stuck = {"stuck_low_percent": 1.0, "stuck_high_percent": 2.0, "stuck_low_uS": 5.0, "stuck_high_uS": 30.0}
    chip = changed("wan2022", cell=stuck)
    v = variation_of(chip)
    # Full scale 40 + 4 sigma(40) = 44.412 uS.
    assert (v.stuck_code_low, v.stuck_code_high) == (round(5.0 / 44.412 * 255), round(30.0 / 44.412 * 255))
    assert (v.stuck_low, v.stuck_high) == (655, 1311)
    v = variation_of(changed(chip, cell={"stuck_low_percent": 60.0, "stuck_high_percent": 40.0}))
    assert v.stuck_low == 39322
    assert v.stuck_low + v.stuck_high == 65535, "rates in 16 bits never add up to more than there are"


ANALOG = load_chip("dendritic-analog")
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(200, 40))


def wired(chip: Chip, ohm: float) -> Chip:
    return changed(chip, array={"wire_resistance_ohm": ohm})


@pytest.mark.slow
def test_the_search_sees_what_its_own_levels_lose() -> None:
    """Two arrays of the shipped dendritic network at 10 ohm a segment, cells of a tenth
    of the error: 19 dB and more; 15 after one round."""
    weights = load_network(FOLDER / "float-fashion-mnist-784-128-10-dendritic.npz").layers[0].weights[128:384]
    chip = wired(changed(ANALOG, cell={"error_scale": 0.1}), 10.0)
    limits = column_limits(weights, chip.cell.levels, uniform=True)
    levels, raised = compensated(weights, limits, chip, None, may_rise=True)
    held = levels * part_left(levels, chip, None) * (raised / (chip.cell.levels - 1))
    assert 10 * np.log10(np.square(weights).mean() / np.square(held - weights).mean()) > 19.0


ACCESS_ONLY = {"wire_resistance_ohm": 0.0, "access_resistance_ohm": 1.0}


@pytest.mark.parametrize(
    ("measures", "chip", "wires", "gains"),
    [
        ({}, "dendritic-ndr", False, ("column", "column")),  # gains behind its columns do it
        ({}, "dendritic-analog", True, ("common", "none")),
        ({}, "wan2022", False, ("none", "none")),  # no error that is known to be systematic
        ({}, changed("ideal", cell={"drift": "ibm-cmo-hfox"}), False, ("column", "column")),
        ({}, changed("ideal", cell={"iv_cubic_per_V2": 1.0}), False, ("column", "column")),
        ({}, changed("ideal", readout={"gain_mismatch_percent": 1.0}), False, ("column", "column")),
        ({}, changed("ideal", array={"wire_resistance_ohm": 1.0}), False, ("column", "column")),
        ({}, changed("ideal", array={"access_resistance_ohm": 1.0}), False, ("column", "column")),
        ({}, changed("dendritic-analog", array=ACCESS_ONLY), True, ("common", "none")),
        ({}, changed("wan2022", readout={"kind": "analog"}, array=ACCESS_ONLY), False, ("column", "none")),
        ({"gain_calibration": False}, "dendritic-analog", True, ("none", "none")),
        ({"gain_calibration": False}, "dendritic-ndr", False, ("none", "none")),
        ({"wire_compensation": True}, "dendritic-ndr", True, ("column", "column")),
        ({"wire_compensation": True}, "ideal", False, ("none", "none")),  # no wires
        (dataclasses.asdict(NOTHING), "dendritic-analog", False, ("none", "none")),
    ],
)
def test_who_is_compensated_and_how_many_gains_there_are(
    measures: dict[str, Any], chip: Chip | str, wires: bool, gains: tuple[str, str]
) -> None:
    """``gains``: of hidden layers, and of the last one."""
    made, chip = Mitigation(**measures), changed(chip)
    assert made.compensates_wires(chip) == wires
    assert tuple(made.gains(chip, final=final) for final in (False, True)) == gains


def test_limits_rise_where_wires_take_much() -> None:
    """A larger limit makes the cells' errors weigh more: worse cells leave
    less room for wires."""
    limits = column_limits(WEIGHTS, ANALOG.cell.levels, uniform=True)
    wide = wired(ANALOG, 30.0)
    rises, kept = [], []
    for chip in (wired(ANALOG, 0.1), changed(wide, cell={"error_scale": 4.0}), wide, wired(ANALOG, 60.0)):
        levels, raised = compensated(WEIGHTS, limits, chip, None, may_rise=True)
        assert np.abs(levels).max() <= ANALOG.cell.levels - 1
        (rise,) = np.unique(np.round(raised / limits, 9))
        rises.append(float(rise))
        held = levels * part_left(levels, chip, None) * (raised / (ANALOG.cell.levels - 1))
        kept.append(10 * np.log10(np.square(WEIGHTS).mean() / np.square(held - WEIGHTS).mean()))
    assert rises[0] == 1.0 <= rises[1] < rises[2] < rises[3]
    assert LIMIT_RISES == (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
    assert set(rises) <= set(LIMIT_RISES)
    assert kept[2] > 10, "raised limits load the wires less: 9 dB where nothing reckons with it"
    np.testing.assert_array_equal(compensated(WEIGHTS, limits, wide, None, may_rise=False)[1], limits)


@pytest.mark.parametrize(
    ("ohm", "cell", "array"),
    [
        (30.0, {}, {}),
        (60.0, {"g_min_uS": 4.0}, {"access_resistance_ohm": 3000.0}),
        (300.0, {"drift": "none"}, {}),
    ],
    ids=["raised", "smallest conductance", "as far as it goes"],
)
def test_three_rounds_choose_limits_and_levels(
    ohm: float, cell: dict[str, Any], array: dict[str, Any]
) -> None:
    chip = changed(wired(ANALOG, ohm), cell=cell, array=array)
    limits = column_limits(WEIGHTS, chip.cell.levels, uniform=True)
    levels, raised = compensated(WEIGHTS, limits, chip, None, may_rise=True)
    wanted, rise = by_hand.levels_for_wires(WEIGHTS, chip)
    np.testing.assert_allclose(raised, limits * rise)
    assert (levels != wanted).mean() < 1e-3  # what lies on a half
    assert rise > 1


@pytest.mark.parametrize(("kind", "final"), [("analog", False), ("analog", True), ("adc", False)])
def test_amplifiers_are_off_by_their_draws(kind: str, final: bool) -> None:
    """In percent of the largest sum, at least of one unit; no gain is below a
    hundredth. Nothing is off before converters, and no gain of the last layer."""
    errors = {"column_gain_mismatch_percent": 30.0, "column_offset_percent": 5.0, "column_noise_percent": 3.0}
    chip = changed("ideal", readout={"kind": kind} | errors)
    drawn = np.array([[1.0, -1.0, -4.0], [1.0, 0.5, -2.0]])
    for sums, full in ((np.array([[3.0, -700.0, 20.0]]), 700.0), (np.zeros((4, 3)), 1.0)):
        columns = build_columns(sums, chip, drawn, final=final)
        of = kind == "analog"
        np.testing.assert_allclose(columns.gain, [1.3, 0.7, 0.01] if of and not final else np.ones(3))
        np.testing.assert_allclose(columns.offset, of * 0.05 * full * drawn[1])
        assert columns.noise == pytest.approx(of * 0.03 * full)


def test_a_layers_noise_is_of_its_columns_and_bias_rows_up_to_16_bits() -> None:
    def columns(noise: float) -> Columns:
        return Columns(np.ones(3), np.zeros(3), noise)

    assert [total_noise(None, None, 9), total_noise(columns(3.0), None, 9)] == [0, 3]
    assert total_noise(columns(65_535.0), None, 9) == 65_535
    with pytest.raises(
        CompileError, match="column noise is 65536 accumulator units; accepted: at most 65535"
    ):
        total_noise(columns(65_536.0), None, 9)
    bias = BiasCells(mapped(IDEAL), np.zeros(4), np.zeros(4))  # 60 rows
    assert total_noise(None, bias, 25_600) == round(100**0.5 * 60**0.5 * 255)
    assert total_noise(columns(7_000.0), bias, 25_600) == round((7_000**2 + 6000 * 255**2) ** 0.5)


def test_64_rows_hold_a_bias() -> None:
    chip, rng = (
        changed("ideal", readout={"kind": "analog", "range_policy": "layer", "bias": "cells"}),
        np.random.default_rng(0),
    )
    of = map_weights(np.ones((9, 2)), chip, rng)
    assert program_bias(64.0 * of.limits * [1, -0.1], of, chip, rng).levels.shape == (64, 2)
    with pytest.raises(CompileError, match="a bias is 65 times the largest weight of its column; accepted"):
        program_bias(64.01 * of.limits, of, chip, rng)


PLACED = mitigated(row_placement=True)


def faulty(name="dendritic-analog", *, percent=8.0, **array):
    return changed(name, cell={"stuck_low_percent": percent, "stuck_high_percent": percent}, array=array)


def half_dark(rows=40):
    """Half of the inputs are dark."""
    x = np.random.default_rng(0).integers(0, 256, (300, rows))
    return np.where(np.arange(rows) % 2, x, x // 20).astype(np.uint8)


def test_no_permutation_is_better():
    rng = np.random.default_rng(2)
    described = faulty()
    target = rng.uniform(0, 40, (2, 6, 3))
    stuck = rng.choice([0, 0, STUCK_LOW, STUCK_HIGH], (2, 6, 3)).astype(np.int8)
    volts = rng.uniform(0, 0.2, 6)

    def lost(place):
        here = stuck[:, list(place)]
        got = described.cell.with_stuck(compensate(target, here, described), here)
        return (np.square((got[0] - got[1]) - (target[0] - target[1])) * volts[:, None] ** 2).sum()

    found = places(target, stuck, described, volts)
    assert sorted(found) == list(range(6))
    assert lost(found) == pytest.approx(min(map(lost, itertools.permutations(range(6)))))


def test_rows_stay_in_their_converters_tile():
    described = faulty("wan2022", rows=8)
    mapped = map_network(centred_network(), described, half_dark(), options=PLACED)
    for array in mapped.die.arrays:
        place = array.mapped.cells.place
        np.testing.assert_array_equal(place // 8, np.arange(len(place)) // 8)


def test_cells_lie_where_their_rows_are_placed():
    """The wires' part, by the crossbar of the physical rows; rows that are wired
    keep their places."""
    mapped = map_network(centred_network(), faulty(wire_resistance_ohm=20.0), half_dark(), options=PLACED)
    first, second = (array.mapped.cells for array in mapped.die.arrays)
    assert second.place is None
    assert (first.place != np.arange(40)).any()
    for side, g in enumerate(first.faulted):
        physical = np.empty_like(g)
        physical[first.place] = g
        np.testing.assert_allclose(first.effective[side], effective_matrix(physical, 20.0)[first.place])


def lost_on_wired_rows(net, described, x) -> float:
    """Square of what stuck cells take from the second layer's currents, by its rows'
    mean square inputs."""
    mapped = map_network(net, described, x, seed=3, options=PLACED).die.arrays[1].mapped
    cells, hidden = mapped.cells, net.activations(x / np.float32(255))[0]
    plus, minus = pair_targets(mapped.levels.astype(int), described.cell)
    off = (cells.faulted[0] - cells.faulted[1]) - (plus - minus)
    return float((np.square(off).sum(axis=1) * np.square(hidden).mean(axis=0)).sum())


def test_units_are_ordered_by_both_levels_of_a_binary_cell() -> None:
    net, x, binary = centred_network(), half_dark(), changed(faulty(), cell={"levels": 2})
    ordered = in_order(net, binary, x, 3)
    assert lost_on_wired_rows(ordered, binary, x) < 0.2 * lost_on_wired_rows(net, binary, x)


@pytest.mark.slow
def test_units_in_another_order_compute_the_same_and_lose_less():
    """The second layer's rows are wired: the order of the first layer's units
    decides what is on them."""
    net, x, described = centred_network(), half_dark(), faulty()
    ordered = in_order(net, described, x, 3)
    np.testing.assert_allclose(ordered.forward(x / 255), net.forward(x / 255), atol=1e-4)
    assert not np.array_equal(ordered.products[0].dense.bias, net.products[0].dense.bias)
    assert lost_on_wired_rows(ordered, described, x) < 0.5 * lost_on_wired_rows(net, described, x)
    deep = random_network((40, 12, 10, 4))
    ordered = in_order(deep, described, x, 3)
    np.testing.assert_allclose(ordered.forward(x / 255), deep.forward(x / 255), atol=1e-4)
    kept = [np.array_equal(*(of.products[i].dense.bias for of in (ordered, deep))) for i in range(3)]
    assert kept == [False, False, True]
    other = in_order(net, faulty("wan2022"), x, 3)
    np.testing.assert_array_equal(other.products[0].dense.bias, net.products[0].dense.bias)

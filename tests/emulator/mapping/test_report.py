"""The report of a compilation: every number of a layer, worked out again
from program and die."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.pulsing import PulseCount
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.array import readout
from ndrite.emulator.mapping import NOTHING, MapOptions, Mapped, Mitigation, map_network
from ndrite.emulator.mapping.report import HELPS, TableReport
from ndrite.emulator.mapping.weights import column_limits
from ndrite.emulator.spec import Layer
from tests.chips import changed, mitigated, random_network
from tests.refusals import refused
from tests.stimulus import quiet

NET = random_network((40, 24, 16, 5))
X = np.random.default_rng(8).integers(0, 256, (120, 40), dtype=np.uint8)
STUCK = {"stuck_low_percent": 2.0, "stuck_high_percent": 1.0}
COARSE = {"adc_bits": 7, "gain_mismatch_percent": 3.0, "offset_mismatch_lsb": 2.0}
DAY = {"time_since_programming_s": 86_400.0}
SPREAD = {"column_offset_percent": 2.0, "column_gain_mismatch_percent": 3.0}
CHIPS = {
    "converters": changed("wan2022", array={"rows": 16}, cell=STUCK, readout=COARSE),
    "slices": changed("wan2022", input={"dac_bits": 4}, cell={"drift": "wan2022"}, conditions=DAY),
    "columns": changed("dendritic-analog", array={"wire_resistance_ohm": 10.0}, cell=STUCK, readout=SPREAD),
}


def conversions(layer: Layer, codes: np.ndarray, rows: int) -> list[tuple[int, np.ndarray]]:
    """Column sums (n, M) of every tile and slice, with the slice's number."""
    top, weights = (1 << layer.dac_bits) - 1, layer.weights.astype(np.int64)
    return [
        (j, (codes[:, k : k + rows] >> j * layer.dac_bits & top) @ weights[k : k + rows])
        for k in range(0, codes.shape[1], rows)
        for j in range(8 // layer.dac_bits)
    ]


def decibels(signal: np.ndarray, error: np.ndarray) -> float:
    return float(10 * np.log10(signal.var(axis=0).sum() / np.square(error).mean(axis=0).sum()))


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_every_number_is_what_program_and_die_make_of_the_samples(chip: Chip) -> None:
    program, die, report = map_network(NET, chip, X, seed=4)
    maps = [m.reshape(len(X), -1).astype(np.int64) for m in Core(quiet(program)).maps(X)]
    exact, adc = X / 255.0, chip.readout.kind == "adc"
    for dense, layer, array, told, codes in zip(
        NET.layers, program.layers, die.arrays, report.layers, maps, strict=False
    ):
        w, mapped, parts = dense.weights.astype(float), array.mapped, conversions(layer, codes, program.rows)
        wanted = exact @ w + dense.bias
        sums = sum(readout(s, layer, j) for j, s in parts) if adc else codes @ layer.weights.astype(np.int64)
        gain = 1.0 if array.columns is None else array.columns.gain
        held = (sums + layer.bias) * gain * array.step
        if array.window is not None:
            held = held - array.window.zero * array.neurons.peaks / array.window.per_unit
        assert told.snr_db == pytest.approx(decibels(wanted, wanted - held), abs=0.1)
        size = np.sqrt(np.square(w).mean())
        of_levels = mapped.levels * (mapped.limits / (chip.cell.levels - 1))
        of_codes = mapped.codes * mapped.unit
        errors = [np.sqrt(np.square(of - w).mean()) / size for of in (of_levels, of_codes)]
        assert [told.quantisation_error, told.programmed_error] == pytest.approx(errors)
        assert told.limited_weights == (np.abs(w) > mapped.limits * 1.000001).sum()
        assert told.stuck_cells == (mapped.cells.stuck != 0).sum()
        assert (told.inputs, told.outputs) == w.shape
        assert told.tiles == (-(-w.shape[0] // chip.array.rows) if adc else 1)
        span = array.step * (2**layer.adc_bits - 1)
        assert told.adc_range == pytest.approx((span.min(), span.max()) if adc else (0, 0))
        cut = 0.0
        if adc:
            of = array.designed
            c = np.array([np.rint(s * (of.gain / 2.0**of.shift)) + of.offset for _, s in parts])
            edge = 1 << layer.adc_bits - 1
            cut = ((c < -edge) | (c >= edge)).mean()
        assert told.adc_clipped == pytest.approx(cut)
        if dense.activation is None:
            assert (told.voltage_clipped, told.curves) == (0, 0)
            assert (told.pwl_error_lsb, told.tail_error_lsb) == (0, 0)
            assert (told.unreachable_neurons, told.bistable_neurons) == (0, 0)
            continue
        v = np.rint((sums + layer.bias) * (layer.scale / 2.0**layer.vshift))
        assert told.voltage_clipped == pytest.approx(((v <= -2048) | (v >= 2047)).mean(), abs=1e-3)
        assert told.curves == len(np.unique(layer.curve))
        exact = dense.activation(wanted.astype(np.float32)).astype(float)
    for array, row in zip(die.arrays, die._repr_html_().split("<tr>")[2:], strict=True):
        assert f">{(array.mapped.cells.stuck != 0).sum()}<" in row
    assert report.pwl_error_lsb == max(told.pwl_error_lsb for told in report.layers) > 0


def of_first(mapped: Mapped) -> np.ndarray:
    """Mean pre-activation (M,) that the first layer's converters show, before its curve."""
    program, array = mapped.program, mapped.die.arrays[0]
    layer = program.layers[0]
    parts = conversions(layer, X.astype(np.int64), program.rows)
    held = (sum(readout(s, layer, j) for j, s in parts) + layer.bias) * array.step
    return held.mean(axis=0) - array.window.zero * array.neurons.peaks / array.window.per_unit


@pytest.mark.parametrize("name", ["converters", "slices"])
def test_corrections_are_told_as_large_as_they_are(name: str) -> None:
    """The largest of them, against the same die without: of a column's
    mean, and of its gain."""
    on, plain, ungained = (
        map_network(NET, CHIPS[name], X, seed=4, options=mitigated(**measures))
        for measures in ({}, {"bias_correction": False}, {"gain_calibration": False})
    )
    told, dense = on.report.layers[0], NET.layers[0]
    off = (X / 255.0 @ dense.weights + dense.bias).mean(axis=0) - of_first(plain)
    rounding = plain.die.arrays[0].step.max() / 2  # of the program's bias
    assert told.bias_correction == pytest.approx(np.abs(off).max(), abs=rounding)
    assert told.bias_correction > 4 * rounding
    assert plain.report.layers[0].bias_correction == ungained.report.layers[0].gain_correction == 0
    # In a hidden layer's scale; of the last layer, which has one step for all,
    # in its converters.
    first = ungained.die.arrays[0]
    np.testing.assert_allclose(first.step, first.mapped.unit * first.designed.lsb / 255)
    factor = on.die.arrays[0].step / first.step
    assert told.gain_correction == pytest.approx(np.abs(factor - 1).max(), rel=1e-3)
    last, layer = on.die.arrays[-1], on.program.layers[-1]
    assert np.ptp(last.step) == 0
    designed = 255 * last.step / (last.designed.lsb * last.mapped.unit)
    trim = layer.gain / last.built.gain.astype(float)
    # What drift takes is known before a range is chosen: only what the converter
    # takes is trimmed.
    assert (np.abs(trim - 1).max() < 0.01) == (name == "slices")
    factor = designed * trim
    assert on.report.layers[-1].gain_correction == pytest.approx(np.abs(factor - 1).max(), abs=2e-4)


PULSES = dict.fromkeys((field.name for field in dataclasses.fields(PulseCount)), 0)


def pulses(**changes: float) -> dict[str, PulseCount]:
    return {"pulses": PulseCount(**(PULSES | changes))}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"tail_error_lsb": 5.0, "noisy_snr_db": 6.0, "stuck_cells": 9}, None),
        ({"tail_error_lsb": 5.1}, "a neuron is up to 5 of 255 steps off"),
        ({"noisy_snr_db": 5.9}, "its signal is 5.9 dB above its errors, mostly of cells; 6 dB and more"),
        ({"saturated_codes": 3}, "3 of 1920 conductances are beyond"),
        ({"unreachable_neurons": 2}, "2 of 24 neurons want a curve"),
        ({"bistable_neurons": 1}, "1 of 24 neurons are bistable"),
        (pulses(cells=7, given_up=2), "2 of 7 cells were never read"),
        (pulses(error_uS=2.0, law_uS=4.0), None),
        (pulses(error_uS=1.9, law_uS=4.0), "pulses leave cells 1.9 uS from their targets"),
        (pulses(error_uS=4.0, law_uS=2.0), None),
        (pulses(error_uS=4.1, law_uS=2.0), "pulses leave cells 4.1 uS from their targets"),
        (pulses(error_uS=4.1), None),
    ],
)
def test_a_layer_warns_of_what_is_out_of_bounds(changes: dict[str, Any], line: str | None) -> None:
    report = map_network(NET, "ideal", X).report
    layer = dataclasses.replace(report.layers[0], **{"largest_cause": "cells"} | changes)
    warnings = dataclasses.replace(report, layers=(report.layers[1], layer)).warnings
    assert [warning.startswith(f"layer 1: {line}") for warning in warnings] == [True] * (line is not None)


def test_a_table_warns_of_functions_out_of_reach() -> None:
    tables = tuple(
        TableReport(functions=5, curves=2, pwl_error_lsb=0.0, unreachable=count) for count in (0, 3)
    )
    report = dataclasses.replace(map_network(NET, "ideal", X).report, tables=tables, unused=())
    assert [line.split(" want ")[0] for line in report.warnings] == ["table 1: 3 of 5 functions"]


def given(name: str, value: float) -> None:
    mitigated(**{name: value})


test_measures_out_of_range_are_refused = refused(
    CompileError,
    (given, "write_verify_attempts", -1, "write_verify_attempts is -1; accepted: 0..100"),
    (given, "write_verify_attempts", 101, "write_verify_attempts is 101; accepted: 0..100"),
    (given, "write_verify_tolerance_percent", 0, "percent is 0; accepted: above 0, at most 100"),
    (given, "write_verify_tolerance_percent", 101, "percent is 101; accepted: above 0, at most 100"),
)


def test_the_ends_of_what_measures_accept_and_what_is_on_by_default() -> None:
    ends = mitigated(write_verify_attempts=100, write_verify_tolerance_percent=100.0).mitigation
    on = {"range_calibration": True, "bias_correction": True, "fault_aware": True, "row_placement": False}
    on |= {"gain_calibration": None, "wire_compensation": None}
    usual = {"write_verify_attempts": 0, "write_verify_tolerance_percent": 2.0}
    assert dataclasses.asdict(Mitigation()) == on | usual
    assert dataclasses.asdict(ends) == on | dict.fromkeys(usual, 100)
    assert dataclasses.asdict(NOTHING) == dict.fromkeys(on, False) | usual
    flags = {name: getattr(MapOptions(), name) for name in ("nominal", "column_steps")}
    assert (flags, MapOptions().first_product) == (dict.fromkeys(flags, False), 0)


def test_the_worst_layers_are_named_with_what_helps() -> None:
    report = map_network(NET, CHIPS["converters"], X, seed=4).report
    order = sorted(report.layers, key=lambda layer: layer.noisy_snr_db)
    *lines, _ = rows = report.worst_layers()
    numbers = [report.layers.index(layer) for layer in order[:2]]
    assert [name for name, _ in rows] == [*(f"layer {n}" for n in numbers), *["what helps"] * (len(rows) - 2)]
    for layer, (_, line) in zip(order, lines, strict=False):
        assert line == f"{layer.noisy_snr_db:.1f} dB above its errors, mostly of {layer.largest_cause}"
    assert [help for _, help in rows[2:]] == list(dict.fromkeys(HELPS[x.largest_cause] for x in order[:2]))


def test_columns_share_a_limit_where_their_sums_are_compared() -> None:
    """An analog layer's outputs, by the weights; behind one transimpedance in units
    of their neurons."""
    _, die, _ = map_network(NET, CHIPS["columns"], X, seed=4, options=mitigated(wire_compensation=False))
    assert np.ptp(die.arrays[-1].mapped.limits) == 0
    peaks, first = die.arrays[0].neurons.peaks, die.arrays[0].mapped
    even = column_limits(NET.layers[0].weights / peaks, die.chip.cell.levels, uniform=True)
    np.testing.assert_allclose(first.limits, even * peaks)

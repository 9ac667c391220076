"""The breakdown agrees with the golden model, with the weights, and with what is known
of single causes."""

import dataclasses
import functools

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import NOTHING, MapOptions, Mapped, map_network
from ndrite.emulator.mapping.explain import CAUSES, Trial, explain, mitigation_benefits, mitigations, snr_db
from ndrite.emulator.mapping.explain.explain import ALL, PROGRAM, SNR_MAX_DB, Explanation, accuracy
from ndrite.emulator.mapping.explain.forward import Forward, stages, weight_changes
from ndrite.emulator.network import Network
from ndrite.emulator.network.activation import Named
from ndrite.emulator.network.nodes import Dense, Product, Table
from ndrite.emulator.spec.evaluate import At
from ndrite.emulator.spec.patches import Patches
from tests.chips import changed, random_network, samples
from tests.emulator.mapping import test_graphs as graphs
from tests.kan import INPUTS, kan
from tests.stimulus import step_of

CHIPS = ["wan2022", "dendritic-ndr", "dendritic-analog", "ideal"]

NET = random_network((140, 30, 5), seed=1)
SAMPLES, X = samples(NET, 400), samples(NET, 400, seed=2)
LABELS = NET.forward(X / np.float32(255)).argmax(axis=1)


def explained(name, **sections):
    compiled = map_network(NET, changed(name, **sections), SAMPLES, seed=3)
    return explain(NET, compiled.program, compiled.die, SAMPLES, X, LABELS)


of_preset = functools.cache(explained)
"""The same of a preset as it is; more than one test asks."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CHIPS)
def test_weight_changes_add_up_to_the_chips_weights(name):
    chip = load_chip(name)
    compiled = map_network(NET, chip, SAMPLES, seed=3)
    for dense, array in zip(NET.layers, compiled.die.arrays, strict=True):
        total = dense.weights + sum(weight_changes(dense, array, chip).values())
        np.testing.assert_allclose(total, array.mapped.effective, atol=1e-6)


def test_without_causes_the_breakdown_computes_what_the_network_does() -> None:
    """Residual connections, by weights other than 1, and pools."""
    network = graphs.residual()
    x = np.random.default_rng(8).integers(0, 256, (20, network.inputs)).astype(np.uint8)
    compiled = map_network(network, "ideal", x)
    built = stages(network, compiled.program, compiled.die)
    model = Forward(network, compiled.program, compiled.die, built, [])
    assert any(node.skip is not None and np.ptp(node.skip_weight) for node in network.products)
    np.testing.assert_allclose(model.logits(x), network.forward(x / np.float32(255)), rtol=1e-4, atol=1e-5)


def test_a_function_of_joined_maps() -> None:
    """At several positions: its values are (n, rows, columns, channels)."""
    rng = np.random.default_rng(8)
    parts = [graphs.convolution(rng, 0, (2, 4, 4), count) for count in (3, 4)]
    function = Table((1, 2), np.arange(7), np.full(7, 4.0), np.full(7, -2.0), Named("sigmoid"))
    last = Product(graphs.dense(rng, 112, 3, last=True), (3,), Patches.whole((7, 4, 4)))
    network = Network((*parts, function, last), (2, 4, 4), "joined")
    x = rng.integers(0, 256, (50, network.inputs)).astype(np.uint8)
    labels = network.forward(x / np.float32(255)).argmax(axis=1)
    compiled = map_network(network, "ideal", x)
    result = explain(network, compiled.program, compiled.die, x, x, labels)
    assert result.reference == 1.0
    assert result.row(ALL).score == pytest.approx(result.row(PROGRAM).score, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("dac_bits", [8, 2])
def test_all_causes_together_are_as_bad_as_the_golden_model(name, dac_bits):
    if name == "dendritic-analog" and dac_bits != 8:
        pytest.skip("its columns add no slices")
    result = explained(name, input={"dac_bits": dac_bits})
    everything, golden = result.row(ALL), result.row(PROGRAM)
    assert everything.snr_corrected_db == pytest.approx(golden.snr_db, abs=1.5)
    assert everything.score_corrected == pytest.approx(golden.score, abs=0.04)
    assert everything.snr_db <= everything.snr_corrected_db + 0.1
    for row in result.rows[:-2]:
        # Errors as large as the signal may cancel a little.
        assert row.snr_db > everything.snr_db - 1.0, f"{row.cause} alone is not worse than all"


def test_lost_and_won_are_counted_on_the_same_samples():
    """Their difference is that of the accuracies; of the program both are
    counted again here."""
    result = of_preset("wan2022")
    for row in result.rows:
        assert row.lost - row.won == round((result.reference - row.score) * len(X))
    floats = NET.forward(X / np.float32(255)).argmax(axis=1) == LABELS
    compiled = map_network(NET, "wan2022", SAMPLES, seed=3)
    answers = Core(compiled.program).infer(X, seed=0).argmax(axis=1) == LABELS
    assert (result.program.lost, result.program.won) == ((floats & ~answers).sum(), (answers & ~floats).sum())
    assert result.program.lost != result.program.won


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "sections"),
    [
        ("quantised weights", {"cell": {"levels": 5}}),
        ("programming error", {"cell": {"programming_error": "wan2022"}}),
        ("drift", {"cell": {"drift": "wan2022"}, "conditions": {"time_since_programming_s": 86400.0}}),
        ("faults", {"cell": {"stuck_high_percent": 2.0}}),
        ("IR drop", {"array": {"wire_resistance_ohm": 2.0}}),
        (
            "settling",
            {"array": {"wire_resistance_ohm": 1e-3, "wire_capacitance_fF": 1e3, "read_time_ns": 0.01}},
        ),
        ("ADC nonlinearity", {"readout": {"compression_percent": 20.0}}),
        ("ADC rounding", {"readout": {"adc_bits": 5}}),
        ("converter mismatch", {"readout": {"gain_mismatch_percent": 5.0}}),
        ("read noise", {"cell": {"read_noise_percent": 3.0}}),
        ("read noise", {"readout": {"output_noise_lsb": 16.0}}),
        ("telegraph noise", {"cell": {"telegraph_percent": 20.0, "telegraph_step_percent": 40.0}}),
        ("NDR device", {"neuron": {"peak_voltage_variation_percent": 20.0}}),
        ("load line", {"neuron": {"source_resistance_ohm": 300.0}}),
    ],
)
def test_a_cause_shows_in_its_own_row_only(cause, sections):
    plain = of_preset("ideal")
    hurt = explained("ideal", **sections)
    assert hurt.row(cause).snr_db < min(plain.row(cause).snr_db - 6, 33)
    # ADC ranges follow the sums, and codes the headroom, so the others may move a little.
    loose = {"ADC clipping", "ADC rounding", "quantised weights", "PWL fit"}
    loose |= {"IR drop"} if cause == "settling" else set()  # wires that settle slowly have a resistance
    for other in set(CAUSES) - {cause} - loose:
        assert hurt.row(other).snr_db == pytest.approx(plain.row(other).snr_db, abs=2), other
    if "noise" in cause:  # nothing else on this chip comes near: it is as strong as the golden model's
        assert hurt.row(cause).snr_db == pytest.approx(hurt.row(PROGRAM).snr_db, abs=1.2)


def test_a_compressed_column_loses_the_stated_part_at_the_end_of_its_range():
    """By hand, of one layer: y / (1 + n |y|) of currents in the converter's steps,
    n of each column."""
    net = Network.chain([Dense(NET.products[0].dense.weights, NET.products[0].dense.bias, None)])
    chip = changed("ideal", readout={"compression_percent": 20.0, "compression_mismatch_percent": 100.0})
    mapped = map_network(net, chip, SAMPLES, seed=3)
    (stage,) = stages(net, mapped.program, mapped.die)
    assert stage.compression.std() > 0.02
    spread = 1 + np.random.Generator(np.random.Philox(key=[3, 0])).standard_normal(30)
    assert spread.min() < 0
    np.testing.assert_allclose(stage.compression, 0.25 * np.maximum(spread, 0.0))
    alike = dataclasses.replace(chip.readout, compression_mismatch_percent=0.0)
    die = dataclasses.replace(mapped.die, chip=dataclasses.replace(chip, readout=alike))
    (equal,) = stages(net, mapped.program, die)
    full_scale = 1 / (1 + equal.compression)
    np.testing.assert_allclose(full_scale, 0.8)
    model = Forward(net, mapped.program, mapped.die, [stage], ["ADC nonlinearity"])
    (array,) = mapped.die.arrays
    dense = net.products[0].dense
    step = array.designed.lsb * array.mapped.unit / 255
    full, wanted, largest = 1 << (mapped.program.layers[0].adc_bits - 1), dense.bias.astype(np.float64), 0.0
    for rows in (slice(128), slice(128, 140)):
        steps = X[:, rows].astype(np.float64) @ dense.weights[rows] / (255 * step)
        wanted = wanted + steps / (1 + stage.compression * np.abs(steps) / full) * step
        largest = max(largest, np.abs(steps).max() / full)
    np.testing.assert_allclose(model.logits(X), wanted, atol=1e-6 * np.abs(wanted).max())
    assert largest > 0.5


@pytest.mark.parametrize(
    "causes", [["ADC rounding"], ["ADC clipping"], ["ADC rounding", "ADC clipping"]], ids=str
)
def test_converters_round_and_clip_as_built(causes):
    """By hand, of one layer: codes of 4 bits, and a half more at both ends
    where none is rounded."""
    net = Network.chain([Dense(NET.products[0].dense.weights, NET.products[0].dense.bias, None)])
    mapped = map_network(net, changed("ideal", readout={"adc_bits": 4}), SAMPLES // 2, seed=3)
    (stage,) = stages(net, mapped.program, mapped.die)
    (array,), dense = mapped.die.arrays, net.products[0].dense
    step = array.designed.lsb * array.mapped.unit / 255
    wanted, cut = dense.bias.astype(np.float64), 0
    for rows in (slice(128), slice(128, 140)):
        codes = X[:, rows].astype(np.float64) @ dense.weights[rows] / (255 * step) + array.designed.offset
        codes = np.rint(codes) if "ADC rounding" in causes else codes
        if "ADC clipping" in causes:
            low, high = (-8, 7) if "ADC rounding" in causes else (-8.5, 7.5)
            cut += ((codes < low) | (codes > high)).sum()
            codes = np.clip(codes, low, high)
        wanted = wanted + (codes - array.designed.offset) * step
    model = Forward(net, mapped.program, mapped.die, [stage], causes)
    off = np.abs(model.logits(X) - wanted) > 1e-6 * np.abs(wanted).max()
    assert off.mean() < 1e-3  # sums on a half
    assert (cut > 100) == ("ADC clipping" in causes)


@pytest.mark.parametrize(("name", "gain", "wire"), [("dendritic-analog", "-", "-"), ("ideal", "+", "+")])
def test_a_comparison_of_measures_switches_one_at_a_time(name: str, gain: str, wire: str) -> None:
    none, usual, *cases = mitigations(load_chip(name)).items()
    assert none == ("none", NOTHING)
    assert usual[0] == "default"
    default, switched = dataclasses.asdict(usual[1]), []
    for _, measures in cases:
        ((field, value),) = dataclasses.asdict(measures).items() - default.items()
        switched.append((field, value))
    signs = {"range": "-", "bias": "-", "gain": gain, "fault": "-", "row": "+", "wire": wire}
    assert [value for _, value in switched] == [*(sign == "+" for sign in signs.values()), 5]
    names = [
        f"default {signs[field[: field.index('_')]]} {field.replace('_', ' ')}" for field, _ in switched[:-1]
    ]
    assert [name for name, _ in cases] == [*names, "default + 5 write-verify passes"]


def test_the_worth_of_a_measure_is_a_mean_over_dies() -> None:
    net, seen = random_network((20, 8, 4)), []
    x, labels = samples(net, 60), np.arange(60) % 4
    how = {"seeds": (1, 2), "reads": 5, "progress": lambda *done: seen.append(done)}
    trial = Trial(net, x, labels)
    worth = mitigation_benefits(trial, load_chip("wan2022"), x, **how)
    assert seen == [(i + 1, 9) for i in range(9)]
    dies = [map_network(net, "wan2022", x, seed=s, options=MapOptions(mitigation=NOTHING)) for s in (1, 2)]
    each = [trial.judge("none", die, seed=5) for die in dies]
    assert worth[0].name == "none"
    for field in ("score", "snr_db"):
        assert getattr(worth[0], field) == pytest.approx(np.mean([getattr(one, field) for one in each]))
    # By default of die 0, whose number is that of its read noise too.
    die = map_network(net, "wan2022", x, seed=0, options=MapOptions(mitigation=NOTHING))
    usual = mitigation_benefits(trial, load_chip("wan2022"), x)[0]
    assert usual == trial.judge("none", die) == trial.judge("none", die, seed=0)


def test_columns_are_off_by_their_own_gain_and_offset() -> None:
    """By hand, through both layers."""
    chip = changed("dendritic-analog", readout={"column_gain_mismatch_percent": 9.0, "bias": "digital"})
    one, y = map_network(NET, chip, SAMPLES, seed=3), X / 255
    for dense, array in zip(NET.layers, one.die.arrays, strict=True):
        columns = array.columns
        z = y @ dense.weights * columns.gain + columns.offset * array.step + dense.bias
        y = z if dense.activation is None else dense.activation(z.astype(np.float32))
    model = forward(one, "converter mismatch", net=NET)
    np.testing.assert_allclose(model.logits(X), y, atol=1e-4 * np.abs(y).max())


@pytest.mark.parametrize("activation", ["ndr", "relu"])
def test_one_gain_of_all_columns_counts_them_in_units_of_their_devices(activation: str) -> None:
    """By hand, of the first layer; relu has no devices. The last layer has no
    gain, only biases."""
    net = random_network((40, 24, 5), activation)
    x = samples(net, 60)
    one = map_network(net, changed("dendritic-analog", cell={"stuck_high_percent": 5.0}), x, seed=3)
    model = forward(one, "faults", net=net)
    model.correct(x)
    (gain, bias), (last_gain, _) = model.corrections
    neurons, stage = one.die.arrays[0].neurons, model.built[0]
    assert (neurons is None) == (activation == "relu")
    peaks = 1.0 if neurons is None else neurons.peaks
    wanted, sums = (x / 255 @ weights for weights in (stage.weights, stage.weights + stage.changes["faults"]))
    a, b = ((y - y.mean(axis=0)) / peaks for y in (wanted, sums))
    np.testing.assert_allclose(gain, np.full(24, (a * b).sum() / (b * b).sum()))
    np.testing.assert_allclose(bias, (wanted - gain * sums).mean(axis=0), atol=1e-6)
    assert (last_gain == 1).all()


GRAPH = graphs.NETWORKS["small"]  # 100 positions of 9 inputs in its first product, 10 inputs in its last


@pytest.mark.parametrize(
    ("net", "rows", "count"), [(GRAPH, 2000, 20), (GRAPH, 1, 16), (NET, 1, 180), (GRAPH, None, 163)]
)
def test_corrections_of_maps_are_computed_on_few_samples(
    net: Network, rows: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default those of 16,384 positions."""
    x = samples(net, 180)
    one = map_network(net, "wan2022", x, seed=3)
    few, wanted = (forward(one, "programming error", net=net) for _ in range(2))
    if rows is not None:
        monkeypatch.setattr("ndrite.emulator.mapping.explain.forward.CORRECTED_ROWS", rows)
    few.correct(x)
    monkeypatch.undo()
    wanted.correct(x[:count])
    for pair, wanted_pair in zip(few.corrections, wanted.corrections, strict=True):
        np.testing.assert_array_equal(pair, wanted_pair)


@pytest.mark.parametrize(
    ("values", "batches"), [(2700, [(3, 0), (3, 3), (1, 6)]), (899, [(1, i) for i in range(7)])]
)
def test_a_batch_has_as_many_samples_as_its_patch_values_allow(
    values: int, batches: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = samples(GRAPH, 20)
    model = forward(map_network(GRAPH, "ideal", x), net=GRAPH)
    run, seen = model._run, []

    def recorded(part: np.ndarray, exact: None, first: int) -> np.ndarray:
        seen.append((len(part), first))
        return run(part, exact, first)

    whole = model.logits(x[:7])
    monkeypatch.setattr("ndrite.emulator.mapping.explain.forward.VALUES_MAX", values)
    monkeypatch.setattr(model, "_run", recorded)
    np.testing.assert_allclose(model.logits(x[:7]), whole)
    assert seen == batches


def test_snr():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(20000, 4))
    assert snr_db(a, a + 0.1 * rng.normal(size=a.shape)) == pytest.approx(20, abs=0.1)
    assert snr_db(a, a) == SNR_MAX_DB
    assert snr_db(a, a + 3) == pytest.approx(-9.54, abs=0.1)
    assert snr_db(np.ones((5, 2)), np.zeros((5, 2))) == -SNR_MAX_DB
    even = np.array([[1.0], [-1.0]] * 500)
    assert SNR_MAX_DB == 100
    for error, ratio_db in ((5e-11, 100), (5e-10, 93.01), (5e9, -96.99), (5e10, -100)):
        assert snr_db(even, even + error**0.5) == pytest.approx(ratio_db, abs=0.01)


@pytest.mark.parametrize(
    # A measure, and how 0.5 of it is shown.
    ("measure", "shown"),
    [("accuracy", "50.00 %"), ("label_accuracy", "50.00 %"), ("rms_error", "0.5")],
)
def test_shares_of_right_answers_are_shown_in_percent(measure: str, shown: str) -> None:
    explanation = Explanation(
        network="mine", chip="ideal", samples=10, measure=measure, reference=0.25, rows=()
    )
    assert (explanation.said(0.5), explanation.said(None)) == (shown, "")


def test_accuracy_is_the_share_of_rows_whose_first_largest_output_is_the_label() -> None:
    outputs = np.array([[3, 3, 1, 0], [0, 1, 2, 2], [5, 6, 7, 8]])
    assert [accuracy(outputs, np.array(labels)) for labels in ([0, 2, 3], [1, 2, 0])] == [1, 1 / 3]
    assert np.isnan(accuracy(outputs[:0], np.zeros(0)))


KAN_X = np.random.default_rng(1).integers(0, 256, (80, INPUTS), dtype=np.uint8)
KAN = kan()
KAN_LABELS = KAN.forward(KAN_X / np.float32(255)).argmax(axis=1)


def made(name: str = "ideal", **neuron: float) -> Mapped:
    chip = changed(name, neuron=neuron)
    return map_network(KAN, chip, KAN_X, seed=3)


def forward(one: Mapped, *causes: str, net: Network = KAN) -> Forward:
    return Forward(net, one.program, one.die, stages(net, one.program, one.die), causes)


def test_the_devices_are_the_dies() -> None:
    """Every map in codes, tables looked up by hand in what the die holds."""
    one = made(peak_voltage_variation_percent=10.0, peak_current_variation_percent=10.0)
    codes = KAN_X.astype(np.int64)
    for table, node, dense in zip(one.die.tables, KAN.nodes[::2], KAN.layers, strict=True):
        curves = np.rint(table.values())
        values = np.stack([curve[codes[:, c]] for curve, c in zip(curves, node.channel, strict=True)], axis=1)
        sums = values / 255 @ dense.weights.astype(np.float64) + dense.bias
        codes = np.rint(255 * np.clip(sums, 0, 1)).astype(np.int64)
    np.testing.assert_allclose(forward(one, "NDR device", "DAC").logits(KAN_X), sums, atol=0.02 * sums.std())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "chip", "neuron"),
    [
        ("NDR device", "ideal", {"peak_voltage_variation_percent": 10.0}),
        ("NDR device", "ideal+ecram-pair", {}),
        ("load line", "ideal", {"source_resistance_ohm": 100.0}),
    ],
)
def test_devices_show_in_their_own_row(cause: str, chip: str, neuron: dict[str, float]) -> None:
    plain, hurt = (
        explain(KAN, one.program, one.die, KAN_X, KAN_X, KAN_LABELS) for one in (made(), made(chip, **neuron))
    )
    assert hurt.row(cause).snr_db < min(40, plain.row(cause).snr_db - 20)
    other = "load line" if cause == "NDR device" else "NDR device"
    assert hurt.row(other).snr_db > 60


@pytest.mark.parametrize("chip", ["ideal", "dendritic-ndr+ecram-pair"])
def test_tables_of_bases_are_the_programs(chip: str) -> None:
    one, node = made(chip), KAN.nodes[0]
    x = KAN_X.reshape(len(KAN_X), INPUTS, 1, 1)
    causes = ["NDR device", "load line", "PWL fit"]
    got = forward(one, *causes).table(At(), node, [x / 255])
    golden = step_of(one.program, 0, {0: x})
    assert np.abs(255 * got - golden).max() <= 0.51
    plain = forward(one, *causes[:2]).table(At(), node, [x / 255])
    assert 0.51 < np.abs(255 * plain - golden).max() < 12


def test_currents_that_have_not_begun_to_arrive_are_a_loss_like_any() -> None:
    """By the far end of these wires nothing has come: changes add up, and no number is nan."""
    array = {"wire_resistance_ohm": 1.0, "wire_capacitance_fF": 100.0, "read_time_ns": 0.002}
    chip = changed("ideal", array=array)
    compiled = map_network(NET, chip, SAMPLES, seed=3)
    for dense, die_array in zip(NET.layers, compiled.die.arrays, strict=True):
        total = dense.weights + sum(weight_changes(dense, die_array, chip).values())
        np.testing.assert_allclose(total, die_array.mapped.effective, atol=1e-6)

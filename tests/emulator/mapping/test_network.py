"""Whole compilations: the ideal chip reproduces the float network, real ones
stay near it, all repeatable; pieces of something larger, with their own
cells, noise and steps."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.device.description import Chip, list_chips, load_chip, parse_chip
from ndrite.emulator.device.description.idle import idle_fields, stated_in_vain
from ndrite.emulator.device.description.schema import SECTIONS
from ndrite.emulator.device.fields import fields_of, number
from ndrite.emulator.errors import CompileError, CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import MapOptions, map_network, program_of
from ndrite.emulator.mapping.devices import trained_outputs
from ndrite.emulator.network import Dense, Gate, Named, Ndr, Network, Sampled, Term
from ndrite.emulator.spec import ProgramError
from tests.chips import centred_network, changed, random_network, samples
from tests.kan import kan
from tests.refusals import refused

IDEAL, WAN = load_chip("ideal"), load_chip("wan2022")


def test_equal_neurons_share_a_curve():
    def curves(net):
        program = map_network(net, IDEAL, samples(net)).program
        return np.hstack([program.curve_base, program.curve_slope])

    assert len(curves(random_network(activation="sigmoid", widths=(20, 16, 12, 4)))) == 1
    stored = curves(random_network((20, 16, 12, 10, 4)))
    assert len(stored) == len(np.unique(stored, axis=0)), "no curve is stored twice"


def test_every_neuron_that_an_ecram_tunes_has_a_curve_of_its_own():
    """Though all are alike at first: states may change one by one."""
    chip = changed("dendritic-ndr", neuron=dict.fromkeys(VARIATIONS, 0.0))
    program, die, _ = map_network(centred_network(heights=1.0), chip, samples(centred_network()))
    assert len(program.curve_base) == 1
    assert program_of(die, program).layers[0].curve.tolist() == list(range(12))
    chip = changed("dendritic-ndr+ecram-pair", neuron=dict.fromkeys(VARIATIONS, 0.0))
    table, *others = kan().nodes
    count = len(table.channel)
    same = dataclasses.replace(table, gain=np.ones(count), shift_by=np.zeros(count))
    same = dataclasses.replace(same, activation=Ndr(np.ones(count), np.full(count, 0.5)))
    alike = dataclasses.replace(kan(), nodes=(same, *others))
    program, die, _ = map_network(alike, changed(chip, ecram={"cycle_percent": 0.0}), samples(alike))
    assert len(np.unique(program.steps[0].curve)) == 1
    assert len(np.unique(program_of(die, program).steps[0].curve)) == count


VARIATIONS = ("peak_voltage_variation_percent", "peak_current_variation_percent")
ACTIVATIONS = [
    Named("relu"),
    Named("sigmoid"),
    Ndr(np.array([0.5, 1.0, 2.0], np.float32), np.array([0.2, 1.0, 0.7], np.float32)),
    Sampled("steep", np.array([[-1, 2], [0.1, 0.9]], np.float32)),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda activation: type(activation).__name__)
def test_what_the_next_layer_should_see_is_what_the_float_network_shows_it(activation):
    z = np.linspace(-4, 6, 201)[:, None] * np.ones(3)
    np.testing.assert_allclose(trained_outputs(activation, z), activation(z.astype(np.float32)), atol=1e-6)


def given(change):
    map_network(random_network(), IDEAL, **{"samples": samples(random_network())} | change)


def gated(gain):
    network = Network((Gate((Term(a=0, gain=gain), Term(a=0, gain=-gain / 2))),), (4, 1, 1), "gated")
    return map_network(network, IDEAL, samples(network))


test_refusals = refused(
    (CompileError, ProgramError),
    (gated, 0.0, "gains of a gate reach 0; accepted: above 0, below 65535"),
    (gated, -65535.0, "gains of a gate reach 65535; accepted: above 0, below 65535"),
    (given, {"samples": np.zeros((20, 39), np.uint8)}, r"samples .*39\); accepted: uint8 \(n, 40\)"),
    (given, {"samples": np.zeros((20, 40))}, "samples are float64"),
    (given, {"samples": np.zeros((15, 40), np.uint8)}, "number of samples is 15; accepted: at least 16"),
    (given, {"seed": -1}, "seed is -1"),
    (given, {"seed": 1 << 63}, "seed is 9223372036854775808"),
    (given, {"options": MapOptions(first_product=-1)}, "at most 256|first_product"),
    (given, {"options": MapOptions(first_product=256)}, "at most 256|first_product"),
)


def test_what_of_the_chip_is_not_used_is_said():
    """A measured NDR table changes nothing in a network of ReLUs: said, with
    what would use it."""
    table = {"table_voltage_V": (0.0, 0.1, 0.2, 0.4), "table_current_A": (0.0, 1e-3, 4e-4, 1e-4)}
    chip = changed(WAN, neuron={"model": "table", **table})
    relu, ndr = random_network(activation="relu"), random_network(activation="ndr")
    plain, measured = (map_network(relu, c, samples(relu)) for c in (WAN, chip))
    assert plain.program.checksum() == measured.program.checksum()
    (line,) = measured.report.unused
    assert "neuron" in line
    assert "relu" in line
    assert "ndrite train --chip wan2022" in line
    assert line in measured.report.warnings
    assert map_network(ndr, chip, samples(ndr)).report.unused == ()
    assert map_network(relu, IDEAL, samples(relu)).report.unused == ()
    analog = changed(WAN, readout={"kind": "analog", "gain_mismatch_percent": 2.0})
    assert "gain_mismatch_percent" in map_network(ndr, analog, samples(ndr)).report.unused[0]
    noisy = changed(IDEAL, readout={"column_noise_percent": 1.0})
    (line,) = map_network(ndr, noisy, samples(ndr)).report.unused
    bent = map_network(ndr, changed("ideal", cell={"iv_cubic_per_V2": 20.0}), samples(ndr)).report.unused
    assert "that cells conduct up to 44% less below the read voltage" in bent[0]
    assert not map_network(ndr, changed("ideal", cell={"iv_cubic_per_V2": 0.5}), samples(ndr)).report.unused
    assert line == "not used of the chip: readout.column_noise_percent, as readout.kind is adc"
    old = changed(WAN, cell={"drift": "none"}, conditions={"time_since_programming_s": 86_400.0})
    (line,) = map_network(ndr, old, samples(ndr)).report.unused
    assert line.startswith("not used of the chip: conditions.time_since_programming_s, as cell.drift is none")


@pytest.mark.parametrize("name", list_chips())
def test_a_field_that_is_called_idle_changes_nothing(name: str) -> None:
    """Every idle field at another value: the same program. Presets state no such field."""
    chip, network = load_chip(name), random_network((20, 12, 3))
    assert stated_in_vain(chip) == {}
    content = chip.as_dict()
    # Two fields that switch each other on stay apart, and a time that must not
    # be after another.
    for field in idle_fields(chip).keys() - {"cell.telegraph_step_percent", "conditions.corrected_at_s"}:
        section, key = field.split(".")
        accepted, now = fields_of(SECTIONS[section])[key], content[section][key]
        if isinstance(accepted, number):
            other = accepted.high / 2 if now is None else now * 1.5 or min(accepted.high, 1.0)
            other = round(other) if isinstance(now, int) else other
            content[section][key] = other if accepted.low <= other <= accepted.high else now
    changed_chip = parse_chip(content)
    assert len(stated_in_vain(changed_chip)) > 5
    plain, other = (map_network(network, c, samples(network)).program for c in (chip, changed_chip))
    assert plain.checksum() == other.checksum()


def test_a_day_on_wan2022_widens_the_cells() -> None:
    """21.3 uS: 1.95 uS after a second, 3.85 after a day (aihwkit's
    ReRamWan2022NoiseModel, by hand)."""
    network = random_network((120, 60, 10))
    spreads = []
    for seconds in (1.0, 86_400.0):
        chip = changed("wan2022", conditions={"time_since_programming_s": seconds})
        cells = map_network(network, chip, samples(network)).die.arrays[0].mapped.cells
        near = np.abs(cells.target - 21.33) < 0.1  # the eighth of sixteen levels
        assert near.sum() > 200
        spreads.append(float((cells.aged - cells.target)[near].std()))
    np.testing.assert_allclose(spreads, (1.95, 3.85), rtol=0.08)


def test_progress_counts_the_layers():
    """Of the fewest samples and the largest seed too."""
    net, seen = random_network(), []
    how = {"seed": (1 << 63) - 1, "progress": lambda done, total: seen.append((done, total))}
    map_network(net, IDEAL, samples(net)[:16], **how)
    assert seen == [(1, 2), (2, 2)]


DRAWN = np.random.default_rng(5)
X = DRAWN.integers(0, 256, (300, 150), dtype=np.uint8)
X[:, ::3] = 0

SLICED = changed("wan2022", input={"dac_bits": 4})


@pytest.mark.parametrize("chip", ["wan2022", SLICED, "dendritic-analog"], ids=["whole", "sliced", "analog"])
def test_read_noise_is_what_the_golden_model_draws(chip: Chip | str) -> None:
    """The stated loss of signal against the variance of repeated reads of the same codes."""
    net = random_network((150, 12))
    mapped = map_network(net, chip, X)
    (layer,) = mapped.report.layers
    core = Core(mapped.program)
    step = np.asarray(mapped.die.arrays[0].step)
    reads = np.stack([core.infer(X, seed=seed) for seed in range(1, 60)]) * step
    noise = reads.var(axis=0).mean(axis=0).sum()
    wanted = (X / 255) @ net.layers[0].weights
    signal = wanted.var(axis=0).sum()
    still = 10 ** (-layer.snr_db / 10)
    stated = 10 ** (-layer.noisy_snr_db / 10) - still
    assert stated == pytest.approx(noise / signal, rel=0.1)


def test_a_layer_in_its_noise_is_said_with_what_helps() -> None:
    net, loud = random_network((150, 24, 10), "relu"), changed("wan2022", readout={"output_noise_lsb": 16.0})
    with pytest.warns(CompileWarning, match=r"layer 0: its signal is .* dB above its errors, mostly of read"):
        mapped = map_network(net, loud, X)
    assert mapped.report.layers[0].largest_cause == "read noise"
    assert any("cell.read_noise_percent, readout" in line for line in mapped.report.warnings)
    faint = random_network((150, 24, 10), "relu", gain=1e-3)
    unbiased = [dataclasses.replace(dense, bias=np.zeros(dense.outputs)) for dense in faint.layers]
    with pytest.warns(CompileWarning, match="layer 1: .* of input codes; .* use more of the 256 codes"):
        map_network(Network.chain(unbiased, "faint"), "wan2022", X)
    with pytest.warns(CompileWarning, match="layer 1: .* of the layers before; .*ndrite explain"):
        worse = map_network(net, changed("wan2022", cell={"error_scale": 8.0}), X)
    assert [layer.largest_cause for layer in worse.report.layers] == ["cells", "the layers before"]
    quiet = map_network(net, "wan2022", X).report
    assert not any("dB above" in line for line in quiet.warnings)


SAMPLES = np.random.default_rng(3).integers(0, 256, (200, 30)).astype(np.uint8)


def piece(scale: np.ndarray) -> Network:
    """Columns whose weights are ``scale`` (M,) times others'."""
    weights = np.random.default_rng(4).normal(size=(30, len(scale))) * scale
    return Network.chain([Dense(weights.astype(np.float32), np.zeros(len(scale), np.float32))], "piece")


def error(network: Network, *, column_steps: bool) -> np.ndarray:
    """Root mean square error of every column's sums, read noise off, relative
    to its deviation."""
    program, die, _ = map_network(network, "ideal", SAMPLES, options=MapOptions(column_steps=column_steps))
    sums = Core(program).infer(SAMPLES, noise=False) * die.arrays[0].step
    wanted = network.forward(SAMPLES / 255)
    return np.asarray(np.sqrt(np.square(sums - wanted).mean(axis=0)) / wanted.std(axis=0))


def test_each_column_has_its_own_step() -> None:
    network = piece(np.array([1.0, 1.0, 0.05, 0.05]))
    common, own = (error(network, column_steps=steps) for steps in (False, True))
    assert own[2:].max() < 0.02
    assert common[2:].min() > 2 * own[2:].max()  # small columns drown in the large ones' step
    program, die, _ = map_network(network, "ideal", SAMPLES, options=MapOptions(column_steps=True))
    assert program.meaning.output_step is None
    assert die.arrays[0].step[0] > 5 * die.arrays[0].step[2]
    program, die, _ = map_network(network, "ideal", SAMPLES)
    assert program.meaning.output_step == die.arrays[0].step[3]


def test_its_number_selects_its_cells_and_its_noise() -> None:
    network = piece(np.ones(5))
    first, again, second = (
        map_network(network, "wan2022", SAMPLES, seed=7, options=MapOptions(first_product=number))
        for number in (3, 3, 4)
    )
    assert first.program.first_product == 3
    assert first.program.checksum() == again.program.checksum()
    programmed = [m.die.arrays[0].mapped.cells.programmed for m in (first, second)]
    assert not np.allclose(*programmed)
    targets = [m.die.arrays[0].mapped.cells.target for m in (first, second)]
    np.testing.assert_array_equal(*targets)
    # The second of two layers has the number after the first one's.
    hidden = Dense(np.eye(30, dtype=np.float32), np.zeros(30, np.float32), Named("relu"))
    two = Network.chain([hidden, *network.layers], "two")
    for first in (0, 2):
        whole, alone = (
            map_network(net, "wan2022", SAMPLES, seed=7, options=MapOptions(first_product=number))
            for net, number in ((two, first), (network, first + 1))
        )
        programmed = [m.die.arrays[i].mapped.cells.programmed for m, i in ((whole, 1), (alone, 0))]
        np.testing.assert_array_equal(*programmed)


def test_biases_absorb_what_comes_before() -> None:
    """Samples as a die makes them, a tenth too large: the mean of that is taken back."""
    network = piece(np.ones(6))
    exact = np.random.default_rng(5).uniform(0, 0.8, (300, 30))
    given = np.rint(255 * 1.1 * exact).astype(np.uint8)
    wanted = network.forward(exact).mean(axis=0)
    off = []
    for known in (None, exact):
        program, die, _ = map_network(
            network, "wan2022", given, exact=known, options=MapOptions(column_steps=True)
        )
        sums = Core(program).infer(given, noise=False) * die.arrays[0].step
        off.append(np.abs(sums.mean(axis=0) - wanted).max())
    assert off[1] < 0.02
    assert off[0] > 0.1

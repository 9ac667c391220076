"""Tuning: states become curves, gradients are the model's, learning helps."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.learning.tuning import Learner, Plan, Tunable, calibrate
from ndrite.emulator.learning.tuning.learner import best_scale, centred, softmax, weight_of_code
from ndrite.emulator.learning.tuning.retune import kinds, moved
from ndrite.emulator.mapping import Mitigation, map_network
from ndrite.emulator.mapping.curves import States, heights_at
from ndrite.emulator.network import Dense, Named, Ndr, Network
from tests.chips import changed
from tests.emulator.mapping.test_circuits import shaped_chip, shaped_network
from tests.marks import long_where
from tests.refusals import refused

PAIR = "dendritic-ndr+ecram-pair"


def small(hidden: int = 16, layers: int = 1) -> Network:
    rng = np.random.default_rng(3)
    widths = [20, *[hidden] * layers]
    dense = [
        Dense(
            rng.normal(size=(k, m)) * 0.6,
            rng.normal(size=m) * 0.3 + 0.3,
            Ndr(rng.uniform(0.8, 1.2, m), rng.uniform(0.4, 0.7, m)),
        )
        for k, m in pairwise(widths)
    ]
    last = rng.normal(size=(hidden, 4))
    x = rng.uniform(size=(500, 20))
    mean = Network.chain((*dense, Dense(last, np.zeros(4))), "small").forward(x).mean(axis=0)
    return Network.chain((*dense, Dense(last, -mean)), "small")  # no class is likelier than another


@pytest.fixture(scope="module")
def samples():
    x = np.random.default_rng(1).integers(0, 256, (1500, 20), dtype=np.uint8)
    return x, small().forward(x / np.float32(255)).argmax(axis=1)


def chip_form(samples, chip=PAIR, network=None, seed=2):
    return Tunable(*map_network(network or small(), chip, samples[0][:200], seed=seed)[:2])


def set_to(form, current):
    """The same die with these peak currents, as a form of its own."""
    states = [dataclasses.replace(form.states[0], current=current)]
    return Tunable(form.program(states), form.die_at(states))


def half_way(form):
    """The same die, all peak currents half way."""
    return set_to(form, np.full(16, 0.5))


@pytest.mark.parametrize("chip", [PAIR, "wan2022+ecram-tang2018", "dendritic-ndr"])
def test_unmoved_states_give_the_compiled_curves_bit_for_bit(samples, chip):
    form = chip_form(samples, chip)
    program = form.base
    again = form.program(form.states)
    q, r = program.layers[0].curve, again.layers[0].curve
    np.testing.assert_array_equal(program.curve_base[q], again.curve_base[r])
    np.testing.assert_array_equal(program.curve_slope[q], again.curve_slope[r])


def test_no_neuron_is_higher_than_its_output_can_be():
    chip = changed("wan2022+ecram-linear-ysz", ecram={"peak_current_high_factor": 1.5})
    state = States(zero := np.zeros(16), np.linspace(0, 1, 16), zero, zero)
    np.testing.assert_allclose(heights_at(state, chip), np.minimum(0.1 + 1.4 * np.linspace(0, 1, 16), 1.0))


@pytest.mark.parametrize(("layers", "tunes"), [(1, "each"), (2, "each"), (1, "both")])
def test_gradient_is_the_models(samples, layers, tunes):
    network = small(layers=layers)
    chip = changed(PAIR, ecram={"tunes": tunes})
    form = chip_form(samples, chip, network)
    learner = Learner(network, form)
    x = samples[0][:300]
    y = network.forward(x / np.float32(255)).argmax(axis=1)
    y[:90] = np.arange(90) % 4  # some labels no model gets right, so that a best scale exists

    def outputs(states):
        return np.rint(learner._forward(x, states)[0][-1] * 1e6).astype(np.int32)

    scale = best_scale(centred(outputs(form.states).astype(float)), y)

    def loss(states):
        p = softmax(centred(outputs(states).astype(float)) * scale)
        return -np.log(p[np.arange(300), y]).mean()

    _, knobs = learner.gradient(x, y, outputs(form.states), form.states)
    for place in range(layers):
        for kind in kinds(tunes):
            for m in (1, 9):
                change = []
                for d in (1e-3, -1e-3):
                    states = list(form.states)
                    value = getattr(states[place], kind).copy()
                    value[m] += d
                    states[place] = moved(tunes, states[place], kind, value)
                    change.append(loss(states))
                want = (change[0] - change[1]) / 2e-3
                got = knobs[place][kind][m] * scale * 1e6  # by logits of the board's size
                assert got == pytest.approx(want, rel=0.05, abs=4e-4)  # the largest is 0.1


def test_best_scale_has_the_least_cross_entropy():
    rng = np.random.default_rng(0)
    logits = centred(rng.normal(size=(400, 5)) * 1e5)
    y = (logits * 1e-5 + rng.normal(size=(400, 5))).argmax(axis=1)
    best = best_scale(logits, y)
    scales = best * np.array([0.9, 1.0, 1.1])
    losses = [-np.log(softmax(logits * s)[np.arange(400), y]).mean() for s in scales]
    assert losses[1] == min(losses)
    assert 0 < best_scale(logits, logits.argmin(axis=1)) < 1e-7, "worse than chance: no scale is best"
    # Every label is right by a hair: every larger factor is better.
    near = centred(np.repeat([[1.0, 0.999, -2.0]], 50, axis=0))
    assert best_scale(near, np.zeros(50, int)) == pytest.approx(100 / near.std())


def test_what_all_outputs_share_changes_nothing(samples):
    form = chip_form(samples)
    learner, x, y = Learner(small(), form), samples[0][:200], samples[1][:200].copy()
    y[:60] = np.arange(60) % 4
    outputs = Core(form.base).infer(x, noise=False)
    shifted = outputs + np.random.default_rng(0).integers(-(10**6), 10**6, (200, 1), dtype=np.int32)
    loss, knobs = learner.gradient(x, y, outputs, form.states)
    other, same = learner.gradient(x, y, shifted, form.states)
    assert other == pytest.approx(loss, rel=1e-9)
    np.testing.assert_allclose(same[0]["current"], knobs[0]["current"], rtol=1e-6)


@pytest.mark.parametrize(
    ("preset", "gains"),
    [(PAIR, True), (PAIR, False), ("dendritic-analog", True), ("dendritic-analog", False)],
)
def test_the_model_corrects_gains_where_the_chip_does(samples, preset, gains):
    """Cells at half their conductance: gains, or analog columns' one gain, bring the
    float network back; biases alone bring its means only."""
    network, x = small(), samples[0]
    learner = Learner(network, chip_form(samples))
    learner._weights[0] = 0.5 * network.layers[0].weights.astype(float)
    learner.correct(x, load_chip(preset), Mitigation(gain_calibration=gains))
    pre = learner._forward(x, learner.tunable.states)[1][0][0]  # pre-activations of the hidden layer
    wanted = x / 255 @ network.layers[0].weights.astype(float) + network.layers[0].bias
    np.testing.assert_allclose(pre.mean(axis=0), wanted.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(pre.std(axis=0), (1.0 if gains else 0.5) * wanted.std(axis=0), rtol=1e-5)


class Chip:
    """The golden model as the board of a calibration."""

    def program(self, program):
        self.held = program
        self.core = Core(program)

    def infer(self, x, first):
        return self.core.infer(x, seed=5, first_index=first)

    def calibrated(self, form, x, y, network=None, **plan):
        """With a learner of the float network, if there is one."""
        learner = network and Learner(network, form)
        return calibrate(form, learner, x, y, infer=self.infer, load=self.program, plan=Plan(**plan))


@pytest.mark.parametrize("method", ["gradient", "perturb"])
def test_every_pass_has_read_noise_of_its_own(samples, method):
    """Inferences are counted on over the steps; a step's two perturbed passes share
    theirs. The seed chooses the samples."""
    seen, shown = [], set()

    class Seen(Chip):
        def infer(self, x, first):
            seen.append((len(x), first))
            shown.add(x.tobytes())
            return super().infer(x, first)

    network = None if method == "perturb" else small()
    firsts = [0, 0, 200, 200, 400, 400] if method == "perturb" else [0, 100, 200]
    for seed in (0, 1):
        Seen().calibrated(chip_form(samples), *samples, network, steps=3, batch=100, method=method, seed=seed)
    assert seen == 2 * [(100, first) for first in firsts]
    assert len(shown) == 6


def test_the_sum_of_heights_stays(samples):
    """Converters of the output layer are set for it."""
    form = half_way(chip_form(samples))
    # All outputs too large by the same labels: without the rule heights fall together.
    labels = np.zeros_like(samples[1])
    result = Chip().calibrated(form, samples[0], labels, small(), steps=8, batch=500, rate=0.04)
    after = result.die.states[0].current
    assert np.abs(after - 0.5).mean() > 0.05
    assert after.mean() == pytest.approx(0.5, abs=0.25 * np.abs(after - 0.5).mean())


def perturbed(samples, outputs, **plan):
    """Peak current states, from half way, after perturbation on a board that answers
    ``outputs(program, n)`` and has no pulse noise."""

    class Answers(Chip):
        def infer(self, x, first):
            return outputs(self.held, len(x)).astype(np.int32)

    form = half_way(chip_form(samples, changed(PAIR, ecram={"cycle_percent": 0.0})))
    labels = np.zeros_like(samples[1])
    result = Answers().calibrated(form, samples[0], labels, method="perturb", batch=50, **plan)
    return result.die.states[0].current


def test_perturbed_devices_go_back_to_where_they_were(samples):
    """What a step leaves behind is the step, not the perturbation: none where all
    outputs are alike."""
    after = perturbed(samples, lambda program, n: np.zeros((n, 4)), steps=1, rate=0.2)
    np.testing.assert_allclose(after, 0.5, atol=0.05)


def test_perturbation_goes_the_way_the_loss_falls(samples):
    """The right class's output is the height of neuron 3: its current has to rise,
    whatever the others do."""

    def outputs(program, n):
        q = program.layers[0].curve[3]
        rest = np.repeat([[300, 200, 100, 0]], n, axis=0)
        return rest + np.outer(np.ones(n), [program.curve_base[q].max() / 50, 0, 0, 0])

    assert perturbed(samples, outputs, steps=12, rate=0.05)[3] > 0.55


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "least"),
    long_where(lambda case: case[0] == "perturb", [("gradient", 0.03), ("sign", 0.02), ("perturb", 0.0)]),
)
def test_learning_recovers_accuracy_with_pulses_alone(samples, method, least):
    x, y = samples
    form = chip_form(samples)
    program = form.base
    # Devices put somewhere else than they should be: what learning has to undo.
    rng = np.random.default_rng(4)
    form = set_to(form, rng.choice([0.0, 1.0], 16))
    chip = Chip()
    chip.program(form.base)
    before = (chip.infer(x[1000:], 0).argmax(axis=1) == y[1000:]).mean()
    steps, network = (40, None) if method == "perturb" else (25, small())
    plan = {"steps": steps, "batch": 500, "rate": 0.04, "method": method}
    result = chip.calibrated(form, x[:1000], y[:1000], network, **plan)
    after = (chip.infer(x[1000:], 0).argmax(axis=1) == y[1000:]).mean()
    assert after - before > least
    assert np.mean(result.losses[-5:]) < np.mean(result.losses[:5])
    assert chip.held is result.program
    np.testing.assert_array_equal(result.program.layers[0].weights, program.layers[0].weights)
    assert result.pulses_total > 0


def test_named_layers_keep_their_curves(samples):
    net = small(layers=2)
    mixed = Network.chain(
        (dataclasses.replace(net.layers[0], activation=Named("relu")), *net.layers[1:]), "mixed"
    )
    form = chip_form(samples, network=mixed)
    program = form.base
    assert form.layers == (1,)
    new = form.program(form.states)
    x = samples[0][:50]
    np.testing.assert_array_equal(Core(program).infer(x), Core(new).infer(x))
    assert Learner(mixed, form).gradient(x, samples[1][:50], Core(new).infer(x), form.states)[0] > 0


RELU = dataclasses.replace(small().layers[0], activation=Named("relu"))
SHAPED = shaped_chip("valley")
PLAIN = Network.chain((RELU, *small().layers[1:]), "plain")
test_refused = refused(
    CompileError,
    (chip_form, "wan2022", "ecram.tunes of chip 'wan2022' is 'none'; accepted: a chip with"),
    (chip_form, PAIR, PLAIN, "program 'plain' has no NDR neurons"),
    (chip_form, SHAPED, shaped_network(SHAPED, [0.5, 0.9]), "accepted for tuning by pulses: peak_voltage"),
    given="samples",
)


def test_a_code_stands_for_the_weight_it_was_programmed_for():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4000, 3))
    unit = np.array([0.01, 0.02, 0.005])
    codes = np.rint(weights / unit + rng.normal(scale=20, size=weights.shape))
    np.testing.assert_allclose(weight_of_code(codes, weights), unit, rtol=0.02)
    assert weight_of_code(np.zeros((4, 1)), np.ones((4, 1))) == 0


def test_reading_the_cells_brings_the_model_closer_to_the_chip(samples):
    x = samples[0]
    chip = load_chip(PAIR)
    cell = dataclasses.replace(chip.cell, error_scale=4.0, stuck_low_percent=5.0)
    form = chip_form(samples, dataclasses.replace(chip, cell=cell))
    program = form.base
    plain, read = Learner(small(), form), Learner(small(), form, cells=True)
    corrected = Learner(small(), form, cells=True)
    corrected.correct(x[:500], chip, Mitigation())
    wanted = centred(Core(program).infer(x, noise=False).astype(float))
    near = [
        np.corrcoef(wanted.ravel(), centred(m._forward(x, form.states)[0][-1]).ravel())[0, 1]
        for m in (plain, read, corrected)
    ]
    assert near[2] > near[1]
    assert near[2] > near[0] + 0.02

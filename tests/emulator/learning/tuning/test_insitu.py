"""In situ training: it learns, moves only what it is told to, and headroom changes nothing but steps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emulator.device.description import load_chip
from emulator.errors import CompileError
from emulator.golden import Core
from emulator.learning.tuning import Plan
from emulator.learning.tuning.headroom import with_headroom
from emulator.learning.tuning.insitu import random_start, train_in_situ
from emulator.mapping import map_network
from emulator.network import Dense, Network
from emulator.network.datasets import digits


class Chip:
    """The golden model as the board."""

    def program(self, program):
        self.core = Core(program)

    def infer(self, x, first):
        return self.core.infer(x, seed=5, first_index=first)


def a_chip(step=0.002):
    chip = load_chip("dendritic-ndr+ecram-pair")
    cell = dataclasses.replace(
        chip.cell, levels=256, error_scale=0.0, stuck_low_percent=0.0, stuck_high_percent=0.0
    )
    array = dataclasses.replace(chip.array, wire_resistance_ohm=0.0, access_resistance_ohm=0.0)
    ecram = dataclasses.replace(chip.ecram, step_up=step, step_down=step)
    return dataclasses.replace(chip, cell=cell, array=array, ecram=ecram)


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def start(data):
    return random_start((64, 16, 10), a_chip(), data[0], seed=1)


def trained(start, data, trains, **plan):
    board = Chip()
    result = train_in_situ(
        start,
        data[0],
        data[1],
        infer=board.infer,
        load=board.program,
        plan=Plan(**{"steps": 60, "batch": 100, "rate": 0.03, "pulses": 20, **plan}),
        trains=trains,
    )
    right = board.infer(data[2], 0).argmax(axis=1) == data[3]
    return result, right.mean()


def test_weights_learn_from_random_states_by_pulses(start, data):
    result, accuracy = trained(start, data, ("hidden", "output"))
    assert accuracy > 0.8  # a tenth by chance
    assert np.mean(result.losses[-5:]) < 0.5 * result.losses[0]
    assert result.devices == 64 * 16 + 16 * 10
    np.testing.assert_array_equal(
        result.program.curve_base, trained(start, data, ("hidden",), steps=1)[0].program.curve_base
    )


def test_manhattan_gives_no_device_more_than_a_pulse_a_step(data):
    start = random_start((64, 16, 10), a_chip(step=0.02), data[0], seed=1)  # about 100 pulses from end to end
    result, accuracy = trained(start, data, ("hidden", "output"), method="sign", pulses=1, rate=0.1)
    assert accuracy > 0.5
    assert result.pulses_total <= 60 * result.devices


@pytest.mark.parametrize("weight_bits", [8, 9])
def test_without_a_step_the_weights_are_those_of_the_start(data, weight_bits):
    """State 0..1 is -127..127 or -255..255: what the cells' resolution is."""
    chip = a_chip()
    cell = dataclasses.replace(chip.cell, weight_bits=weight_bits, levels=100)
    ecram = dataclasses.replace(chip.ecram, bound_variation_percent=0.0)
    begin = random_start((64, 16, 10), dataclasses.replace(chip, cell=cell, ecram=ecram), data[0], seed=1)
    result, _ = trained(begin, data, ("hidden", "output"), steps=0)
    assert result.pulses_total == 0
    for before, after in zip(begin.program.layers, result.program.layers, strict=True):
        np.testing.assert_array_equal(before.weights, after.weights)
    assert np.abs(begin.program.layers[0].weights).max() > 0.9 * (2 ** (weight_bits - 1) - 1)


@pytest.mark.parametrize(("trains", "moved"), [(("output",), (False, True)), (("hidden",), (True, False))])
def test_only_what_is_named_moves(start, data, trains, moved):
    result, _ = trained(start, data, trains, steps=2)
    for before, after, moves in zip(start.program.layers, result.program.layers, moved, strict=True):
        assert bool((before.weights != after.weights).any()) is moves
        np.testing.assert_array_equal(before.bias, after.bias)
        np.testing.assert_array_equal(before.gain, after.gain)


def test_curves_alone_leave_the_weights(start, data):
    result, _ = trained(start, data, ("curves",), steps=2)
    for before, after in zip(start.program.layers, result.program.layers, strict=True):
        np.testing.assert_array_equal(before.weights, after.weights)
    assert (
        result.program.curve_base != trained(start, data, ("output",), steps=1)[0].program.curve_base
    ).any()


def test_headroom_halves_logits_and_keeps_answers(data, start):
    program = map_network(start.network, a_chip(), data[0], seed=1).program
    wide = with_headroom(program, 1)
    plain = Core(program).infer(data[2], noise=False)
    half = Core(wide).infer(data[2], noise=False)
    assert np.corrcoef(plain.ravel(), half.ravel())[0, 1] > 0.99
    assert np.polyfit(plain.ravel(), half.ravel(), 1)[0] == pytest.approx(0.5, abs=0.02)
    with pytest.raises(CompileError, match="headroom is 40 bits; accepted: fewer"):
        with_headroom(program, 40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": "analog"}, "readout of layer 0 is 'analog'; accepted: adc"),
        ({"shift": 47}, "headroom is 1 bits; accepted: fewer, layer 0 has no room"),
        ({"vshift": 0}, "headroom is 1 bits; accepted: fewer, layer 0 has no room"),
        ({"sigma_out": 40_000}, "headroom is 1 bits; accepted: fewer, layer 0 has no room"),
    ],
)
def test_headroom_there_is_not(start, changes, message):
    layers = (dataclasses.replace(start.program.layers[0], **changes), *start.program.layers[1:])
    with pytest.raises(CompileError, match=message):
        with_headroom(start.program.with_layers(layers), 1)


def test_noise_grows_with_the_converters_range(start):
    """Output noise is of the converter: as many steps as before."""
    noisy = tuple(dataclasses.replace(layer, sigma_out=37) for layer in start.program.layers)
    wide = with_headroom(start.program.with_layers(noisy), 2)
    assert [layer.sigma_out for layer in wide.layers] == [148, 148]


def test_passes_count_their_inferences_on(start, data):
    board, seen = Chip(), []

    def infer(x, first):
        seen.append(first)
        return board.infer(x, first)

    plan = Plan(steps=3, batch=100)
    train_in_situ(start, data[0], data[1], infer=infer, load=board.program, plan=plan)
    assert seen == [0, 100, 200]


def test_headroom_takes_back_what_rounding_the_offsets_adds(data):
    weights = np.random.default_rng(0).normal(size=(64, 10))
    network = Network.chain((Dense(weights, np.zeros(10)),), "one layer")
    chip = a_chip()
    tiles = dataclasses.replace(chip, array=dataclasses.replace(chip.array, rows=16))
    program = map_network(network, tiles, data[0], seed=1).program
    assert (program.layers[0].offset % 4 != 0).any()
    plain, wide = (Core(i).infer(data[0], noise=False) for i in (program, with_headroom(program, 2)))
    # Rounding of single answers is even; a bias has steps of 4.
    assert np.abs((4 * wide - plain).mean(axis=0)).max() < 2.5


def test_what_cannot_be_trained_says_why(start, data):
    with pytest.raises(CompileError, match=r"trains is \['all'\]; accepted: at least one of hidden, output"):
        trained(start, data, ["all"])
    with pytest.raises(CompileError, match="method is 'perturb'; accepted: gradient, sign"):
        trained(start, data, ("output",), method="perturb")
    with pytest.raises(CompileError, match="labels hold 0 classes; accepted: 0, one a sample, at least 1"):
        trained(start, (data[0][:0], data[1][:0], *data[2:]), ("output",))
    with pytest.raises(CompileError, match="labels hold 3 classes"):
        trained(start, (data[0], data[1][:3], *data[2:]), ("output",))
    with pytest.raises(CompileError, match=r"ecram\.tunes"):
        trained(random_start((64, 16, 10), load_chip("ideal"), data[0]), data, ("output",))

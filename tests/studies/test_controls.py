"""Controls of the study of adaptation: their model is the die, and what they
learn gets there."""

import dataclasses

import numpy as np
import pytest

from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden import Core
from ndrite.emulator.learning.tuning import Plan
from ndrite.emulator.network.datasets import fashion_mnist_test
from ndrite.networks import shipped_network
from studies import controls, dies
from tests.stimulus import quiet

CHIP = dies.changed("dendritic-ndr+ecram-pair")
PLAN = Plan(steps=10, batch=500)


@pytest.fixture(scope="module")
def die():
    x, labels = fashion_mnist_test()
    made = dies.make(shipped_network(), CHIP, 1, x[5000:5512])
    dark = x // 3
    known = controls.seen(made.program, CHIP.array.rows, dark[:3000], labels[:3000])
    return made, dark, labels, known


def accuracy(program, x, labels):
    return (Core(quiet(program)).infer(x).argmax(axis=1) == labels).mean()


@pytest.mark.slow
def test_an_unadapted_control_computes_what_the_die_does(die):
    made, dark, labels, known = die
    control = controls.Control(made, CHIP, "gain and bias")
    core = Core(quiet(made.program))
    y = control.hidden(known.p)[0]
    codes = core.maps(dark[:3000])[1].reshape(3000, -1)
    assert np.abs(y - codes).max() < 3  # rounding of the voltage code and of the output
    assert np.abs(y - codes).mean() < 0.4
    sums = core.infer(dark[:3000]) * made.program.meaning.output_step
    assert np.corrcoef(control.logits(y).ravel(), sums.ravel())[0, 1] > 0.9995
    on_die = accuracy(made.program, dark[:3000], labels[:3000])
    assert control.accuracy(known) == pytest.approx(on_die, abs=0.003)
    same = control.program(known, 0)
    assert np.array_equal(same.layers[0].scale, made.program.layers[0].scale)
    assert np.array_equal(same.layers[0].bias, made.program.layers[0].bias)


@pytest.mark.slow
@pytest.mark.parametrize("kind", controls.KINDS)
def test_what_a_control_learns_is_on_the_die(die, kind):
    made, dark, labels, known = die
    program, rate, seen = controls.adapted(made, CHIP, kind, known.part(500, None), known.part(0, 500), PLAN)
    assert rate in controls.RATES
    before = accuracy(made.program, dark[3000:6000], labels[3000:6000])
    after = accuracy(program, dark[3000:6000], labels[3000:6000])
    assert after > before + 0.01
    assert accuracy(program, dark[:500], labels[:500]) == pytest.approx(seen, abs=0.02)
    changed = [
        any(not np.array_equal(getattr(a, f), getattr(b, f)) for f in ("weights", "scale"))
        for a, b in zip(program.layers, made.program.layers, strict=True)
    ]
    assert changed == [kind == "gain and bias", kind == "output weights"]
    assert np.array_equal(program.layers[0].weights, made.program.layers[0].weights), "cells are frozen"


def test_a_control_without_converters_is_refused(die):
    made = die[0]
    last = dataclasses.replace(made.program.layers[1], readout="analog", dac_bits=8)
    program = made.program.with_layers([made.program.layers[0], last])
    with pytest.raises(CompileError, match="accepted: readout by converters, at most 128 inputs"):
        controls.Control(made._replace(program=program), CHIP, "output weights")

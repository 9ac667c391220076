"""cocotb: 784-128-10 learns Fashion-MNIST; every state against the golden model, and cycles an update."""

import os
from typing import Any

import cocotb
import numpy as np

from emulator.device.description import load_chip
from emulator.device.ecram.pulses import EcramSpread, LinearStep
from emulator.golden.learn import make_learner
from emulator.learning.insitu import Plan, prepare
from emulator.network.datasets import fashion_mnist_test
from tests.hdl.learn.bench_core import GEOMETRY, load, states, update
from tests.hdl.learn.bench_core import pulses as pulses_of
from tests.hdl.streams import reset

UPDATES = int(os.environ.get("UPDATES", "100"))
WIDTHS = tuple(int(n) for n in os.environ.get("WIDTHS", "784,128,10").split(","))
LAW = LinearStep(
    step_up=0.002, step_down=0.002, w_min=-0.83, w_max=1.17, gamma_up=0.1, gamma_down=0.5, cycle_sigma=0.3
)
SPREAD = EcramSpread(step_sigma=0.1, asymmetry_sigma=0.01, bound_sigma=0.05)


@cocotb.test()
async def fashion_mnist(dut: Any) -> None:
    x, labels = fashion_mnist_test()
    plan = Plan(widths=WIDTHS, rate=0.01, seed=2)
    learning = prepare(plan, load_chip(os.environ.get("CHIP", "wan2022")), LAW, SPREAD, x[:64]).learning
    await reset(dut)
    await load(dut, learning)
    dut.seed.value, dut.noise.value = 5, 1
    golden = make_learner(learning, seed=5)
    counts = golden.learn(x[:UPDATES], labels[:UPDATES])
    cycles, right, pulses = [], 0, 0
    for i in range(UPDATES):
        cycles.append(await update(dut, x[i].tolist(), int(labels[i]), i))
        right += int(dut.right.value)
        pulses += sum(pulses_of(dut, len(learning.layers)))
    assert (right, pulses) == (counts.right, sum(counts.pulses))
    different = [int((a != b).sum()) for a, b in zip(await states(dut, learning), golden.states, strict=True)]
    assert not any(different), f"states that differ, layer by layer: {different}"
    moved = sum(int((a != b.states).sum()) for a, b in zip(golden.states, learning.layers, strict=True))
    dut._log.info(
        f"{UPDATES} updates, {moved} of {sum(s.size for s in golden.states)} states moved, all equal; "
        f"{np.mean(cycles):.0f} cycles an update, {min(cycles)} to {max(cycles)}; "
        f"{pulses / UPDATES:.0f} pulses"
    )
    assert GEOMETRY.lanes >= max(WIDTHS[1:])

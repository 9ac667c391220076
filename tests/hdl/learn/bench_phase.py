from __future__ import annotations
import os
from collections import Counter
from typing import Any
import cocotb, numpy as np
from cocotb.triggers import RisingEdge, ReadOnly
from emulator.device.description import load_chip
from emulator.golden.learn import make_learner
from emulator.learning.insitu import prepare, Plan
from emulator.network.datasets import fashion_mnist_test
from tests.hdl.learn.bench_core import load, states, update
from tests.hdl.learn.bench_whole import LAW, SPREAD
from tests.hdl.streams import reset

N = int(os.environ["UPDATES"])
SKIP = 8000


@cocotb.test()
async def phases(dut: Any) -> None:
    x, labels = fashion_mnist_test()
    learning = prepare(
        Plan(widths=(784, 128, 10), rate=0.01, seed=2), load_chip("wan2022"), LAW, SPREAD, x[:64]
    ).learning
    golden = make_learner(learning, seed=5)
    golden.learn(x[:SKIP], labels[:SKIP])
    import dataclasses

    later = dataclasses.replace(
        learning,
        layers=tuple(
            dataclasses.replace(l, states=s.astype(np.int32)) for l, s in zip(learning.layers, golden.states)
        ),
    )
    await reset(dut)
    await load(dut, later)
    dut.seed.value, dut.noise.value = 5, 1
    place = getattr(dut, "order", dut)
    names = [h._name for h in place if "fsm" in h._name]
    print("FSM", names)
    fsm = getattr(place, names[0])
    number = getattr(place, "number")
    count = Counter()

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            if not int(dut.ready.value):
                count[(int(number.value), int(fsm.value))] += 1

    cocotb.start_soon(watch())
    cycles = []
    for i in range(SKIP, SKIP + N):
        cycles.append(await update(dut, x[i].tolist(), int(labels[i]), i))
    print("PHASES", {str(k): round(v / N, 1) for k, v in sorted(count.items())}, np.mean(cycles), flush=True)

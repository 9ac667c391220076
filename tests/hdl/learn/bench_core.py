"""cocotb: the learning core against the golden model, in every state after every few updates."""

from __future__ import annotations

import json
import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from emulator.backend.learning import lay_out_learning
from emulator.golden.learn import make_learner
from emulator.golden.learn.random_learning import random_learning
from emulator.golden.random_program import random_inputs
from emulator.spec import Geometry
from emulator.spec.learning import Learning
from hdl.learn.answers import curve_write_layout
from hdl.learn.core import column_write_layout, setting_write_layout
from hdl.learn.layouts import column_layout, layer_layout
from hdl.learn.updater import table_write_layout
from tests.hdl.streams import reset

GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))
TRIALS, UPDATES = int(os.environ.get("TRIALS", "3")), int(os.environ.get("UPDATES", "12"))
SLOTS = (15, 1, 31, 2, 7)
LONGEST = 200_000


def word(layout: Any, **fields: Any) -> int:
    value: int = layout.const(fields).as_value().value
    return value


async def load(dut: Any, learning: Learning) -> None:
    """Settings, tables and states, a word a cycle."""
    g, layout = GEOMETRY, lay_out_learning(learning, GEOMETRY)
    writes: dict[str, list[int]] = {
        "setting": [
            word(setting_write_layout(g), write=1, layer=i, data=layer_layout().const(fields))
            for i, fields in enumerate(layout.layers)
        ],
        "column": [
            word(column_write_layout(g), write=1, address=i, data=column_layout().const(fields))
            for i, fields in enumerate(layout.columns)
        ],
        "curve": [word(curve_write_layout(g), write=1, **fields) for fields in layout.curves],
        "table": [word(table_write_layout(g), write=1, **fields) for fields in layout.tables],
    }
    for port, words in writes.items():
        for value in words:
            getattr(dut, port).value = value
            await RisingEdge(dut.clk)
        getattr(dut, port).value = 0
    poke, at = dut.poke, 0
    lane_bits, address_bits = (max(g.lanes, 2) - 1).bit_length(), (g.weight_depth - 1).bit_length()
    for layer in learning.layers:
        for k, row in enumerate(layer.states.tolist()):
            for m, s in enumerate(row):
                data = (s & 0x3FFFF) << 1 + lane_bits + address_bits
                poke.value = 1 | m << 1 | (at + k) << 1 + lane_bits | data
                await RisingEdge(dut.clk)
        at += layer.rows
    poke.value = 0
    dut.die_seed.value = learning.die_seed
    dut.slots.value = learning.slots
    dut.depth.value = len(learning.layers)


async def update(dut: Any, x: list[int], label: int, number: int) -> int:
    """One update; the cycles it took."""
    dut.fresh.value = 1
    await RisingEdge(dut.clk)
    dut.fresh.value = 0
    dut.push.value = 1
    for i, code in enumerate(x):
        dut.code.value = code
        dut.last.value = int(i == len(x) - 1)
        await RisingEdge(dut.clk)
    dut.push.value = 0
    dut.label.value, dut.update.value = label, number
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    await ReadOnly()
    assert not int(dut.ready.value)
    begun = cocotb.utils.get_sim_time("ns")
    await RisingEdge(dut.ready)
    await RisingEdge(dut.clk)
    return int((cocotb.utils.get_sim_time("ns") - begun) / 10)


async def states(dut: Any, learning: Learning) -> list[np.ndarray[Any, Any]]:
    """Every state, a read in four cycles."""
    found, at = [], 0
    for layer in learning.layers:
        s = np.empty(layer.states.shape, np.int64)
        for k, m in np.ndindex(*s.shape):
            dut.peek_lane.value, dut.peek_address.value = m, at + k
            for _ in range(5):
                await RisingEdge(dut.clk)
            value = int(dut.peeked.value)
            s[k, m] = value - (value >> 17 << 18)
        found.append(s)
        at += layer.rows
    return found


@cocotb.test()
@cocotb.parametrize(trial=range(TRIALS), corner=[False, True])
async def every_state(dut: Any, trial: int, corner: bool) -> None:
    """Random networks and devices; random, sparse, full and empty samples."""
    rng = np.random.default_rng([trial, corner])
    g = GEOMETRY
    sizes = [int(rng.integers(2, 2 * g.rows + 5))]
    sizes += [int(rng.integers(2, g.lanes + 1)) for _ in range(int(rng.integers(1, min(g.layers, 3) + 1)))]
    learning = random_learning(g, rng, sizes=sizes, slots=SLOTS[trial % len(SLOTS)], corner=corner)
    seed, first = int(rng.integers(1 << 63)), int(rng.integers(1 << 32))
    noise = bool(trial % 4 != 3)
    await reset(dut)
    await load(dut, learning)
    dut.seed.value, dut.noise.value = seed, int(noise)
    golden = make_learner(learning, seed=seed, noise=noise)
    x = random_inputs(learning.program, rng, UPDATES)
    labels = rng.integers(0, learning.outputs, UPDATES)
    cycles = []
    for i in range(UPDATES):
        number = (first + i) & 0xFFFFFFFF
        wanted = golden.learn(x[i : i + 1], labels[i : i + 1], first_update=number)
        cycles.append(await update(dut, x[i].tolist(), int(labels[i]), number))
        where = f"sizes {sizes}, slots {learning.slots}, update {i}"
        assert int(dut.pulses.value) == sum(wanted.pulses), where
        assert int(dut.right.value) == wanted.right, where
        if i in (0, UPDATES - 1):
            for n, (a, b) in enumerate(zip(await states(dut, learning), golden.states, strict=True)):
                assert (a == b).all(), f"{where}: {(a != b).sum()} states of layer {n} differ"
    dut._log.info(f"{sizes}: {np.mean(cycles):.0f} cycles an update")

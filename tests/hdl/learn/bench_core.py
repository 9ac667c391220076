"""cocotb: the learning core against the golden model, in every state after
every few updates."""

import os
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from ndrite.emulator.backend.learning import lay_out_learning, state_places
from ndrite.emulator.device.ecram.pulses import LinearStep, StepTable, tabulated
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.learning.insitu.laws import devices_of
from ndrite.emulator.spec.learning import Learning
from ndrite.emulator.spec.memory_map import REGION_SHIFT
from ndrite.hdl.parts.bus import STREAM_LATENCY
from tests.coarse_laws import COARSE
from tests.hdl.given import GEOMETRY
from tests.hdl.streams import load, pulse, reset
from tests.random_learning import random_learning, random_steps, with_laws
from tests.stimulus import random_inputs

TRIALS, UPDATES = int(os.environ.get("TRIALS", "3")), int(os.environ.get("UPDATES", "12"))
SLOTS = (15, 1, 31, 2, 7)


async def update(dut: Any, x: list[int], label: int, number: int) -> int:
    """One update; the cycles it took."""
    await pulse(dut, "fresh", bank=number & 1)
    dut.push.value = 1
    for i, code in enumerate(x):
        dut.code.value = code
        dut.last.value = int(i == len(x) - 1)
        await RisingEdge(dut.clk)
    dut.push.value = 0
    await pulse(dut, "start", label=label, update=number, from_bank=number & 1)
    await ReadOnly()
    assert not int(dut.ready.value)
    begun = cocotb.utils.get_sim_time("ns")
    await RisingEdge(dut.ready)
    await RisingEdge(dut.clk)
    return int((cocotb.utils.get_sim_time("ns") - begun) / 10)


def pulses(dut: Any, layers: int) -> tuple[int, ...]:
    """Of each layer, in the update before."""
    word = int(dut.pulses.value)
    return tuple(word >> 32 * i & 0xFFFFFFFF for i in range(layers))


async def states(dut: Any, learning: Learning) -> list[np.ndarray[Any, Any]]:
    """Every state, a read a cycle."""
    found = []
    for layer in state_places(learning, GEOMETRY):
        lanes = []
        for first, count in layer:
            values = []
            for i in range(count + STREAM_LATENCY + 1):
                dut.weights__address.value = (first & ((1 << REGION_SHIFT) - 1)) + min(i, count - 1)
                await RisingEdge(dut.clk)
                values.append(dut.weights__read_data.value.to_signed())
            lanes.append(values[STREAM_LATENCY : STREAM_LATENCY + count])
        found.append(np.array(lanes).T)
    return found


@cocotb.test()
@cocotb.parametrize(trial=range(TRIALS), corner=[False, True])
async def every_state(dut: Any, trial: int, corner: bool) -> None:
    """Random networks and devices; random, sparse, full and empty samples."""
    rng = np.random.default_rng([trial, corner])
    g = GEOMETRY
    depth = int(rng.integers(1, min(g.layers, 3) + 1))
    sizes = [int(rng.integers(2, 2 * g.rows + 5))]
    sizes += rng.integers(min(2, g.lanes), g.lanes + 1, depth).tolist()
    # Tuned neurons, fast devices, both or neither, as far as there are records and rows.
    transfer = (
        trial % 4 in (0, 3) and 2 * depth <= g.layers and 4 * (sum(sizes[:-1]) + depth) <= g.weight_depth
    )
    tuned = trial % 3 != 1 and (3 * depth if transfer else 2 * depth - 1) <= g.layers
    how = {"tuned": tuned, "transfer": transfer, "coarse": (trial + corner) % 2 == 1}
    learning = random_learning(g, rng, sizes=sizes, slots=SLOTS[trial % len(SLOTS)], corner=corner, **how)
    if g.step_tables:
        learning = with_some_steps(learning, rng)
    await compared(dut, learning, rng, noise=trial % 4 != 3, what=f"sizes {sizes}, {how}")


def with_some_steps(learning: Learning, rng: np.random.Generator) -> Learning:
    """Step tables, random ones, in place of the slopes of two laws of three."""
    return replace(
        learning,
        layers=with_laws(
            learning.layers,
            lambda law: replace(law, steps=random_steps(rng)) if rng.random() < 2 / 3 else law,
        ),
    )


@cocotb.test()
@cocotb.parametrize(device=list(COARSE))
async def coarse_devices(dut: Any, device: str) -> None:
    """IBM's arrays, and devices of few levels, in networks of two layers; as step
    tables where there are any."""
    rng, g = np.random.default_rng(7), GEOMETRY
    sizes = [min(g.rows, g.max_inputs), min(6, g.lanes), min(5, g.lanes)]
    learning = random_learning(g, rng, sizes=sizes, slots=15)
    law: LinearStep | StepTable
    law, spread = COARSE[device]
    if GEOMETRY.step_tables:
        # The largest step of the coarsest device is twice the one in the middle, which
        # is the whole range.
        law = tabulated(replace(law, step_up=min(law.step_up, 1), step_down=min(law.step_down, 1)))
    layers = with_laws(learning.layers, lambda _: devices_of(law, spread))
    learning = replace(learning, layers=layers)
    assert all(layer.devices.serial for layer in layers)
    await compared(dut, learning, rng, noise=True, what=device)


async def compared(dut: Any, learning: Learning, rng: Any, *, noise: bool, what: str) -> None:
    """UPDATES updates on both; states at the beginning and at the end, pulses
    and answers of each."""
    seed, first = int(rng.integers(1 << 63)), int(rng.integers(1 << 32))
    await reset(dut)
    await load(dut, lay_out_learning(learning, GEOMETRY))
    dut.seed.value, dut.noise.value = seed, int(noise)
    golden = make_learner(learning, seed=seed, noise=noise)
    x = random_inputs(learning.program, rng, UPDATES)
    labels = rng.integers(0, learning.outputs, UPDATES)
    cycles, total = [], 0
    for i in range(UPDATES):
        number = (first + i) & 0xFFFFFFFF
        wanted = golden.learn(x[i : i + 1], labels[i : i + 1], first_update=number)
        cycles.append(await update(dut, x[i].tolist(), int(labels[i]), number))
        total += sum(wanted.pulses)
        where = f"{what}, slots {learning.slots}, update {i}"
        assert pulses(dut, len(wanted.pulses)) == wanted.pulses, where
        assert int(dut.right.value) == wanted.right, where
        if i in (0, UPDATES - 1):
            for n, (a, b) in enumerate(zip(await states(dut, learning), golden.states, strict=True)):
                wrong = [(*place, int(a[*place]), int(b[*place])) for place in np.argwhere(a != b).tolist()]
                first_wrong = f"first (row, column, state, golden's): {wrong[:1]}"
                assert not wrong, f"{where}: {len(wrong)} states of layer {n} differ, {first_wrong}"
    dut._log.info(f"{what}: {np.mean(cycles):.0f} cycles and {total / UPDATES:.1f} pulses an update")

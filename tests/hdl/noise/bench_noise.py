"""cocotb: sigma and samples of random passes against the golden noise, with
stalls on all sides."""

import math
from typing import Any

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib.data import ArrayLayout
from cocotb.triggers import ClockCycles, RisingEdge

from ndrite.emulator.golden.noise import gaussian, pass_key, sigma
from ndrite.hdl.parts.layouts import noise_layout
from tests.hdl.compared import same
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import packed, unpacker
from tests.hdl.streams import Sink, Source, pulse, reset

PASSES = 64


def random_pass(rng: np.random.Generator, corner: bool) -> dict[str, int]:
    columns, p, most = int(rng.integers(1, GEOMETRY.lanes + 1)), GEOMETRY.readouts, GEOMETRY.energy_max
    return {
        "noisy": int(rng.random() < 0.8),
        "inference": int(rng.choice([0, 1, 0xFFFFFFFF, rng.integers(0, 1 << 32)])),
        "layer": int(rng.integers(0, GEOMETRY.layers)),
        "tile": int(rng.integers(0, 1 << 10)),
        "slice": int(rng.integers(0, 8)),
        "first_column": p * int(rng.integers(0, (GEOMETRY.columns - columns) // p + 1)),
        "columns": columns,
        "variance_out": (65535 if corner else int(rng.integers(0, 5000))) ** 2,
        "var_cell": int(rng.choice([0, 1, 65535]) if corner else rng.integers(0, 1 << 12)),
        "energy": int(rng.choice([0, 1, most]) if corner else rng.integers(0, most)),
    }


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.5], corner=[False, True])
async def passes(dut: Any, stall: float, corner: bool) -> None:
    rng = np.random.default_rng([1, int(stall * 10), corner])
    await reset(dut)
    seed = int(rng.integers(0, 1 << 63)) * 2 + 1
    stream = int(rng.integers(0, 1 << 32)) if corner else 0
    dut.seed.value = seed
    dut.stream.value = stream
    todo = [random_pass(rng, corner) for _ in range(PASSES)]
    records = [packed(noise_layout(GEOMETRY), **{k: v for k, v in p.items() if k != "energy"}) for p in todo]

    async def energies() -> None:
        for p in todo:
            while not int(dut.energy_room.value) or rng.random() < stall:
                await RisingEdge(dut.clk)
            await pulse(dut, "energy_valid", energy=p["energy"])
            await ClockCycles(dut.clk, 2)

    sigmas, samples = Sink(dut, "sigma", rng, stall), Sink(dut, "samples", rng, stall)

    async def late_sigmas() -> None:
        """Readout may take samples long before it takes the first sigma: roots
        must wait for it."""
        if corner:
            await ClockCycles(dut.clk, 3000)
        await sigmas.run()

    for task in (Source(dut, "passes", rng, stall).send(records), energies(), late_sigmas(), samples.run()):
        cocotb.start_soon(task)
    noisy = [p for p in todo if p["noisy"]]
    steps = sum(-(-p["columns"] // GEOMETRY.readouts) for p in noisy)
    got_sigma = await sigmas.wait(len(noisy))
    got = map(unpacker(ArrayLayout(signed(12), GEOMETRY.readouts)), await samples.wait(steps))
    for i, p in enumerate(noisy):
        expected = int(sigma(np.array([p["energy"]]), math.isqrt(p["variance_out"]), p["var_cell"])[0])
        same(got_sigma[i], expected, f"pass {i} {p}, sigma")
        key = pass_key(seed, np.array([p["inference"]]), p["layer"], p["tile"], p["slice"], stream=stream)
        columns = np.arange(p["first_column"], p["first_column"] + p["columns"])
        g = gaussian(key, columns)[0]
        for c in range(0, p["columns"], GEOMETRY.readouts):
            for j, value in enumerate(next(got)[: p["columns"] - c], c):
                same(value, g[j], f"pass {i} {p}, column {columns[j]}")
    await ClockCycles(dut.clk, 200)
    assert len(sigmas.taken) == len(noisy)
    assert len(samples.taken) == steps

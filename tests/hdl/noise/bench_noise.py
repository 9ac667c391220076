"""cocotb: sigma and samples of random passes against the golden noise, with stalls on all sides."""

import math
from typing import Any

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib.data import ArrayLayout
from cocotb.triggers import RisingEdge

from emulator.golden.noise import gaussian, pass_key, sigma
from hdl.parts.layouts import noise_layout
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import unpacker
from tests.hdl.streams import Sink, Source, reset

PASSES = 64


def random_pass(rng: np.random.Generator, corner: bool) -> dict[str, int]:
    columns = int(rng.integers(1, GEOMETRY.lanes + 1))
    return {
        "noisy": int(rng.random() < 0.8),
        "inference": int(rng.choice([0, 1, 0xFFFFFFFF, rng.integers(0, 1 << 32)])),
        "layer": int(rng.integers(0, GEOMETRY.layers)),
        "tile": int(rng.integers(0, 1 << 10)),
        "slice": int(rng.integers(0, 8)),
        "first_column": GEOMETRY.readouts
        * int(rng.integers(0, (GEOMETRY.columns - columns) // GEOMETRY.readouts + 1)),
        "columns": columns,
        "variance_out": (65535 if corner else int(rng.integers(0, 5000))) ** 2,
        "var_cell": int(rng.choice([0, 1, 65535])) if corner else int(rng.integers(0, 1 << 12)),
        "energy": int(rng.choice([0, 1, GEOMETRY.energy_max]))
        if corner
        else int(rng.integers(0, GEOMETRY.energy_max)),
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
    layout = noise_layout(GEOMETRY)
    packed = [int(layout.const({k: v for k, v in p.items() if k != "energy"}).as_value().value) for p in todo]

    async def energies() -> None:
        for p in todo:
            while not int(dut.energy_room.value) or rng.random() < stall:
                await RisingEdge(dut.clk)
            dut.energy.value = p["energy"]
            dut.energy_valid.value = 1
            await RisingEdge(dut.clk)
            dut.energy_valid.value = 0
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)

    sigmas, samples = Sink(dut, "sigma", rng, stall), Sink(dut, "samples", rng, stall)

    async def late_sigmas() -> None:
        """Readout may take samples long before it takes the first sigma: roots must wait for it."""
        for _ in range(3000 if corner else 0):
            await RisingEdge(dut.clk)
        await sigmas.run()

    for task in (Source(dut, "passes", rng, stall).send(packed), energies(), late_sigmas(), samples.run()):
        cocotb.start_soon(task)
    noisy = [p for p in todo if p["noisy"]]
    steps = sum(-(-p["columns"] // GEOMETRY.readouts) for p in noisy)
    got_sigma = await sigmas.wait(len(noisy))
    got = map(unpacker(ArrayLayout(signed(12), GEOMETRY.readouts)), await samples.wait(steps))
    for i, p in enumerate(noisy):
        expected = int(sigma(np.array([p["energy"]]), math.isqrt(p["variance_out"]), p["var_cell"])[0])
        assert got_sigma[i] == expected, f"pass {i}, sigma: expected {expected}, got {got_sigma[i]} ({p})"
        key = pass_key(seed, np.array([p["inference"]]), p["layer"], p["tile"], p["slice"], stream=stream)
        columns = np.arange(p["first_column"], p["first_column"] + p["columns"])
        g = gaussian(key, columns)[0]
        for c in range(0, p["columns"], GEOMETRY.readouts):
            row = next(got)
            for j, value in enumerate(row[: p["columns"] - c]):
                assert value == g[c + j], (
                    f"pass {i}, column {columns[c + j]}: expected {g[c + j]}, got {value} ({p})"
                )
    for _ in range(200):
        await RisingEdge(dut.clk)
    assert len(sigmas.taken) == len(noisy)
    assert len(samples.taken) == steps

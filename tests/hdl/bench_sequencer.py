"""cocotb: the passes of random networks, in the golden order, with backpressure."""

from __future__ import annotations

import json
import os
from typing import Any

import cocotb
import numpy as np

from emulator.golden.random_image import random_image
from emulator.golden.sequencer import passes
from emulator.spec import Geometry
from emulator.spec.memory_map import REGION_SHIFT, REGIONS, lay_out
from hdl.layouts import pass_layout
from tests.hdl.probe import unpack
from tests.hdl.streams import Sink, Source, reset, write_memory

GEOMETRY = Geometry(**json.loads(os.environ["GEOMETRY"]))


@cocotb.test()
@cocotb.parametrize(trial=range(6), stall=[0.0, 0.7])
async def order(dut: Any, trial: int, stall: float) -> None:
    rng = np.random.default_rng([3, trial])
    image = random_image(GEOMETRY, rng)
    await reset(dut)
    for section in lay_out(image, GEOMETRY):
        if section.address >> REGION_SHIFT == REGIONS["layers"]:
            await write_memory(dut, "window", 0, section.words)
    dut.noise_enable.value = 1
    sink = Sink(dut, "passes", rng, stall)
    starts = [(n & 1) | (n * 77) << 1 for n in range(3)]
    cocotb.start_soon(sink.run())
    cocotb.start_soon(Source(dut, "start", rng, stall).send(starts))
    wanted = list(passes(image, GEOMETRY))
    taken = await sink.wait(3 * len(wanted))
    bases = np.cumsum([0] + [-(-la.outputs // GEOMETRY.readouts) * GEOMETRY.readouts for la in image.layers])
    for n in range(3):
        for i, p in enumerate(wanted):
            got = unpack(pass_layout(GEOMETRY), taken[n * len(wanted) + i])
            la = image.layers[p.layer]
            noisy = bool(la.sigma_out or la.var_cell)
            facts = {
                "first row": (got["feed"]["word"] * 8, p.first_row),
                "rows": (got["feed"]["rows"], p.rows),
                "weight address": (got["feed"]["address"], p.weight_address),
                "slice": (got["feed"]["slice"], p.slice),
                "source": (got["feed"]["from_input"], int(p.layer == 0)),
                "bank": (got["feed"]["bank"], n & 1 if p.layer == 0 else (p.layer - 1) & 1),
                "layer first": (got["feed"]["layer_first"], int(p.first and p.group == 0)),
                "inference": (got["noise"]["inference"], n * 77),
                "noise layer": (got["noise"]["layer"], p.layer),
                "tile": (got["noise"]["tile"], p.tile),
                "noisy": (got["noise"]["noisy"], int(noisy and GEOMETRY.noise)),
                "variance": (got["noise"]["variance_out"], la.sigma_out**2),
                "steps": (got["readout"]["steps"], -(-p.columns // GEOMETRY.readouts)),
                "columns": (got["noise"]["columns"], p.columns),
                "column": (got["readout"]["column"], bases[p.layer] + p.first_column),
                "first": (got["readout"]["first"], int(p.first)),
                "last": (got["readout"]["last"], int(p.last)),
                "shift": (got["readout"]["shift"], la.shift),
                "lshift": (got["readout"]["lshift"], p.slice * la.dac_bits),
                "output": (got["readout"]["group"]["output"], int(p.layer == len(image.layers) - 1)),
                "layer end": (
                    got["readout"]["group"]["layer_end"],
                    int(p.first_column + p.columns == la.outputs),
                ),
            }
            for name, (have, want) in facts.items():
                assert have == want, (
                    f"block sequencer, inference {n}, pass {i}, {name}: expected {want}, got {have}"
                )

"""cocotb: the passes of random networks, in the golden order, with backpressure."""

from typing import Any

import cocotb
import numpy as np
from amaranth.utils import exact_log2

from emulator.backend.lay_out import lay_out
from emulator.golden.random_program import random_program
from hdl.parts.layouts import pass_layout
from tests.hdl.compared import Opened, same
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import unpacker
from tests.hdl.streams import Sink, Source, load, reset
from tests.naive.sequencer import passes

COUNT = 5


def activation_bank(n: int, layer: int) -> int:
    """Where inference ``n``'s activations of ``layer`` go."""
    if not GEOMETRY.overlap:
        return layer & 1
    return n & 1 if layer == 0 else 2 + (layer & 1)


@cocotb.test()
@cocotb.parametrize(trial=range(6), stall=[0.0, 0.7])
async def order(dut: Any, trial: int, stall: float) -> None:
    rng = np.random.default_rng([3, trial])
    program = random_program(GEOMETRY, rng)
    await reset(dut)
    await load(dut, lay_out(program, GEOMETRY), layers="window")
    dut.noise_enable.value = 1
    sink = Sink(dut, "passes", rng, stall)
    starts = [n % GEOMETRY.banks | (n * 77) << exact_log2(GEOMETRY.banks) for n in range(COUNT)]
    cocotb.start_soon(sink.run())
    cocotb.start_soon(Source(dut, "start", rng, stall).send(starts))
    wanted = list(passes(program, GEOMETRY))
    taken = await sink.wait(COUNT * len(wanted))
    bases = np.cumsum(
        [0] + [-(-la.outputs // GEOMETRY.readouts) * GEOMETRY.readouts for la in program.layers]
    )
    layers = [[p for p in wanted if p.layer == layer] for layer in range(len(program.layers))]
    passed = [unpacker(pass_layout(GEOMETRY))(value) for value in taken]
    order = [(n, layer) for n in range(COUNT) for layer in range(len(layers))]
    if GEOMETRY.overlap and stall == 0 and len(layers) > 1:
        # Starts are always on offer: every other first layer comes before the rest of the one before.
        order = [(0, 0)]
        for n in range(COUNT):
            order += [(n + 1, 0)] * (n + 1 < COUNT) + [(n, layer) for layer in range(1, len(layers))]
    elif GEOMETRY.overlap:
        opened = Opened(len(layers))
        order = [opened.open(p["feed"]["from_input"]) for p in passed if p["feed"]["layer_first"]]
    came = iter(passed)
    for n, layer in order:
        for i, p in enumerate(layers[layer]):
            got = next(came)
            la = program.layers[p.layer]
            noisy = bool(la.sigma_out or la.var_cell)
            here = activation_bank(n, p.layer)
            source = n % GEOMETRY.banks if p.layer == 0 else activation_bank(n, p.layer - 1)
            wanted_of = {
                "feed": {
                    "word": p.first_row // 8,
                    "rows": p.rows,
                    "address": p.weight_address,
                    "slice": p.slice,
                    "from_input": int(p.layer == 0),
                    "bank": source,
                    "sink": here,
                    "layer_first": int(p.first and p.group == 0),
                },
                "noise": {
                    "inference": n * 77,
                    "layer": p.layer,
                    "tile": p.tile,
                    "noisy": int(noisy and GEOMETRY.noise),
                    "variance_out": la.sigma_out**2,
                    "columns": p.columns,
                },
                "readout": {
                    "steps": -(-p.columns // GEOMETRY.readouts),
                    "column": bases[p.layer] + p.first_column,
                    "first": int(p.first),
                    "last": int(p.last),
                    "shift": la.shift,
                    "lshift": p.slice * la.dac_bits,
                },
                "group": {
                    "sink": here,
                    "output": int(p.layer == len(program.layers) - 1),
                    "layer_end": int(p.first_column + p.columns == la.outputs),
                },
            }
            have = got | {"group": got["readout"]["group"]}
            for part, fields in wanted_of.items():
                where = f"block sequencer, inference {n}, layer {layer}, pass {i}, {part}"
                same({name: have[part][name] for name in fields}, fields, where)

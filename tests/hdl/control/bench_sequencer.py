"""cocotb: the passes of random networks, in the golden order, with backpressure."""

from typing import Any

import cocotb
import numpy as np
from amaranth.utils import exact_log2

from emulator.backend.lay_out import lay_out
from emulator.golden.random_program import random_program
from emulator.spec.memory_map import REGION_SHIFT, REGIONS
from hdl.parts.layouts import pass_layout
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import unpacker
from tests.hdl.streams import Sink, Source, reset, write_memory
from tests.naive.sequencer import passes

COUNT = 5


def activation_bank(n: int, layer: int) -> int:
    """Where inference ``n``'s activations of ``layer`` go."""
    if not GEOMETRY.overlap:
        return layer & 1
    return n & 1 if layer == 0 else 2 + (layer & 1)


def followed(feeds: list[dict[str, int]], layers: int) -> list[tuple[int, int]]:
    """The layers of inferences in the order in which they were issued, of at most two at a time."""
    order: list[tuple[int, int]] = []
    for feed in feeds:
        if not feed["layer_first"]:
            continue
        ended = sum(layer == layers - 1 for _, layer in order)
        done = [layer for n, layer in order if n == ended]
        begun = sum(layer == 0 for _, layer in order)
        order.append((begun, 0) if feed["from_input"] else (ended, done[-1] + 1))
        assert sum(layer == 0 for _, layer in order) - ended <= 2, order
    return order


@cocotb.test()
@cocotb.parametrize(trial=range(6), stall=[0.0, 0.7])
async def order(dut: Any, trial: int, stall: float) -> None:
    rng = np.random.default_rng([3, trial])
    program = random_program(GEOMETRY, rng)
    await reset(dut)
    for section in lay_out(program, GEOMETRY):
        if section.address >> REGION_SHIFT == REGIONS["layers"]:
            await write_memory(dut, "window", 0, section.words)
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
        order = followed([fields["feed"] for fields in passed], len(layers))
    came = iter(passed)
    for n, layer in order:
        for i, p in enumerate(layers[layer]):
            got = next(came)
            la = program.layers[p.layer]
            noisy = bool(la.sigma_out or la.var_cell)
            facts = {
                "first row": (got["feed"]["word"] * 8, p.first_row),
                "rows": (got["feed"]["rows"], p.rows),
                "weight address": (got["feed"]["address"], p.weight_address),
                "slice": (got["feed"]["slice"], p.slice),
                "source": (got["feed"]["from_input"], int(p.layer == 0)),
                "bank": (
                    got["feed"]["bank"],
                    n % GEOMETRY.banks if p.layer == 0 else activation_bank(n, p.layer - 1),
                ),
                "sink": (got["feed"]["sink"], activation_bank(n, p.layer)),
                "group's sink": (got["readout"]["group"]["sink"], activation_bank(n, p.layer)),
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
                "output": (got["readout"]["group"]["output"], int(p.layer == len(program.layers) - 1)),
                "layer end": (
                    got["readout"]["group"]["layer_end"],
                    int(p.first_column + p.columns == la.outputs),
                ),
            }
            for name, (have, want) in facts.items():
                assert have == want, (
                    f"block sequencer, inference {n}, layer {layer}, pass {i}, {name}: "
                    f"expected {want}, got {have}"
                )

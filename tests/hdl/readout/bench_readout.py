"""cocotb: partial sums of random passes against the golden readout, with
stalls on both sides."""

import dataclasses
from typing import Any

import cocotb
import numpy as np
from amaranth import signed
from amaranth.lib.data import ArrayLayout

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden.array import readout
from ndrite.emulator.golden.noise import noise
from ndrite.emulator.golden.random_program import random_program
from ndrite.hdl.noise.noise import sample_depth
from ndrite.hdl.parts.layouts import readout_layout, waiting_sums
from tests.hdl.compared import same
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import packed, unpacker
from tests.hdl.readout.array_stand_in import in_line, one_at_a_time, pack, stored_samples
from tests.hdl.streams import Sink, Source, load, reset
from tests.naive.sequencer import passes

P = GEOMETRY.readouts
SUMS = unpacker(ArrayLayout(signed(32), P))


@cocotb.test()
@cocotb.parametrize((("stall", "scarce"), [(0.0, 0.0), (0.6, 0.6), (0.0, 0.6)]), trial=range(5))
async def partial_sums(dut: Any, trial: int, stall: float, scarce: float) -> None:
    """``scarce``: chance that no sample is there in a cycle."""
    rng = np.random.default_rng([4, trial, int(10 * stall)])
    program = random_program(GEOMETRY, rng, corner=trial > 2)
    await reset(dut)
    await load(dut, lay_out(program, GEOMETRY), readout="window")
    order = list(passes(program, GEOMETRY))
    bases = np.cumsum([0] + [-(-la.outputs // P) * P for la in program.layers])
    records, sigmas, samples, columns, expected = [], [], [], [], []
    totals: dict[tuple[int, int], np.ndarray[Any, Any]] = {}
    for p in order:
        la = program.layers[p.layer]
        noisy = GEOMETRY.noise and rng.random() < 0.6
        most = p.rows * 255 * GEOMETRY.weight_max if trial > 2 else min(p.rows * 2000, 1 << 20)
        a = rng.integers(-most, most + 1, p.columns)
        if trial > 2:
            a = np.where(rng.random(p.columns) < 0.3, rng.choice([-most, most], p.columns), a)
        # Partial sums keep to 32 bits only for values the program's own weights could give.
        if la.readout == "analog":
            a = a // (1 << 3) // len([q for q in order if q.layer == p.layer and q.group == p.group])
        g = rng.integers(-2048, 2048, p.columns) if noisy else np.zeros(p.columns, np.int64)
        s = int(rng.choice([0, 1, 65535, rng.integers(0, 2000)])) if noisy else 0
        here = slice(p.first_column, p.first_column + p.columns)
        view = _columns_of(la, here)
        added = readout(noise(a.astype(np.int64), np.array([s]), g), view, p.slice)
        key = (p.layer, p.group)
        totals[key] = added if p.first else totals[key] + added
        if p.last:
            expected += [
                (p.layer, p.first_column + c, totals[key][c : c + P]) for c in range(0, p.columns, P)
            ]
        records.append(
            packed(
                readout_layout(GEOMETRY),
                noisy=int(noisy),
                first=int(p.first),
                last=int(p.last),
                steps=-(-p.columns // P),
                column=int(bases[p.layer]) + p.first_column,
                analog=int(la.readout == "analog"),
                adc_bits=la.adc_bits,
                shift=la.shift,
                lshift=p.slice * la.dac_bits,
            )
        )
        if noisy:
            sigmas.append(s)
            samples += [pack(g[c : c + P], 12) for c in range(0, p.columns, P)]
        columns.append(a)

    partials = Sink(dut, "partials", rng, stall)
    dut.groups__ready.value = 1
    array = in_line if waiting_sums(GEOMETRY) else one_at_a_time
    work = [
        Source(dut, "passes", rng, stall).send(records),
        array(dut, GEOMETRY, columns, rng, stall),
        partials.run(),
    ]
    if GEOMETRY.noise:
        work += [
            Source(dut, "sigma", rng, stall).send(sigmas),
            stored_samples(dut, sample_depth(GEOMETRY), samples, rng, scarce),
        ]
    for task in work:
        cocotb.start_soon(task)
    got = await partials.wait(len(expected))
    for entry, (layer, first, values) in zip(map(SUMS, got), expected, strict=True):
        for column, (have, want) in enumerate(zip(entry, values, strict=False), first):
            same(have, want, f"layer {layer}, block readout, column {column}")


def _columns_of(la: Any, here: slice) -> Any:
    names = ("bias", "gain", "offset", "scale", "curve")
    return dataclasses.replace(la, weights=la.weights[:, here], **{n: getattr(la, n)[here] for n in names})

"""cocotb: logits and activations of random column groups against the golden
neuron, with gaps."""

import dataclasses
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.golden.neuron import neuron, preneuron
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.hdl.neuron.neuron import logit_layout
from ndrite.hdl.parts.layouts import activation_layout, group_layout
from tests.hdl.compared import same
from tests.hdl.given import GEOMETRY
from tests.hdl.probe import packed, unpacker
from tests.hdl.readout.array_stand_in import pack
from tests.hdl.streams import Source, load, reset

WINDOWS = {
    "bias": "bias_window",
    "neuron": "neuron_window",
    "curve_base": "base_window",
    "curve_slope": "slope_window",
}


def extremes(rng: np.random.Generator, program: Program, layer: int) -> np.ndarray[Any, Any]:
    """Partial sums over the useful range, around its two ends, and at the ends of
    what 31 bits allow."""
    la = program.layers[layer]
    spread = 4000 * (1 << la.vshift) // max(1, int(la.scale.mean()))
    p = rng.integers(-spread - 1, spread + 2, la.outputs)
    edge = np.where(rng.random(la.outputs) < 0.5, 2047.5, -2048.5) * 2.0**la.vshift
    edge = (edge / np.maximum(la.scale, 1)).astype(np.int64) - la.bias + rng.integers(-1, 2, la.outputs)
    limit = (1 << 31) - 1 - int(np.abs(la.bias.astype(np.int64)).max())
    kind = rng.random(la.outputs)
    p = np.where(kind < 0.4, edge, np.where(kind < 0.5, rng.choice([-limit, limit], la.outputs), p))
    return np.clip(p, -limit, limit)


def edges(rng: np.random.Generator, program: Program) -> Program:
    """The program with half of its curve's segments level, at and around both ends
    of the activations."""
    shape = program.curve_base.shape
    bits = rng.choice([la.table_bits for la in program.layers], shape)
    level = rng.choice([-1, 0, 1, INPUT_MAX - 1, INPUT_MAX, INPUT_MAX + 1, INPUT_MAX + 2], shape) << bits
    chosen = rng.random(shape) < 0.5
    return dataclasses.replace(
        program,
        curve_base=np.where(chosen, level, program.curve_base).astype(np.int32),
        curve_slope=np.where(chosen, 0, program.curve_slope).astype(np.int32),
    )


@cocotb.test()
@cocotb.parametrize(trial=range(4), idle=[0.0, 0.6])
async def groups(dut: Any, trial: int, idle: float) -> None:
    rng = np.random.default_rng([2, trial, int(idle * 10)])
    program = edges(rng, random_program(GEOMETRY, rng, layers=2 + trial % 2, corner=trial > 1))
    await reset(dut)
    await load(dut, lay_out(program, GEOMETRY), **WINDOWS)
    payloads, partials, expected = [], [], []
    n, p_per = GEOMETRY.lanes, GEOMETRY.readouts
    last = len(program.layers) - 1
    for _ in range(3):
        column = 0
        for i, la in enumerate(program.layers):
            p = extremes(rng, program, i)
            z = p + la.bias.astype(np.int64)
            y = neuron(preneuron(z, la), la, program.curve_base, program.curve_slope)
            kind, values = ("logit", z) if i == last else ("activation", y)
            expected += [(i, (kind, m, int(m == la.outputs - 1), int(values[m]))) for m in range(la.outputs)]
            for first in range(0, la.outputs, n):
                count = min(n, la.outputs - first)
                fields = {
                    "output": int(i == last),
                    "layer_end": int(first + n >= la.outputs),
                    "sink": i & 1,
                    "first_column": first,
                    "column": column + first,
                    "columns": count,
                }
                for name in ("vshift", "segment_bits", "table_bits"):
                    fields[name] = getattr(la, name)
                payloads.append(packed(group_layout(GEOMETRY), **fields))
                mine = p[first : first + count]
                partials += [pack(mine[c : c + p_per], 32) for c in range(0, count, p_per)]
            column += -(-la.outputs // p_per) * p_per
    cocotb.start_soon(Source(dut, "groups", rng, idle).send(payloads))
    cocotb.start_soon(Source(dut, "partials", rng, idle).send(partials))
    sums, fields, seen = unpacker(logit_layout(GEOMETRY)), unpacker(activation_layout(GEOMETRY)), 0
    for _ in range(100_000):
        await RisingEdge(dut.clk)
        logit, activation = int(dut.logit.value), int(dut.activation.value)
        got = []
        if logit & 1:
            out = sums(logit)
            got.append(("logit", out["column"], out["final"], out["z"]))
        if activation & 1:
            fired = fields(activation)
            for i, y in enumerate(fired["y"][: fired["count"]]):
                ends = fired["last"] and i == fired["count"] - 1
                got.append(("activation", fired["column"] + i, int(ends), y))
        for item in got:
            layer, wanted = expected[seen]
            same(item, wanted, f"layer {layer}, block neuron (kind, column, end, value)")
            seen += 1
        if seen == len(expected):
            break
    assert seen == len(expected)

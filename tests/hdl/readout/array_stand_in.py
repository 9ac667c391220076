"""Stands for the array, and for the queue of samples, in front of readout."""

from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from ndrite.emulator.spec import Geometry
from ndrite.hdl.array.array import capture_latency
from ndrite.hdl.parts.layouts import waiting_sums
from ndrite.hdl.readout.schedule import EMITTER_CYCLES


def pack(values: Any, bits: int) -> int:
    return sum((int(v) & ((1 << bits) - 1)) << bits * i for i, v in enumerate(values))


async def one_at_a_time(
    dut: Any, geometry: Geometry, columns: list[Any], rng: np.random.Generator, stall: float
) -> None:
    """Capture, then show P columns and move on with each shift."""
    p, bits, free = geometry.readouts, geometry.accumulator_bits, 1

    async def edge() -> None:
        nonlocal free
        await RisingEdge(dut.clk)
        free |= int(dut.release.value)

    for a in columns:
        while not free or rng.random() < stall:
            await edge()
        free = 0
        for _ in range(10):
            await edge()
        dut.capture.value = 1
        await edge()
        dut.capture.value = 0
        position = 0
        while position < len(a):
            await edge()
            if int(dut.shift.value):
                # The columns of a step stand in the cycle after it.
                dut.columns.value = pack(a[position : position + p], bits)
                position += p


async def in_line(
    dut: Any, geometry: Geometry, columns: list[Any], rng: np.random.Generator, stall: float
) -> None:
    """Passes get in line behind each other as places are released, and are shown
    one after the other."""
    p, bits = geometry.readouts, geometry.accumulator_bits
    places, captured, shown, position = 1 + waiting_sums(geometry), 0, 0, 0
    # A release is of use to a row that is emitted after it.
    on_the_way: list[int] = []
    announced = closing = 0
    while shown < len(columns):
        arrives = captured < len(columns) and places > 0 and rng.random() >= stall
        places -= arrives
        dut.capture.value = int(arrives)
        await RisingEdge(dut.clk)
        captured += arrives
        on_the_way = [left - 1 for left in on_the_way]
        while on_the_way and on_the_way[0] <= 0:
            on_the_way.pop(0)
            places += 1
        if int(dut.release.value):
            on_the_way.append(EMITTER_CYCLES + capture_latency(geometry))
        shift = int(dut.shift.value)
        assert shift == announced, f"pass {shown}: shift {shift} was announced as {announced}"
        if shift:
            assert shown < captured, f"pass {shown} is read out before its sums are there"
            a = columns[shown]
            dut.columns.value = pack(a[position : position + p], bits)
            position += p
            ends = int(position >= len(a))
            assert ends == closing, f"pass {shown}, column {position}: close announced as {closing}"
            if ends:
                shown, position = shown + 1, 0
        announced, closing = int(dut.shift_next.value), int(dut.close_next.value)
    dut.capture.value = 0


async def stored_samples(
    dut: Any, depth: int, samples: list[int], rng: np.random.Generator, stall: float
) -> None:
    """A queue of samples that fills slowly; none may be taken that is not in it."""
    stored: list[int] = []
    position = 0
    while position < len(samples) or stored:
        if position < len(samples) and len(stored) < depth and rng.random() >= stall:
            stored.append(samples[position])
            position += 1
        dut.samples_level.value = len(stored)
        dut.samples__valid.value = int(bool(stored))
        dut.samples__payload.value = stored[0] if stored else 0
        await RisingEdge(dut.clk)
        if int(dut.samples__ready.value):
            assert stored, f"sample {position} is taken before it is there"
            stored.pop(0)
    dut.samples__valid.value = 0
    dut.samples_level.value = 0

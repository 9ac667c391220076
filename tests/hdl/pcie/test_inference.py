"""The block that runs a stream of codes, alone; no compiler."""

import dataclasses
from typing import Any

import pytest

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.pcie.inference import Inference
from tests.hdl.interpreted import simulated

TINY = dataclasses.replace(PRESETS["tiny"], overlap=True)
FIRST_INDEX = 7


@pytest.mark.parametrize("after", [0, 1, 4, 9, 25])
def test_no_inference_starts_between_the_watchdogs_reset_and_the_end_of_the_run(after: int) -> None:
    """The reset comes ``after`` so many cycles of an inference, while the next
    samples are loaded. A run that follows begins with the first bank and its
    own first sample."""
    dut = Inference(TINY)
    starts: list[tuple[int, int]] = []

    async def cycles(ctx: Any, count: int) -> None:
        for _ in range(count):
            if ctx.get(dut.start.valid):
                starts.append((ctx.get(dut.start.payload.bank), ctx.get(dut.start.payload.inference)))
            await ctx.tick()

    async def bench(ctx: Any) -> None:
        for name, value in (("count", 9), ("inputs", 24), ("outputs", 1), ("first_index", FIRST_INDEX)):
            ctx.set(getattr(dut, name), value)
        for signal in (dut.words.valid, dut.start.ready, dut.run):
            ctx.set(signal, 1)
        while not starts:
            await cycles(ctx, 1)
        await cycles(ctx, after)
        ctx.set(dut.hung, 1)
        await ctx.tick()
        ctx.set(dut.hung, 0)
        starts.clear()
        await cycles(ctx, 100)
        assert starts == []
        ctx.set(dut.run, 0)
        await cycles(ctx, 3)
        ctx.set(dut.run, 1)
        await cycles(ctx, 40)
        assert starts[0] == (0, FIRST_INDEX)

    simulated(dut, bench)

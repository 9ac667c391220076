"""After the watchdog's reset, and after power-on: whatever was under way, what
comes next is right."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.hdl.device.accelerator import Accelerator
from ndrite.hdl.device.watchdog import RESET_CYCLES, watchdog_cycles
from tests.hdl.interpreted import simulated
from tests.hdl.wire import Wire
from tests.stimulus import inferred, random_inputs

pytestmark = pytest.mark.long

# A vector takes longer to load than the core is held in reset.
LONG = dataclasses.replace(PRESETS["tiny"], max_inputs=512, packet_bytes=512, redraw=0)
PROGRAM = random_program(LONG, np.random.default_rng(1), sizes=(512, 4), readout="adc")
X = random_inputs(PROGRAM, np.random.default_rng(2), 5)
WAIT = watchdog_cycles(LONG)
ANSWER, ARRIVAL = 90, 580
"""Cycles, about, from the watchdog's word to the end of the answer, and from a
request's first byte to the beginning of its load."""


def works(wire: Wire) -> None:
    wire.program(PROGRAM)
    for first, count in ((0, 1), (3, 5), (9, 2)):
        inferred(wire.board, PROGRAM, X[:count], seed=4, first_index=first)


def infer(wire: Wire, n: int) -> None:
    wire.send(Opcode.INFER, 0, X[n].tobytes())


def statuses(wire: Wire) -> list[int]:
    return [answer.status for answer in wire.answers()]


@pytest.fixture(params=[False, True], ids=["in-order", "overlap"], scope="module")
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(dataclasses.replace(LONG, overlap=request.param))
    yield wire
    wire.board.close()


@pytest.fixture(scope="module")
def hung(wire: Wire) -> int:
    """Cycles, about, from a request's first byte until the watchdog speaks."""
    wire.program(PROGRAM, hangs=True)
    begun = wire.link.model.cycles
    infer(wire, 0)
    assert wire.link.model.run(WAIT + 10_000)
    assert statuses(wire) == [Status.HUNG]
    return wire.link.model.cycles - begun - ANSWER


@pytest.mark.parametrize("under_way", [1, 2, 3])
def test_any_number_of_inferences_may_be_under_way_when_it_hangs(wire: Wire, under_way: int) -> None:
    wire.program(PROGRAM, hangs=True)
    for n in range(under_way):
        infer(wire, n)
    wire.run(WAIT + 10_000)
    lost = min(under_way, wire.geometry.banks)
    assert statuses(wire) == [Status.HUNG] * lost + [Status.NOT_PROGRAMMED] * (under_way - lost)
    works(wire)
    # Nothing is under way any more, and the watchdog knows.
    wire.run(WAIT + 10_000)
    assert wire.board.infer(X[:1], seed=4).shape == (1, PROGRAM.outputs)


@pytest.mark.parametrize("before", [50, 350])
def test_an_inference_that_is_being_loaded_when_it_hangs(wire: Wire, hung: int, before: int) -> None:
    """Its load begins ``before`` cycles ahead of the reset and goes on behind it: it is
    lost, as a whole."""
    wire.program(PROGRAM, hangs=True)
    infer(wire, 0)
    wire.run(hung - before - ARRIVAL)
    infer(wire, 1)
    wire.run(4000)
    assert statuses(wire) == [Status.HUNG] * 2
    works(wire)


def test_hang_is_said_until_the_reset_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then a link starts nothing; what is started all the same is not waited for.
    The same after power-on, whose reset may be a cycle long: a request to the bus waits
    until it is over."""
    monkeypatch.setattr("ndrite.hdl.device.watchdog.watchdog_cycles", lambda geometry: 300)
    accelerator = Accelerator(dataclasses.replace(PRESETS["tiny"], redraw=0, noise=False))
    after_power_on: list[int] = []
    hung: list[int] = []
    answered: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(accelerator.master.bus.request, 1)
        for cycle in range(2 * RESET_CYCLES):
            if ctx.get(accelerator.master.hung):
                after_power_on.append(cycle)
            if ctx.get(accelerator.master.bus.done):
                answered.append(cycle)
                ctx.set(accelerator.master.bus.request, 0)
            await ctx.tick()
        ctx.set(accelerator.master.start.valid, 1)
        await ctx.tick()
        ctx.set(accelerator.master.start.valid, 0)
        for cycle in range(1200):
            if ctx.get(accelerator.master.hung):
                hung.append(cycle)
            ctx.set(accelerator.master.start.valid, bool(hung) and cycle == hung[0] + RESET_CYCLES // 2)
            await ctx.tick()

    simulated(accelerator, bench)
    assert after_power_on == list(range(RESET_CYCLES + 1))
    assert len(answered) == 1
    assert answered[0] > RESET_CYCLES
    assert hung == list(range(hung[0], hung[0] + RESET_CYCLES + 2))

"""Components in Amaranth's own simulator, which compiles nothing: for benches of a
few thousand cycles."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator

CLOCK_S = 1e-8
Cycles = Sequence[Mapping[str, Any]]
"""Values of inputs, by name, for each of some cycles."""


def simulated(design: Any, *benches: Callable[[Any], Awaitable[None]]) -> None:
    """Run ``design`` until every bench, given the simulator's context, has ended."""
    simulator = Simulator(design)
    simulator.add_clock(CLOCK_S, if_exists=True)  # there is none where all is combinational
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def followed(dut: Any, given: Iterable[Mapping[str, Any]], *outputs: str) -> list[tuple[int, ...]]:
    """The values of ``outputs`` in every cycle, with what is ``given`` for that
    cycle by input: value.

    An input keeps its value until another one is given. Names may be dotted: ``o.valid``.
    """
    seen: list[tuple[int, ...]] = []
    watched = [Value.cast(attrgetter(name)(dut)) for name in outputs]

    async def bench(ctx: Any) -> None:
        for values in given:
            for name, value in values.items():
                ctx.set(attrgetter(name)(dut), value)
            seen.append(tuple(ctx.get(signal) for signal in watched))
            await ctx.tick()

    simulated(dut, bench)
    return seen


def answers(dut: Any, given: Cycles, latency: int, *out: str, first: Cycles = ()) -> list[tuple[int, ...]]:
    """What ``out`` says ``latency`` cycles after each of ``given``, which
    come after ``first``."""
    return followed(dut, [*first, *given, *[{}] * latency], *out)[len(first) + latency :]

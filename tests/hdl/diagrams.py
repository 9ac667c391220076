"""Timing diagrams of components: WaveDrom in their docstrings, replayed on the component itself."""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Any

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

import hdl

CLOCK_S = 1e-8
Wave = list[int | None]
"""A value a cycle; None: any."""


def components() -> Iterator[type[wiring.Component]]:
    """Every component of the gateware."""
    for module in pkgutil.walk_packages(hdl.__path__, "hdl."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, wiring.Component) and found.__module__ == module.name:
                yield found


def diagrams(component: type) -> list[dict[str, Any]]:
    """The diagrams in a docstring: literal blocks that are JSON."""
    text = inspect.cleandoc(component.__doc__ or "")
    blocks = re.findall(r"::\n\n((?:(?: +.*)?\n)+)", text + "\n")
    return [json.loads(block) for block in blocks if block.lstrip().startswith("{")]


def decoded(line: Mapping[str, Any]) -> Wave:
    """The values of one line: bits, and words (``=``) by their labels, in hexadecimal."""
    labels = iter(line.get("data", "").split())
    values: Wave = []
    for character in line["wave"]:
        if character == ".":
            values.append(values[-1])
        elif character == "x":
            values.append(None)
        else:
            values.append(int(next(labels), 16) if character == "=" else int(character))
    assert next(labels, None) is None, f"{line['name']}: more labels than words"
    return values


def port(dut: Any, name: str) -> tuple[Any, bool]:
    """The port of a dotted name, and whether it goes into the component."""
    inward, signature = True, dut.signature
    found = dut
    for part in name.split("."):
        member = signature.members[part]
        # Of what goes in as a whole Amaranth gives the members flipped.
        inward = member.flow == wiring.In
        found = getattr(found, part)
        if member.is_signature:
            signature = member.signature
    return found, inward


def replay(dut: Any, diagram: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, list[int]]:
    """Each output's value a cycle, when the inputs are as drawn and ``held`` as it is."""
    waves = {line["name"]: decoded(line) for line in diagram["signal"]}
    ports = {name: port(dut, name) for name in waves}
    cycles = max(len(wave) for wave in waves.values())
    seen: dict[str, list[int]] = {name: [] for name, (_, inward) in ports.items() if not inward}

    async def bench(ctx: Any) -> None:
        for name, value in held.items():
            ctx.set(port(dut, name)[0], value)
        for cycle in range(cycles):
            for name, (signal, inward) in ports.items():
                if inward:
                    ctx.set(signal, waves[name][cycle] or 0)
            for name, values in seen.items():
                values.append(int(ctx.get(Value.cast(ports[name][0]))))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(CLOCK_S)
    simulator.add_testbench(bench)
    simulator.run()
    return seen

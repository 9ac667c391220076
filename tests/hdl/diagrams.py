"""Timing diagrams of components: WaveDrom in their docstrings, replayed on the component itself."""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Any

from amaranth.lib import wiring

import hdl
from tests.hdl.interpreted import followed

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


def goes_in(dut: Any, name: str) -> bool:
    """Whether the port of a dotted name is an input of the component."""
    inward, signature = True, dut.signature
    for part in name.split("."):
        member = signature.members[part]
        # Of what goes in as a whole Amaranth gives the members flipped.
        inward = member.flow == wiring.In
        if member.is_signature:
            signature = member.signature
    return inward


def replay(dut: Any, diagram: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, list[int]]:
    """Each output's value a cycle, when the inputs are as drawn and ``held`` as it is."""
    waves = {line["name"]: decoded(line) for line in diagram["signal"]}
    inputs = [name for name in waves if goes_in(dut, name)]
    outputs = [name for name in waves if name not in inputs]
    given = [
        {name: waves[name][cycle] or 0 for name in inputs} for cycle in range(max(map(len, waves.values())))
    ]
    seen = followed(dut, [{**held, **given[0]}, *given[1:]], *outputs)
    return {name: list(values) for name, values in zip(outputs, zip(*seen, strict=True), strict=True)}

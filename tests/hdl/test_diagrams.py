"""Timing diagrams say what the components do: WaveDrom in docstrings, replayed on the
component itself."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from amaranth.lib import wiring

from ndrite import hdl
from ndrite.emulator.spec import PRESETS
from ndrite.hdl.link.unpacker import Unpacker, WordUnpacker
from ndrite.hdl.parts.bus import Decoder
from ndrite.hdl.parts.pipeline import Queue
from ndrite.hdl.readout.schedule import BackToBack, OneByOne
from ndrite.hdl.walk.map_memory import MapMemory
from tests.hdl.interpreted import followed

Wave = list[int | None]
"""A value a cycle; None: any."""


def components() -> Iterator[type[wiring.Component]]:
    """Every component of the gateware."""
    for module in pkgutil.walk_packages(hdl.__path__, "ndrite.hdl."):
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


TINY = PRESETS["tiny"]
MAPS = dataclasses.replace(TINY, overlap=True, redraw=0, map_codes=1024)
OVERLAP = dataclasses.replace(TINY, lanes=8, readouts=2, overlap=True)

DRAWN: dict[type[wiring.Component], tuple[Callable[[], Any], dict[str, Any]]] = {
    BackToBack: (lambda: BackToBack(OVERLAP), {"passes.payload": {"steps": 3, "last": 1}, "groups.ready": 1}),
    Decoder: (lambda: Decoder(TINY), {}),
    MapMemory: (lambda: MapMemory(MAPS), {}),
    OneByOne: (lambda: OneByOne(TINY), {"passes.payload": {"steps": 2, "last": 1}, "groups.ready": 1}),
    Queue: (lambda: Queue(8, 4), {}),
    Unpacker: (Unpacker, {}),
    WordUnpacker: (lambda: WordUnpacker(MAPS), {}),
}
"""How a component with diagrams is made, and inputs that are not drawn."""


def test_every_diagram_is_replayed() -> None:
    found = {component for component in components() if diagrams(component)}
    assert found == set(DRAWN)


@pytest.mark.parametrize("component", DRAWN, ids=lambda component: component.__name__)
def test_a_diagram_is_what_happens(component: type[wiring.Component]) -> None:
    make, held = DRAWN[component]
    for diagram in diagrams(component):
        seen = replay(make(), diagram, held)
        lines = {line["name"]: decoded(line) for line in diagram["signal"]}
        assert len({len(wave) for wave in lines.values()}) == 1, "lines of different lengths"
        assert seen, "no output is drawn"
        compared = 0
        for name, values in seen.items():
            for cycle, (got, drawn) in enumerate(zip(values, lines[name], strict=True)):
                if drawn is not None:
                    assert got == drawn, (
                        f"{component.__name__}.{name}, cycle {cycle}: {got:#x}, drawn {drawn:#x}"
                    )
                    compared += 1
        assert compared >= 3

"""Timing diagrams in docstrings say what the components do."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.lib import wiring

from emulator.spec import PRESETS
from hdl.link.unpacker import Unpacker
from hdl.link.word_unpacker import WordUnpacker
from hdl.parts.bus import Decoder
from hdl.parts.queue import Queue
from hdl.readout.back_to_back import BackToBack
from hdl.readout.one_by_one import OneByOne
from hdl.walk.map_memory import MapMemory
from tests.hdl.diagrams import components, decoded, diagrams, replay

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


def test_a_wrong_diagram_is_seen() -> None:
    make, held = DRAWN[Unpacker]
    diagram = copy.deepcopy(diagrams(Unpacker)[0])
    line = next(line for line in diagram["signal"] if line["name"] == "valid")
    line["wave"] = line["wave"].replace("1", "0")
    assert replay(make(), diagram, held)["valid"] != decoded(line)

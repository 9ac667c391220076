"""Each block against its golden twin, alone, with stalls on both sides."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ndrite.emulator.spec import PRESETS
from ndrite.hdl.array.array import Array
from ndrite.hdl.campaign.redraw import Redraw
from ndrite.hdl.learn.core import LearningCore
from ndrite.hdl.neuron.neuron import Neuron
from ndrite.hdl.noise.noise import Noise
from ndrite.hdl.readout.readout import Readout
from ndrite.hdl.tops import Top
from ndrite.hdl.walk.patch_reader import PatchReader
from tests.hdl.simulate import simulate

ARRAY = {"lanes": 12, "readouts": 4}
GROUPS = {"lanes": 16, "readouts": 4, "redraw": 0, "skip": True, "overlap": True, "lane_groups": 2}
DIVISOR = 4
LEARNS = {"redraw": 0, "readouts": 1}
TWO_GROUPS = {"lanes": 32, "rows": 32, "readouts": 4, "columns": 256, "max_outputs": 32}
STEPS = {"step_tables": True, "layers": 8}
LONG = {"max_inputs": 128, "packet_bytes": 128}
ONE_LANE = {"lanes": 1, "rows": 8, "max_outputs": 16}
DEEP = {"lanes": 6, "rows": 16, "layers": 8, "weight_depth": 512, "readouts": 2}
MANY_ROWS = {"lanes": 4, "rows": 64, "weight_depth": 1024, "max_inputs": 256, "packet_bytes": 256}
WALKS = {"overlap": True, "redraw": 0, "map_codes": 1024}
BLOCKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "array": (Array, ARRAY),
    "array, two rows a cycle": (Array, ARRAY | {"redraw": 0, "skip": True, "lane_rows": 2}),
    "noise": (Noise, {"lanes": 16, "readouts": 4}),
    "noise ahead, slower than keys": (Noise, {"lanes": 64, "readouts": 1, "overlap": True}),
    "noise ahead, faster than keys": (Noise, {"lanes": 16, "readouts": 8, "overlap": True}),
    "readout": (Readout, {"lanes": 8, "readouts": 2}),
    "readout back to back, up to eight steps": (Readout, {"lanes": 16, "readouts": 2, "overlap": True}),
    "readout back to back, one step or two": (Readout, {"lanes": 4, "readouts": 2, "overlap": True}),
    "neuron": (Neuron, {"lanes": 8, "readouts": 4}),
    "neurons of lane groups": (Neuron, GROUPS),
    "redraw": (Redraw, {"lanes": 8, "redraw": 2}),
    "redraw of one column": (Redraw, {"lanes": 8, "redraw": 1, "weight_bits": 8}),
    "redraw of four columns": (Redraw, {"lanes": 8, "redraw": 4, "weight_bits": 9}),
    "patches": (PatchReader, WALKS),
    "every small shape": (PatchReader, WALKS),
    "top through its pins": (partial(Top, build_id=0x1122334455667788, divisor=DIVISOR), {}),
    "learning": (LearningCore, {"redraw": 0, "lanes": 8, "readouts": 2}),
    "learning, two groups": (LearningCore, LEARNS | TWO_GROUPS | LONG),
    "learning, odd": (LearningCore, LEARNS | {"lanes": 5, "rows": 8, "segments": 8, "curves": 2}),
    "learning, one lane": (LearningCore, LEARNS | ONE_LANE),
    "learning, deep": (LearningCore, LEARNS | DEEP),
    "learning, rest of a group": (LearningCore, LEARNS | {"lanes": 19, "rows": 24}),
    "learning, many rows": (LearningCore, LEARNS | MANY_ROWS | {"readouts": 4, "analog": False}),
    "learning, step tables": (LearningCore, LEARNS | STEPS | {"lanes": 8, "readouts": 2, "rows": 16}),
    "learning, step tables, two groups": (LearningCore, LEARNS | STEPS | TWO_GROUPS | LONG),
    "learning, step tables, one lane": (LearningCore, LEARNS | STEPS | ONE_LANE),
    "learning, quiet": (LearningCore, LEARNS | {"lanes": 8, "noise": False}),
}


def bench_of(block: Any) -> str:
    """As ``ndrite.hdl.array.array`` lies in its tree, so ``array.bench_array`` in this one."""
    block = getattr(block, "func", block)
    *folders, name = block.__module__.removeprefix("ndrite.hdl.").split(".")
    return ".".join([*folders, f"bench_{name}"])


@pytest.mark.long
@pytest.mark.parametrize("name", BLOCKS)
def test_block_equals_golden(name: str, tmp_path: Path) -> None:
    block, changes = BLOCKS[name]
    geometry = dataclasses.replace(PRESETS["tiny"], **changes)
    given = {"DIVISOR": str(DIVISOR), "EVERY": "1" if name == "every small shape" else "151"}
    simulate(block(geometry), bench_of(block), tmp_path, geometry=geometry, **given)

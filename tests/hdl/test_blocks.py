"""Each block against its golden twin, alone, with stalls on both sides."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from boards.sim import Design
from emulator.spec import PRESETS
from hdl.array.array import Array
from hdl.campaign.redraw import Redraw
from hdl.control.sequencer import Sequencer
from hdl.link.receiver import Receiver
from hdl.link.transmitter import Transmitter
from hdl.neuron.neuron import Neuron
from hdl.noise.noise import Noise
from hdl.readout.readout import Readout
from tests.hdl.simulate import simulate
from tests.marks import long_where

SEQUENCER = {"lanes": 3, "readouts": 1, "redraw": 0}
GROUPS = {"lanes": 16, "readouts": 4, "redraw": 0, "skip": True, "overlap": True, "lane_groups": 2}
BLOCKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "array": (Array, {"lanes": 12, "readouts": 4}),
    "array, two rows a cycle": (
        Array,
        {"lanes": 12, "readouts": 4, "redraw": 0, "skip": True, "lane_rows": 2},
    ),
    "noise": (Noise, {"lanes": 16, "readouts": 4}),
    "noise ahead, slower than keys": (Noise, {"lanes": 64, "readouts": 1, "overlap": True}),
    "noise ahead, faster than keys": (Noise, {"lanes": 16, "readouts": 8, "overlap": True}),
    "readout": (Readout, {"lanes": 8, "readouts": 2}),
    "readout back to back, up to eight steps": (Readout, {"lanes": 16, "readouts": 2, "overlap": True}),
    "readout back to back, one step or two": (Readout, {"lanes": 4, "readouts": 2, "overlap": True}),
    "neuron": (Neuron, {"lanes": 8, "readouts": 4}),
    "neurons of lane groups": (Neuron, GROUPS),
    "receiver": (Receiver, {}),
    "transmitter": (Transmitter, {"packet_bytes": 1024}),
    "sequencer": (Sequencer, SEQUENCER),
    "sequencer, small core": (Sequencer, SEQUENCER),
    "sequencer, overlap": (Sequencer, SEQUENCER | {"overlap": True}),
    "redraw": (Redraw, {"lanes": 8, "redraw": 2}),
    "redraw of one column": (Redraw, {"lanes": 8, "redraw": 1, "weight_bits": 8}),
    "redraw of four columns": (Redraw, {"lanes": 8, "redraw": 4, "weight_bits": 9}),
}
LONG = {
    "noise ahead, faster than keys",
    "readout back to back, up to eight steps",
    "sequencer, small core",
    "redraw of four columns",
}


def bench_of(block: type) -> str:
    """As ``hdl.array.array`` lies in its tree, so ``array.bench_array`` in this one."""
    *folders, name = block.__module__.split(".")[1:]
    return ".".join([*folders, f"bench_{name}"])


@pytest.mark.parametrize("name", long_where(LONG.__contains__, BLOCKS))
def test_block_equals_golden(name: str, tmp_path: Path) -> None:
    block, changes = BLOCKS[name]
    geometry = dataclasses.replace(PRESETS["tiny"], **changes)
    platform = Design(small=True) if name.endswith("small core") else None
    simulate(block(geometry), bench_of(block), tmp_path, platform=platform, geometry=geometry)

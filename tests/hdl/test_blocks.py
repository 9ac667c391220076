"""Each block against its golden twin, alone, with stalls on both sides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

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

TINY = PRESETS["tiny"]
BLOCKS = {
    "array": (Array, dataclasses.replace(TINY, lanes=12, readouts=4)),
    "noise": (Noise, dataclasses.replace(TINY, lanes=16, readouts=4)),
    "readout": (Readout, dataclasses.replace(TINY, lanes=8, readouts=2)),
    "neuron": (Neuron, dataclasses.replace(TINY, lanes=8, readouts=4)),
    "neurons": (
        Neuron,
        dataclasses.replace(TINY, lanes=16, readouts=4, redraw=0, skip=True, overlap=True, lane_groups=2),
    ),
    "receiver": (Receiver, TINY),
    "transmitter": (Transmitter, dataclasses.replace(TINY, packet_bytes=1024)),
    "sequencer": (Sequencer, dataclasses.replace(TINY, lanes=3, readouts=1, redraw=0)),
    "redraw": (Redraw, dataclasses.replace(TINY, lanes=8, redraw=2)),
}


def bench_of(block: type) -> str:
    """As ``hdl.array.array`` lies in its tree, so ``array.bench_array`` in this one."""
    *folders, name = block.__module__.split(".")[1:]
    return ".".join([*folders, f"bench_{name}"])


@pytest.mark.parametrize("name", BLOCKS)
def test_block_equals_golden(name: str, tmp_path: Path) -> None:
    block, geometry = BLOCKS[name]
    simulate(block(geometry), bench_of(block), tmp_path, GEOMETRY=json.dumps(dataclasses.asdict(geometry)))


@pytest.mark.long
def test_sequencer_of_the_small_core_equals_golden(tmp_path: Path) -> None:
    block, geometry = BLOCKS["sequencer"]
    fields = json.dumps(dataclasses.asdict(geometry))
    simulate(block(geometry), bench_of(block), tmp_path, platform=Design(small=True), GEOMETRY=fields)


@pytest.mark.parametrize(
    ("lanes", "readouts"), [(64, 1), pytest.param(16, 8, marks=pytest.mark.long)]
)  # samples slower than keys, and faster
def test_noise_ahead_of_passes_equals_golden(lanes: int, readouts: int, tmp_path: Path) -> None:
    geometry = dataclasses.replace(TINY, lanes=lanes, readouts=readouts, overlap=True)
    fields = json.dumps(dataclasses.asdict(geometry))
    simulate(Noise(geometry), "noise.bench_noise", tmp_path, GEOMETRY=fields)


@pytest.mark.parametrize(
    "lanes", [pytest.param(16, marks=pytest.mark.long), 4]
)  # passes of up to eight steps, and of one or two
def test_readout_back_to_back_equals_golden(lanes: int, tmp_path: Path) -> None:
    geometry = dataclasses.replace(TINY, lanes=lanes, readouts=2, overlap=True)
    simulate(
        Readout(geometry),
        "readout.bench_readout",
        tmp_path,
        GEOMETRY=json.dumps(dataclasses.asdict(geometry)),
    )


def test_sequencer_of_overlapping_inferences_equals_golden(tmp_path: Path) -> None:
    geometry = dataclasses.replace(TINY, lanes=3, readouts=1, redraw=0, overlap=True)
    fields = json.dumps(dataclasses.asdict(geometry))
    simulate(Sequencer(geometry), "control.bench_sequencer", tmp_path, GEOMETRY=fields)


@pytest.mark.parametrize("at_once", [1, pytest.param(4, marks=pytest.mark.long)])
def test_redraw_of_more_or_fewer_columns_at_once(at_once: int, tmp_path: Path) -> None:
    geometry = dataclasses.replace(TINY, lanes=8, redraw=at_once, weight_bits=8 if at_once == 1 else 9)
    fields = json.dumps(dataclasses.asdict(geometry))
    simulate(Redraw(geometry), "campaign.bench_redraw", tmp_path, GEOMETRY=fields)

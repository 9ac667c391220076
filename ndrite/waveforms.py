"""Waveforms of one inference in the compiled RTL, what each block did when, and signal lists beside them."""

import itertools
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.board import Board
from boards.sim import SimLink
from emulator.backend.schedule import bound_cycles
from emulator.files import write_whole
from emulator.golden import Core
from emulator.spec import Geometry, Program
from emulator.spec.brief import brief_repr
from emulator.spec.steps import join
from host import InputError
from host.api import Progress

TOP = "TOP.sim_top"
CORE = f"{TOP}.device.machine.core"


@dataclass(frozen=True)
class Signal:
    """``path`` in the waveform file; ``busy``: whether a 1 counts as a cycle of work of ``block``."""

    block: str
    path: str
    text: str
    busy: bool = False


SIGNALS = (
    Signal("clock", f"{TOP}.clk", "the one clock; a cycle is two time steps"),
    Signal("link in", f"{TOP}.rx_valid", "a byte of a packet comes in", True),
    Signal("link in", f"{TOP}.rx_data", "that byte, COBS-coded"),
    Signal("inputs", f"{CORE}.load", "an input code is written to the input buffer", True),
    Signal("inputs", f"{CORE}.load_data", "that code"),
    Signal("sequencer", f"{CORE}.sequencer.layer", "layer under way"),
    Signal("sequencer", f"{CORE}.sequencer.tile", "row tile under way"),
    Signal("sequencer", f"{CORE}.sequencer.column", "first column of the group under way"),
    Signal("array", f"{CORE}.emitter_0.emit", "a row's slice is multiplied and added in all lanes", True),
    Signal("array", f"{CORE}.array.columns", "the columns' sums that leave the array"),
    Signal("readout", f"{CORE}.readout.shift", "columns are read out: noise, gain, clip", True),
    Signal("readout", f"{CORE}.readout.increments", "what they add to the partial sums"),
    Signal("neuron", f"{CORE}.activations.write", "a hidden neuron's output is written", True),
    Signal("neuron", f"{CORE}.activations.write_data", "that output, a code"),
    Signal("outputs", f"{CORE}.results.write", "an output of the network is written", True),
    Signal("outputs", f"{CORE}.results.write_data", "that output, signed 32 bit"),
    Signal("outputs", f"{CORE}.done", "the inference is done"),
    Signal("link out", f"{TOP}.tx_valid", "a byte of the answer goes out", True),
    Signal("link out", f"{TOP}.tx_data", "that byte, COBS-coded"),
)


STEPS_PER_CYCLE = 2


def read_activity(path: Path, signals: list[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """bool (cycles,) by signal: whether any of its bits was 1 when the clock rose, at even time steps.

    Raises InputError when a signal is not in the file.
    """
    header = _read(path, only_sigs=True)
    written = {_bare(name): name for name in header.references_to_ids}
    missing = set(signals) - set(written)
    if missing:
        raise InputError(f"{path}: no signal {min(missing)}")
    waves = _read(path, signals=[written[name] for name in signals])
    cycles = waves.endtime // STEPS_PER_CYCLE + 1
    activity = {}
    for name in signals:
        changes = [(time, "1" in value) for time, value in waves[written[name]].tv]
        value = np.zeros(cycles, bool)
        ends = [*changes[1:], (STEPS_PER_CYCLE * cycles, False)]
        for (start, level), (end, _) in zip(changes, ends, strict=True):
            value[-(-start // STEPS_PER_CYCLE) : -(-end // STEPS_PER_CYCLE)] = level
        activity[name] = value
    return activity


def _read(path: Path, **options: Any) -> Any:
    before = signal.getsignal(signal.SIGPIPE)
    from vcdvcd import VCDVCD

    # The library, when imported, lets SIGPIPE end the process: a peer that hangs up would kill its user.
    if signal.getsignal(signal.SIGPIPE) is not before:
        signal.signal(signal.SIGPIPE, before)
    return VCDVCD(str(path), **options)


def _bare(name: str) -> str:
    """A variable's name without its range of bits: ``core.data[7:0]`` is ``core.data``."""
    return name.split("[")[0]


def write_lists(waveform: Path) -> tuple[Path, Path]:
    """Write both beside ``waveform``; their paths, GTKWave's first."""
    header = _read(waveform, only_sigs=True)
    widths = {_bare(name): int(header[name].size) for name in header.references_to_ids}
    gtkw = [f'[dumpfile] "{waveform.name}"', "[timestart] 0"]
    surfer = []
    for block, signals in itertools.groupby(SIGNALS, lambda shown: shown.block):
        gtkw += ["@200", f"-{block}"]
        surfer.append(f"divider_add {block}")
        for name in (shown.path for shown in signals if shown.path in widths):
            gtkw += ["@28", name] if widths[name] == 1 else ["@22", f"{name}[{widths[name] - 1}:0]"]
            surfer.append(f"variable_add {name}")
    surfer.append("zoom_fit")
    paths = waveform.with_suffix(".gtkw"), waveform.with_suffix(".sucl")
    for path, lines in zip(paths, (gtkw, surfer), strict=True):
        write_whole(path, "\n".join(lines) + "\n")
    return paths


INDEX_MASK = (1 << 32) - 1
LEVELS = 99
"""Modules deep; the lanes of the array are left out when the model is built."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What was traced: the outputs int32 (outputs,), clock cycles, and each block's cycles of work.

    ``cycles`` from the inference's first to its last (the gateware's own counter), ``bound`` the schedule's;
    ``activity`` bool (traced cycles,) by block, the packets in and out included.
    """

    __repr__ = brief_repr

    outputs: npt.NDArray[np.int32]
    cycles: int
    bound: int
    activity: dict[str, npt.NDArray[np.bool_]]

    @property
    def traced(self) -> int:
        """Clock cycles in the file."""
        return len(next(iter(self.activity.values())))


def trace_inference(
    program: Program,
    x: npt.NDArray[np.uint8],
    path: Path,
    geometry: Geometry,
    *,
    product: int | None = None,
    index: int = 0,
    seed: int = 0,
    noise: bool = True,
    progress: Progress | None = None,
) -> Trace:
    """Write a VCD file of the inference of ``x`` uint8 (inputs,), programming left out.

    Of a program that is no chain, one product is on the array at a time: traced is the first patch of product
    number ``product``; None: of the first one that the array computes.

    Raises LinkError when the simulation cannot be built or the file cannot be written. Raises GeometryError
    when the program does not fit the geometry.

    ``index``, ``seed``, ``noise``: as ``first_index``, ``seed`` and ``noise`` of ``BoardApi.infer``.
    """
    program, x, index = traced(program, x, product, index, seed=seed, noise=noise)
    link = SimLink(geometry, waveforms=True)
    with Board(link) as board:
        board.program(program, progress=progress)
        board.clear_counters()
        link.model.trace(path, LEVELS)
        try:
            y = board.infer(x[None], seed=seed, first_index=index, noise=noise)
        finally:
            link.model.end_trace()
        cycles = board.counters()["last_cycles"]
    busy = {signal.block: signal.path for signal in SIGNALS if signal.busy}
    found = read_activity(path, list(busy.values()))
    activity = {block: found[path] for block, path in busy.items()}
    return Trace(y[0], cycles, bound_cycles(program, geometry.lanes), activity)


def on_array(program: Program, product: int | None) -> tuple[Program, int]:
    """What of a program is on the array while ``product`` is at work, and that product's number; None: the
    first that is there. A chain is there as it is.

    Raises InputError when there is no such product, or it is grouped and so never on the array.
    """
    whole = [i for i, p in enumerate(program.products) if p.patches.groups == 1]
    if product is None and not (whole or program.is_chain):
        raise InputError(f"program {program.name!r}: all products are grouped; accepted: one that is not")
    number = (0 if program.is_chain else whole[0]) if product is None else product
    if not 0 <= number < len(program.products):
        raise InputError(f"product is {number}; accepted: 0..{len(program.products) - 1}")
    if program.products[number].patches.groups > 1:
        raise InputError(f"product {number} is grouped; accepted: one that the array computes")
    return (program if program.is_chain else program.piece(number)), number


def traced(
    program: Program,
    x: npt.NDArray[np.uint8],
    product: int | None,
    index: int,
    *,
    seed: int = 0,
    noise: bool = True,
) -> tuple[Program, npt.NDArray[np.uint8], int]:
    """``on_array``, the product's first patch in the last call of inference ``index``, and the patch's number
    in the read noise; of a chain the inference itself. Raises as ``on_array``.
    """
    part, number = on_array(program, product)
    if part is program:
        return program, x, index
    step = program.products[number]
    maps = Core(program, fast=False).maps(x[None], seed=seed, first_index=index, noise=noise)
    patches = step.patches.cut(join([maps[s] for s in step.sources]), step.border)
    calls = index * program.calls + program.calls - 1
    return part, patches[0, 0], calls * step.patches.positions & INDEX_MASK

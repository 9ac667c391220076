"""trace_inference: one inference on the compiled RTL, every cycle of it in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from boards.board import Board
from boards.sim import SimLink
from emulator.backend.schedule import bound_cycles
from emulator.golden import Core
from emulator.spec import Geometry, Program
from emulator.spec.brief import brief_repr
from emulator.spec.steps import join
from host import InputError
from host.api import Progress
from ndrite.waveforms.signals import BLOCKS, SIGNALS
from ndrite.waveforms.vcd import read_activity

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

    path: Path
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

    Parameters
    ----------
    index, seed, noise:
        As ``first_index``, ``seed`` and ``noise`` of ``BoardApi.infer``.

    Raises
    ------
    LinkError
        When the simulation cannot be built or the file cannot be written.
    GeometryError
        When the program does not fit the geometry.
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
    activity = {block: found[busy[block]] for block in BLOCKS}
    return Trace(path, y[0], cycles, bound_cycles(program, geometry.lanes), activity)


def product_on_array(program: Program, product: int | None) -> int:
    """Number of the product; for None that of the first one that the array computes, and 0 of a chain.

    Raises
    ------
    InputError
        When all are grouped, and so never on the array.
    """
    if product is not None:
        return product
    whole = (i for i, p in enumerate(program.products) if p.patches.groups == 1)
    number = 0 if program.is_chain else next(whole, None)
    if number is None:
        raise InputError(f"program {program.name!r}: all products are grouped; accepted: one that is not")
    return number


def on_array(program: Program, product: int | None) -> Program:
    """What of a program is on the array while ``product`` is at work (None: the first that is there); a chain
    is there as it is.

    Raises
    ------
    InputError
        When there is no such product, or it is grouped and so never on the array.
    """
    if program.is_chain:
        return program
    product = product_on_array(program, product)
    if not 0 <= product < len(program.products):
        raise InputError(f"product is {product}; accepted: 0..{len(program.products) - 1}")
    if program.products[product].patches.groups > 1:
        raise InputError(f"product {product} is grouped; accepted: one that the array computes")
    return program.piece(product)


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
    part = on_array(program, product)
    if part is program:
        return program, x, index
    step = program.products[product_on_array(program, product)]
    maps = Core(program, fast=False).maps(x[None], seed=seed, first_index=index, noise=noise)
    patches = step.patches.cut(join([maps[s] for s in step.sources]), step.border)
    calls = index * program.calls + program.calls - 1
    return part, patches[0, 0], calls * step.patches.positions & INDEX_MASK

"""Roundings at the ends of a model, which the chip's own codes make again: left out.

A quantised model rounds its inputs and outputs to 8 bits. As neurons of their own they would pass every value
through a crossbar of ones, with its programming errors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emulator.network.importing.graph import Function, Graph, Op, Reach
from emulator.spec.arithmetic import INPUT_MAX

RMS, MOST = 0.4, 2.0
"""A function that stays as near to its operand, in steps of 255 over the operand's range, is a rounding.

Half a step at most is 0.29 in the mean; a zero point that was rounded too saturates the ends a little more.
"""
POINTS = 4001


def without_roundings(graph: Graph) -> tuple[Graph, list[str]]:
    """The measured graph without roundings of its input and its output, and a note for each.

    Outside of what samples reach a saturation may be left out, too: inputs are held at the ends of their
    range before.
    """
    new: dict[Op, Op] = {}
    notes = []
    for op in graph.uses:
        inputs = tuple(new[i] for i in op.inputs)
        new[op] = replace(op, inputs=inputs)
        at_end = op is graph.output or any(i.is_input for i in op.inputs)
        if at_end and op.sampled is not None and op.before is not None and _rounds(op.sampled, op.before):
            new[op] = inputs[0]
            notes.append(f"{op.name}: its rounding to steps of a code is left to the chip's codes")
    return (graph.made_of(new) if notes else graph), notes


def _rounds(function: Function, reach: Reach) -> bool:
    z = np.linspace(*reach, POINTS)
    steps = (function.of(z) - z) * INPUT_MAX / max(reach[1] - reach[0], 1e-30)
    return bool(np.sqrt(np.square(steps).mean()) <= RMS and np.abs(steps).max() <= MOST)

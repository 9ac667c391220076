"""Roundings at the ends of a model, which the chip's own codes make again: left out.

A quantised model rounds its inputs and outputs to 8 bits. As neurons of their own they would pass every value
through a crossbar of ones, with its programming errors.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from emulator.network.importing.graph import Affine, Graph, Input, Neurons, Op, Seen, Unary
from emulator.spec.arithmetic import INPUT_MAX

RMS, MOST = 0.4, 2.0
"""A function that stays as near to its operand, in steps of 255 over the operand's range, is a rounding.

Half a step at most is 0.29 in the mean; a zero point that was rounded too saturates the ends a little more.
"""
POINTS = 4001


def without_roundings(graph: Graph, seen: Seen) -> tuple[Graph, list[str]]:
    """The graph without roundings of its input and its output, and a note for each.

    ``seen``: ranges of its operators on the samples. Outside of them a saturation may be left out, too:
    inputs are held at the ends of their range before.
    """
    new: dict[Op, Op] = {}
    notes = []
    for op in graph.order():
        inputs = tuple(new[i] for i in op.inputs)
        same = all(a is b for a, b in zip(inputs, op.inputs, strict=True))
        new[op] = op if same else dataclasses.replace(op, inputs=inputs)
        if isinstance(op, Neurons) or not isinstance(op, Unary):
            continue
        if (op is graph.output or isinstance(op.inputs[0], Input)) and _rounds(op, seen.of[op.inputs[0]]):
            ones = np.ones(op.shape[0])
            new[op] = Affine(node=op.node, inputs=inputs, shape=op.shape, scale=ones, shift=0 * ones)
            notes.append(f"{op.node}: its rounding to steps of a code is left to the chip's codes")
    if not notes:
        return graph, notes
    memories = tuple((memory, new[op]) for memory, op in graph.memories)
    return dataclasses.replace(graph, output=new[graph.output], memories=memories), notes


def _rounds(op: Unary, reach: tuple[float, float]) -> bool:
    z = np.linspace(*reach, POINTS)
    steps = (op.function(z) - z) * INPUT_MAX / max(reach[1] - reach[0], 1e-30)
    return bool(np.sqrt(np.square(steps).mean()) <= RMS and np.abs(steps).max() <= MOST)

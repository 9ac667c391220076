"""Operators that are composed of the network's four kinds of nodes. Each family of
operators has one file.

A file imports NumPy, ``graph``, ``values``, ``call``, ``layers`` and ``composite``,
and of this folder ``picking`` and ``order``; it is registered in ``COMPOSED`` and
in no other place.
"""

from collections.abc import Callable
from typing import Any

from ndrite.emulator.network.importing.call import Handler
from ndrite.emulator.network.importing.composed.borders import bordered
from ndrite.emulator.network.importing.composed.extrema import extremum
from ndrite.emulator.network.importing.composed.linear import biased, cumulative, over_a_sequence
from ndrite.emulator.network.importing.composed.order import branches, cropped, in_order
from ndrite.emulator.network.importing.composed.recurrent import written_out
from ndrite.emulator.network.importing.composed.transposed import transposed
from ndrite.emulator.network.importing.layers import LAYERS

MAPS = ("Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample")

COMPOSED: dict[str, Handler] = {
    **{kind: in_order(LAYERS[kind]) for kind in MAPS},
    **dict.fromkeys(("Slice", "Split", "Gather"), cropped),
    **dict.fromkeys(("Sub", "Mul", "Sum"), branches),
    **dict.fromkeys(("Max", "Min"), extremum),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), written_out),
    "Add": biased,
    "Pad": bordered,
    "CumSum": cumulative,
    "ConvTranspose": in_order(transposed),
    "MatMul": over_a_sequence,
}
"""Import functions by ONNX operator. A function returns None if the operator is to be
imported by ``reading.HANDLERS``."""

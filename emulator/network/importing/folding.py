"""Which constant nodes of an ONNX graph are worth computing, and how large what they ask for may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FOLDED = set(
    "Constant Identity Cast CastLike Shape Size Add Sub Mul Div Neg Abs Sqrt Reciprocal Pow Exp Log Min Max "
    "Sum Reshape Transpose Flatten Squeeze Unsqueeze Concat Slice Gather Split MatMul Gemm Expand Tile Range "
    "ConstantOfShape Pad Where Equal Greater Less Not And Or Floor Ceil Round Clip Relu Sigmoid Tanh Sign "
    "QuantizeLinear DequantizeLinear ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ArgMax".split()
)
"""Taken into the weights where all operands are known; a kind with a body of its own is never run."""
FOLDED_MAX = 1 << 26
"""Elements of a folded result; a few bytes of a file can ask for more than there is memory."""
BROADCAST = ("Add", "Sub", "Mul", "Div", "Pow", "Where", "Min", "Max", "Sum", "Equal", "Greater", "Less")


def refusal(kind: str, given: list[npt.NDArray[Any]]) -> str | None:
    """Why a node of this kind with these operands is not computed, in words; None where it may be."""
    if kind not in FOLDED:
        return "it acts on constants only; compute them when exporting"
    try:
        asked = _elements(kind, given)
    except (ValueError, IndexError, OverflowError) as error:
        return f"it cannot be evaluated ({error})"
    if asked > FOLDED_MAX:
        return f"its constant has {asked:,.0f} elements; accepted: at most {FOLDED_MAX:,}"
    return None


def _elements(kind: str, given: list[npt.NDArray[Any]]) -> float:
    """Elements of the result, at most; nothing of that size is made here."""
    largest = float(max((v.size for v in given), default=0))
    if kind in ("MatMul", "Gemm"):
        return float(np.prod(given[0].shape[:-1])) * given[1].size
    if kind == "ConstantOfShape":
        return _product(given[0])
    if kind in ("Expand", "Tile"):
        return _product(given[1]) * given[0].size
    if kind == "Range":
        start, stop, step = (float(v.reshape(-1)[0]) for v in given[:3])
        return abs((stop - start) / step) if step else float("inf")
    if kind == "Pad":
        pads = np.abs(given[1].astype(np.float64)).reshape(2, -1).sum(axis=0)
        return _product(np.array(given[0].shape[-len(pads) :]) + pads)
    if kind in BROADCAST:
        return _product(np.array(np.broadcast_shapes(*(v.shape for v in given))))
    if kind == "Concat":
        return float(sum(v.size for v in given))
    return largest


def _product(sizes: npt.NDArray[Any]) -> float:
    """Product of sizes, in floats: it may be beyond any integer of NumPy's."""
    return float(np.prod(np.abs(sizes.astype(np.float64))))

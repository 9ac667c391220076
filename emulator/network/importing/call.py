"""One node of an ONNX graph with its operands, constants that are known and values that are computed, and
what joins them element by element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.graph import Memories, Op, gate, spread, view
from emulator.network.importing.values import Stack, Value
from emulator.network.importing.view import Floats
from emulator.spec.patches import Shape

Array = npt.NDArray[Any]

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


@dataclass(frozen=True, eq=False)
class Call:
    """A node: attributes ``a``; operands ``known`` and ``values``, None where they are the other or missing.

    ``notes`` and ``memories`` collect what the whole model has.
    """

    node: Any
    opsets: dict[str, int]
    known: list[Array | None]
    values: list[Value | Stack | None]
    notes: list[str]
    memories: Memories

    @property
    def kind(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def name(self) -> str:
        """The node's name, or its first output's."""
        return str(self.node.name or self.node.output[0])

    @property
    def a(self) -> dict[str, Any]:
        """Attributes."""
        return {item.name: attribute(item) for item in self.node.attribute}

    @property
    def computed(self) -> list[Value]:
        """The operands that are computed."""
        return [v for v in self.values if isinstance(v, Value)]

    @property
    def value(self) -> Value:
        """The first operand that is computed."""
        if not self.computed:
            raise self.refused("take one layer's result, h_n[-1]")
        return self.computed[0]

    def constant(self, index: int) -> Array:
        """Operand ``index``, which has to be known."""
        found = self.optional(index)
        if found is None:
            raise self.refused(f"operand {index} is computed; use constant parameters")
        return found

    def optional(self, index: int) -> Array | None:
        """Operand ``index`` where it is known."""
        return self.known[index] if index < len(self.known) else None

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Whole numbers that are an operand in newer operator sets and an attribute in older ones."""
        found = self.optional(index)
        if found is not None:
            return [int(v) for v in found.reshape(-1)]
        given = self.a.get(name)
        return [int(v) for v in given] if isinstance(given, list) else None if given is None else [int(given)]

    def refused(self, instead: str) -> UnsupportedNodeError:
        """The error that names this node."""
        return UnsupportedNodeError(self.name, self.kind, instead)

    def folded(self) -> list[Array]:
        """Outputs of a node of known operands only, bounded before they are made."""
        if self.kind not in FOLDED:
            raise self.refused("it acts on constants only; compute them when exporting")
        given = {s: k for s, k in zip(self.node.input, self.known, strict=True) if s and k is not None}
        try:
            asked = _elements(self.kind, [np.asarray(k) for k in self.known if k is not None])
        except (ValueError, IndexError, OverflowError) as error:
            raise self.refused(f"it cannot be evaluated ({error})") from None
        if asked > FOLDED_MAX:
            raise self.refused(f"its constant has {asked:,.0f} elements; accepted: at most {FOLDED_MAX:,}")
        return self.evaluated(given)

    def evaluated(self, given: dict[str, Array]) -> list[Array]:
        """Outputs by ONNX's reference implementation of the operator."""
        from onnx.reference import ReferenceEvaluator

        if self.kind in ("Squeeze", "Unsqueeze") and len(given) == 1:  # as older operator sets have it
            x, axes = given[self.node.input[0]], self.a.get("axes")
            if self.kind == "Squeeze":
                return [np.squeeze(x, None if axes is None else tuple(axes))]
            return [np.expand_dims(x, tuple(axes or ()))]
        if self.kind == "Gelu":  # the reference has no implementation of its own
            x = np.asarray(given[self.node.input[0]], np.float64)
            return [_gelu(x, tanh=self.a.get("approximate") == "tanh")]
        try:
            outputs = ReferenceEvaluator(self.node, opsets=self.opsets).run(None, given)
        except Exception as error:  # whatever an operator's implementation raises
            raise self.refused(f"it cannot be evaluated ({error})") from None
        return [np.asarray(v) for v in outputs]


def attribute(a: Any) -> Any:
    """An attribute's value; text as such."""
    from onnx import helper

    v = helper.get_attribute_value(a)
    if isinstance(v, bytes):
        return v.decode()
    return [i.decode() if isinstance(i, bytes) else i for i in v] if isinstance(v, list) else v


def _gelu(x: npt.NDArray[np.float64], *, tanh: bool) -> npt.NDArray[np.float64]:
    """ONNX's Gelu (operator set 20): exact, or its approximation by tanh."""
    from scipy.special import erf

    inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if tanh else erf(x / np.sqrt(2))
    return np.asarray(0.5 * x * (1 + inner), np.float64)


def _elements(kind: str, given: list[Array]) -> float:
    """Elements of the result, at most; nothing of that size is made here."""
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
    return float(max((v.size for v in given), default=0))


def _product(sizes: Array) -> float:
    """Product of sizes, in floats: it may be beyond any integer of NumPy's."""
    return float(np.prod(np.abs(sizes.astype(np.float64))))


def join(call: Call, a: Value, b: Value, function: Callable[[Any, Any], Any]) -> Value:
    """An element-wise function of two values: of one operator any, of two branches a sum or a product. Raises
    UnsupportedNodeError when two branches are joined by anything else, or their shapes do not fit."""
    a.check_open()
    b.check_open()
    if a.at != b.at or ("t" in a.axes) != ("t" in b.axes):
        raise call.refused("it joins different calls of a sequence; use a recurrent layer")
    longest, axes = max(len(a.axes), len(b.axes)), a.axes.lstrip("1")
    if axes == b.axes.lstrip("1") and longest <= 3:  # a leading axis of one, as NumPy has it
        axes = "1" * (longest - len(axes)) + axes
        a, b = replace(a, axes=axes), replace(b, axes=axes)
    if a.op is b.op and a.axes == b.axes:
        label = f"{call.kind}({a.label}, {b.label})"

        def both(z: Floats) -> Floats:
            return np.asarray(function(a.of(z), b.of(z)), np.float64)

        return replace(a, node=call.name, label=label, function=both, line=None)
    factors = {np.add: 1.0, np.subtract: -1.0}
    if function not in (*factors, np.multiply):
        raise call.refused("it joins two branches; use their sum, difference or product")
    (left, right), axes = _alike(call, a.settled(), b.settled())
    terms = ((1.0, left, right),) if function is np.multiply else ((1.0, left), (factors[function], right))
    return a.settled().then(gate(call.name, *terms), axes)


def _alike(call: Call, a: Value, b: Value) -> tuple[tuple[Op, Op], str]:
    """Both as maps of one shape: one value a channel over the map, one channel over all; and its axes."""
    c, h, w = (max(x, y) for x, y in zip(a.op.shape, b.op.shape, strict=True))
    ranked = a.axes == b.axes or len(a.axes) == len(b.axes) == 4
    both = _over(call, a.op, (c, h, w)), _over(call, b.op, (c, h, w))
    if not ranked or not both[0].shape == both[1].shape == (c, h, w):
        raise call.refused(f"it joins values of {a.own} and {b.own}; use branches of one shape")
    return both, a.axes if a.op.shape == (c, h, w) else b.axes


def _over(call: Call, op: Op, shape: Shape) -> Op:
    if op.shape[0] == 1 and shape[0] > 1:
        op = view(call.name, op, index=np.zeros(shape[0], np.intp))
    return spread(call.name, op, *shape[1:]) if op.shape[1:] == (1, 1) != shape[1:] else op


def with_constant(call: Call, value: Value, constant: npt.ArrayLike, operation: str) -> Value:
    """``value`` + - * / a constant, ``operation`` one of ``add sub rsub mul div rdiv``. Raises
    UnsupportedNodeError when the constant is not a scalar, one value a feature, or one a channel."""
    c = np.asarray(constant, np.float64)
    if operation == "rdiv":
        if c.size != 1:
            raise call.refused("divide by constants only")
        number = float(c.reshape(-1)[0])
        return value.apply(call.name, f"{number:g}/{{}}", lambda z: number / z)
    one, none = np.ones_like(c), np.zeros_like(c)
    with np.errstate(divide="ignore"):
        ways = {"add": (one, c), "sub": (one, -c), "rsub": (-one, c), "mul": (c, none), "div": (1 / c, none)}
    scale, shift = (v.reshape(-1) for v in ways[operation])
    if c.size == 1:
        return value.affine(call.name, float(scale[0]), float(shift[0]))
    wanted = tuple(value.op.shape[0] if axis == "c" else 1 for axis in value.axes)
    if (1,) * (len(wanted) - c.ndim) + c.shape != wanted:
        raise call.refused(
            f"a constant of shape {c.shape} on values of {value.own}; use a scalar or shape {wanted[1:]}"
        )
    return value.by_channel(call.name, scale, shift)

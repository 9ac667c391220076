"""One node of an ONNX graph with its operands: constants that are known, and values that are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import UnsupportedNodeError
from emulator.network.importing.folding import refusal
from emulator.network.importing.recurrent import Memories
from emulator.network.importing.values import Stack, Value
from emulator.network.importing.view import Floats

Array = npt.NDArray[Any]


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
        why = refusal(self.kind, [np.asarray(k) for k in self.known if k is not None])
        if why is not None:
            raise self.refused(why)
        given = {s: k for s, k in zip(self.node.input, self.known, strict=True) if s and k is not None}
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


def _gelu(x: Floats, *, tanh: bool) -> Floats:
    """ONNX's Gelu (operator set 20): exact, or its approximation by tanh."""
    from scipy.special import erf

    inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if tanh else erf(x / np.sqrt(2))
    return np.asarray(0.5 * x * (1 + inner), np.float64)

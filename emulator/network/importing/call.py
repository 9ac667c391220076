"""One node of an ONNX graph with its operands: constants that are known, and values that are computed."""

from typing import Any

import numpy as np

from ndrite.emulator.errors import UnsupportedNodeError
from ndrite.emulator.network.importing.graph import Memories
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.arrays import Array, Floats
from ndrite.emulator.spec.brief import record

FOLDED_MAX = 1 << 26
"""Elements of a folded result; a few bytes of a file can ask for more than there is memory."""
SHAPES_MAX = 64
"""Elements of an operand that may say how large a result is."""


@record()
class Call:
    """A node: attributes ``a``; operands ``known`` and ``values``, None where they are the other or missing.

    ``notes`` and ``memories`` collect what the whole model has.
    """

    node: Any
    opsets: dict[str, int]
    known: list[Array | None]
    values: list[Value | None]
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
        return [v for v in self.values if v is not None]

    @property
    def value(self) -> Value:
        """The first operand that is computed."""
        return self.computed[0]

    def constant(self, index: int) -> Array:
        """Operand ``index``, which has to be known."""
        value = self.optional(index)
        if value is None:
            raise self.refused(f"operand {index} is computed; use constant parameters")
        return value

    def optional(self, index: int) -> Array | None:
        """Operand ``index`` where it is known."""
        return self.known[index] if index < len(self.known) else None

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Whole numbers that are an operand in newer operator sets and an attribute in older ones."""
        value = self.optional(index)
        if value is not None:
            return [int(v) for v in value.reshape(-1)]
        attribute = self.a.get(name)
        return (
            [int(v) for v in attribute]
            if isinstance(attribute, list)
            else None
            if attribute is None
            else [int(attribute)]
        )

    def refused(self, instead: str) -> UnsupportedNodeError:
        """The error that names this node."""
        return UnsupportedNodeError(self.name, self.kind, instead)

    def folded(self) -> list[Array]:
        """Outputs of a node of known operands only, bounded before they are made."""
        if any(a.HasField("g") or a.graphs for a in self.node.attribute):
            raise self.refused("it acts on constants only; compute them when exporting")
        constants = {s: k for s, k in zip(self.node.input, self.known, strict=True) if s and k is not None}
        element_count = self._elements(constants)
        if element_count > FOLDED_MAX:
            raise self.refused(
                f"its constant has {element_count:,.0f} elements; accepted: at most {FOLDED_MAX:,}"
            )
        return self.evaluated(constants)

    def _elements(self, given: dict[str, Array]) -> float:
        """Elements of the largest result, by ONNX's inference of shapes; nothing of that size is made."""
        import onnx

        kinds = {s: onnx.helper.np_dtype_to_tensor_dtype(v.dtype) for s, v in given.items()}
        small = [onnx.numpy_helper.from_array(v, s) for s, v in given.items() if v.size <= SHAPES_MAX]
        inputs = [onnx.helper.make_tensor_value_info(s, kinds[s], v.shape) for s, v in given.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in self.node.output if name]
        graph = onnx.helper.make_graph([self.node], "constant", inputs, outputs, small)
        opsets = [onnx.helper.make_opsetid(*of) for of in self.opsets.items()]
        try:
            inferred = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph, opset_imports=opsets))
        except Exception as error:  # of ONNX's own kinds
            raise self.refused(f"it cannot be evaluated ({error})") from None
        shapes = (o.type.tensor_type.shape.dim for o in inferred.graph.output)
        return max(float(np.prod([float(d.dim_value) for d in dims])) for dims in shapes)

    def evaluated(self, given: dict[str, Array]) -> list[Array]:
        """Outputs by ONNX's reference implementation of the operator."""
        try:
            if self.kind in ("Squeeze", "Unsqueeze") and len(given) == 1:  # as older operator sets have it
                x, axes = given[self.node.input[0]], self.a.get("axes")
                if self.kind == "Squeeze":
                    return [np.squeeze(x, None if axes is None else tuple(axes))]
                return [np.expand_dims(x, tuple(axes or ()))]
            if self.kind == "Gelu":  # the reference has no implementation of its own
                x = np.asarray(given[self.node.input[0]], np.float64)
                return [_gelu(x, tanh=self.a.get("approximate") == "tanh")]
            outputs = self._evaluator().run(None, given, attributes={})
        except Exception as error:  # whatever an operator's implementation raises
            raise self.refused(f"it cannot be evaluated ({error})") from None
        return [np.asarray(v) for v in outputs]

    def _evaluator(self) -> Any:
        """The reference's operator as the model's operator set has it, or else as the newest one has it."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        opsets = [onnx.helper.make_opsetid(*of) for of in self.opsets.items()]
        names = self.node.input, self.node.output
        alone = onnx.helper.make_function("alone", "alone", *names, [self.node], opsets)
        try:
            return ReferenceEvaluator(alone)
        except RuntimeError:  # it has none of that set
            return ReferenceEvaluator(self.node)


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

"""ONNX graphs to a chain of steps (extra ``ndrite[onnx]``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import MissingExtraError, NetworkError, UnsupportedNodeError
from emulator.importing import chain
from emulator.importing.chain import Floats, Read, Shape, Value
from emulator.importing.folding import refusal

UNARY = (
    "Relu Sigmoid Tanh LeakyRelu Elu Selu Celu HardSigmoid HardSwish Softplus Softsign Gelu Mish Swish "
    "ThresholdedRelu Shrink Abs Neg Exp Log Sqrt Reciprocal Sin Cos Erf Clip PRelu Pow Min Max Sign"
).split()
"""Taken as a function of each value, computed by ONNX's own reference implementation of the operator."""
DROPPED = {
    "Identity": "",
    "Dropout": "",
    "Cast": "",
    "QuantizeLinear": "the model's own quantisation of activations is left out; the chip has its own",
    "DequantizeLinear": "",
    "Softmax": "outputs are taken before the softmax; the largest one is the same",
    "LogSoftmax": "outputs are taken before the log-softmax; the largest one is the same",
    "ZipMap": "",
    "Normalizer": "outputs are taken before the normalisation; the largest one is the same",
}
FILE_MAX = 2 << 30
"""Bytes of a model file: what its format can hold."""
INSTEAD = {
    "LayerNormalization": "it depends on the data; use BatchNormalization, which folds into the weights",
    "InstanceNormalization": "it depends on the data; use BatchNormalization, which folds into the weights",
    "LSTM": "recurrent layers are not supported; use fully connected layers over a window of samples",
    "GRU": "recurrent layers are not supported; use fully connected layers over a window of samples",
    "RNN": "recurrent layers are not supported; use fully connected layers over a window of samples",
    "Concat": "it joins branches; use a chain of layers",
    "ConvTranspose": "use Conv or Gemm",
    "Gather": "use a one-hot input and a full layer",
    "TreeEnsembleClassifier": "trees are not networks; use a multi-layer perceptron",
    "TreeEnsembleRegressor": "trees are not networks; use a multi-layer perceptron",
    "SVMClassifier": "use a multi-layer perceptron",
}
OTHERWISE = (
    "use Gemm, MatMul, Add, Conv, MaxPool, AveragePool, BatchNormalization, Flatten, Reshape, or "
    "a function of each value"
)
JOINED = "Where Greater GreaterOrEqual Less LessOrEqual Equal And Or Not Xor Mod".split()
"""With the arithmetic below: functions of several values of one chain."""
TRUTHS = {"Where": (0,), "And": (0, 1), "Or": (0, 1), "Xor": (0, 1), "Not": (0,)}
"""Operands that are true or false."""
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Min": np.minimum,
    "Max": np.maximum,
}


def read_onnx(path: Path, *, shape: Shape | None = None, output: str | None = None) -> Read:
    """The model as a chain of steps.

    Parameters
    ----------
    shape:
        Shape of one sample where the file leaves it open.
    output:
        Name of the output to take; by default the first one that a chain of supported nodes leads to.

    Raises
    ------
    MissingExtraError
        Without the package ``onnx``.
    NetworkError
        When the file is not a valid model.
    UnsupportedNodeError
        Naming the first node that cannot be imported.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("reading .onnx files needs onnx: pip install 'ndrite[onnx]'") from None
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    if path.stat().st_size > FILE_MAX:
        raise NetworkError(f"{path}: size is {path.stat().st_size} bytes; accepted: at most {FILE_MAX}")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, checker and file errors share no base
        first = " ".join(str(error).split())[:300] or "damaged"
        raise NetworkError(f"{path}: not a valid ONNX model ({first})") from None
    return _Reader(model, shape).read(output)


class _Reader:
    """Walks a graph; ``values`` holds what is computed, ``constants`` what is known."""

    def __init__(self, model: Any, shape: Shape | None) -> None:
        from onnx import numpy_helper

        self.model, self.graph = model, model.graph
        self.constants: dict[str, npt.NDArray[Any]] = {
            t.name: numpy_helper.to_array(t) for t in self.graph.initializer
        }
        self.values: dict[str, Value] = {}
        self.refused: dict[str, UnsupportedNodeError] = {}
        self.notes: list[str] = []
        self.axes: tuple[int, ...] | None = None
        inputs = [i for i in self.graph.input if i.name not in self.constants]
        if len(inputs) != 1:
            names = ", ".join(i.name for i in inputs)
            raise NetworkError(f"the model has {len(inputs)} inputs ({names}); accepted: one")
        self.shape = shape or _sample_shape(inputs[0])
        self.values[inputs[0].name] = Value((), self.shape)

    def read(self, output: str | None) -> Read:
        names = [o.name for o in self.graph.output]
        if output is not None and output not in names:
            raise NetworkError(f"output is {output!r}; accepted: {', '.join(names)}")
        for node in self.graph.node:
            try:
                self._node(node)
            except UnsupportedNodeError as error:
                # Only what the output needs has to be understood.
                for name in node.output:
                    self.refused.setdefault(name, error)
        for name in [output] if output else names:
            value = self.values.get(name)
            if value is not None and len(value.settled().steps) > 0:
                return Read(value.settled().steps, self.shape, tuple(self.notes), self.axes)
        raise self.refused.get(output or names[0]) or NetworkError("no output depends on the input")

    def _node(self, node: Any) -> None:
        kind, name = node.op_type, node.name or node.output[0]
        for source in node.input:
            if source in self.refused:
                raise self.refused[source]
        sources = [s for s in node.input if s]
        if kind == "Constant" or all(s in self.constants for s in sources):
            why = refusal(kind, [np.asarray(self.constants[s]) for s in sources])
            if why is not None:
                raise UnsupportedNodeError(name, kind, why)
            for key, array in zip(node.output, self._evaluate(node, {}), strict=False):
                self.constants[key] = array
            return
        value = next(self.values[s] for s in sources if s in self.values)
        attributes = {a.name: _attribute(a) for a in node.attribute}
        if kind == "Shape":
            self.constants[node.output[0]] = np.array([1, *value.shape], np.int64)
            return
        if kind == "LinearClassifier":  # its first output is the label, which is no chain
            self.values[node.output[1]] = self._linear_model(value, kind, name, attributes)
            self.refused[node.output[0]] = UnsupportedNodeError(name, kind, "take the scores, not the label")
            return
        self.values[node.output[0]] = self._step(node, kind, name, value, attributes)

    def _step(self, node: Any, kind: str, name: str, value: Value, a: dict[str, Any]) -> Value:
        known = [self.constants.get(s) if s else None for s in node.input]
        computed = [s for s in node.input if s in self.values]
        if kind in DROPPED or kind == "Quant":
            if DROPPED.get(kind) or kind == "Quant":
                self.notes.append(f"{name} ({kind}): {DROPPED.get(kind, DROPPED['QuantizeLinear'])}")
            if kind.endswith("Softmax"):
                return replace(value, left_out=(name, kind))
            return value
        if kind == "Concat" and len(computed) == 2:
            return self._two_classes(self.values[computed[0]], self.values[computed[1]], name, kind)
        if kind == "LinearRegressor":
            return self._linear_model(value, kind, name, a)
        if kind == "Transpose":
            if not value.steps and a.get("perm") == [0, 3, 1, 2] and len(value.shape) == 3:
                self.axes = (2, 0, 1)
                self.shape = (value.shape[2], *value.shape[:2])
                return Value((), self.shape)
            return chain.transpose(value, list(a.get("perm", [])), name)
        if kind == "PRelu" and known[1] is not None and known[1].size > 1:
            return chain.prelu(value, known[1], name)
        if kind == "Conv" and not value.steps and len(value.shape) == 2:
            self.shape = (value.shape[0], 1, value.shape[1])
            value = Value((), self.shape)
        if len(computed) == 2 and kind in BINARY:
            return chain.join(self.values[computed[0]], self.values[computed[1]], name, kind, BINARY[kind])
        if kind in ("Add", "Sub", "Mul", "Div"):
            first = node.input[0] in self.values
            operation = {"Add": "add", "Mul": "mul", "Sub": "sub", "Div": "div"}[kind]
            operation = operation if first or kind in ("Add", "Mul") else "r" + operation
            constant = known[1] if first else known[0]
            assert constant is not None
            return chain.with_constant(value, constant, name, kind, operation)
        if kind == "Gemm":
            if a.get("transA", 0):
                raise UnsupportedNodeError(name, kind, "use transA = 0")
            w = self._known(known, 1, name, kind) * a.get("alpha", 1.0)
            bias = known[2] * a.get("beta", 1.0) if len(known) > 2 and known[2] is not None else None
            return chain.linear(value.settled(), w.T if a.get("transB", 0) else w, bias, name, kind)
        if kind == "MatMul" and node.input[0] in self.values:
            return chain.linear(value.settled(), self._known(known, 1, name, kind), None, name, kind)
        if kind == "Conv":
            kernels = self._known(known, 1, name, kind)
            bias = known[2] if len(known) > 2 else None
            return self._convolution(value.settled(), kernels, bias, name, a)
        if kind in ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"):
            return self._pooling(value, kind, name, a)
        if kind == "ReduceMean" and _spatial(known, a):
            pooled = chain.pooling(value, "average", None, None, name)
            return pooled if a.get("keepdims", 1) else chain.flatten(pooled, name)
        if kind == "Scaler":
            scale = np.asarray(a["scale"], np.float64)
            centred = chain.with_constant(value, np.asarray(a["offset"], np.float64), name, kind, "sub")
            return chain.with_constant(centred, scale, name, kind, "mul")
        if kind == "BatchNormalization":
            gamma, beta, mean, variance = (self._known(known, i, name, kind) for i in range(1, 5))
            return chain.batch_norm(value, gamma, beta, mean, variance, a.get("epsilon", 1e-5), name)
        if kind == "Flatten" and a.get("axis", 1) == 1:
            return chain.flatten(value, name)
        if kind == "Reshape":
            target = [int(v) for v in self._known(known, 1, name, kind)]
            reshaped = _reshape(value, target, name)
            if not reshaped.steps:
                self.shape = reshaped.shape
            return reshaped
        if kind in ("Unsqueeze", "Squeeze") and len(value.shape) == 3 and value.shape[1] == 1 and value.steps:
            axes = known[1].tolist() if len(known) > 1 and known[1] is not None else a.get("axes")
            if axes in ([2], [-2]):
                return value  # a row of one, on its way through a 1-D layer
        if kind == "Squeeze" and len(value.shape) == 3 and value.shape[1:] == (1, 1):
            return chain.flatten(value, name)
        small = all(c is None or c.size == 1 for c in known)
        if small and kind in JOINED:
            return self._joined(node, kind, name, [self.values[s] for s in computed])
        if small and kind in UNARY and len(computed) == 1:
            return value.apply(name, f"{kind.lower()}({{}})", self._function(node, computed[0]))
        raise UnsupportedNodeError(name, kind, INSTEAD.get(kind, OTHERWISE))

    def _joined(self, node: Any, kind: str, name: str, operands: list[Value]) -> Value:
        """A function of several values of one chain, such as the two branches of ``Where``."""
        first = operands[0]
        for other in operands:
            other.check_open()
            if other.steps != first.steps:
                raise UnsupportedNodeError(name, kind, INSTEAD["Concat"])
        sources = [s for s in node.input if s in self.values]

        def function(z: Floats) -> Floats:
            given: dict[str, npt.NDArray[Any]] = {
                s: v.reshape(()) for s, v in self.constants.items() if s in node.input
            }
            for source, operand in zip(sources, operands, strict=True):
                given[source] = (z if operand.function is None else operand.function(z)).astype(np.float32)
            for i in TRUTHS.get(kind, ()):
                given[node.input[i]] = given[node.input[i]] != 0
            return np.asarray(self._evaluate(node, given)[0], np.float64)

        label = f"{kind.lower()}({', '.join(o.label for o in operands)})"
        return replace(first, node=name, label=label, function=function, line=None)

    def _function(self, node: Any, source: str) -> Callable[[Floats], Floats]:
        # Numbers are given as such: a shape of (1, 1, 1) would make values of three axes.
        constants = {s: self.constants[s].reshape(()) for s in node.input if s in self.constants}

        def function(z: Floats) -> Floats:
            return np.asarray(
                self._evaluate(node, {**constants, source: z.astype(np.float32)})[0], np.float64
            )

        return function

    def _evaluate(self, node: Any, given: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Outputs of one node by ONNX's reference implementation."""
        from onnx.reference import ReferenceEvaluator

        inputs = {s: given.get(s, self.constants.get(s)) for s in node.input if s}
        if node.op_type == "Quant":
            return [_quantised(node, *(np.asarray(inputs[s], np.float64) for s in node.input))]
        if node.op_type == "Gelu":  # the reference has no implementation of its own
            tanh = any(_attribute(a) == "tanh" for a in node.attribute if a.name == "approximate")
            return [_gelu(np.asarray(inputs[node.input[0]], np.float64), tanh=tanh)]
        opsets = {o.domain: o.version for o in self.model.opset_import}
        try:
            return [np.asarray(v) for v in ReferenceEvaluator(node, opsets=opsets).run(None, inputs)]
        except Exception as error:  # whatever an operator's implementation raises
            raise UnsupportedNodeError(
                node.name or node.output[0], node.op_type, f"it cannot be evaluated ({error})"
            ) from None

    def _linear_model(self, value: Value, kind: str, name: str, a: dict[str, Any]) -> Value:
        """A linear model of scikit-learn: scores, or outputs of a regression."""
        intercepts = np.asarray(a.get("intercepts", [0.0]), np.float64)
        weights = np.asarray(a["coefficients"], np.float64).reshape(len(intercepts), -1).T
        after = a.get("post_transform", "NONE")
        if kind == "LinearClassifier" and len(intercepts) == 1:
            weights, intercepts = np.hstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
        if after == "LOGISTIC" and len(intercepts) == 2:
            weights, intercepts = weights / 2, intercepts / 2  # the same as a softmax of half the scores
        elif after not in ("NONE", "SOFTMAX", "LOGISTIC"):
            raise UnsupportedNodeError(name, kind, f"post_transform is {after}; use NONE or LOGISTIC")
        scores = chain.linear(value.settled(), weights, intercepts, name, kind)
        if after == "NONE":
            return scores
        self.notes.append(
            f"{name} ({kind}): outputs are taken before the softmax; the largest one is the same"
        )
        return replace(scores, left_out=(name, after))

    def _two_classes(self, a: Value, b: Value, name: str, kind: str) -> Value:
        """``[1 - p, p]`` with p a sigmoid, as scikit-learn writes two classes: half of -z and z."""
        z = np.linspace(-4, 4, 65)
        no, yes = (np.full(65, 0.5) if v.function is None else v.function(z) for v in (a, b))
        if a.steps == b.steps and a.shape == b.shape == (1,) and ((yes > 0) & (yes < 1)).all():
            scores = np.log(yes / (1 - yes))
            slope, offset = np.polyfit(z, scores, 1)
            straight = np.abs(scores - (slope * z + offset)).max() < 1e-3 * max(1.0, abs(slope))
            if straight and np.abs(no + yes - 1).max() < 1e-5:
                before = Value(b.steps, b.shape, b.node)
                halves = np.array([-0.5, 0.5])
                both = chain.linear(before, slope * halves[None], offset * halves, name, kind)
                self.notes.append(f"{name} ({kind}): two classes; outputs are taken before the softmax")
                return replace(both, left_out=(name, "Softmax"))
        raise UnsupportedNodeError(name, kind, INSTEAD[kind])

    @staticmethod
    def _known(known: list[Any], index: int, name: str, kind: str) -> npt.NDArray[Any]:
        if index >= len(known) or known[index] is None:
            raise UnsupportedNodeError(name, kind, f"operand {index} is computed; use constant parameters")
        constant: npt.NDArray[Any] = known[index]
        return constant

    @staticmethod
    def _convolution(value: Value, kernels: Any, bias: Any, name: str, a: dict[str, Any]) -> Value:
        if a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            raise UnsupportedNodeError(name, "Conv", "auto_pad is set; use explicit pads")
        if value.channels_last:
            raise UnsupportedNodeError(
                name, "Conv", "its values are (row, column, channel); transpose them first"
            )
        return chain.convolution(
            value,
            kernels,
            bias,
            name,
            stride=chain.two(a.get("strides", [1, 1])),
            padding=_four(a.get("pads", [0, 0, 0, 0])),
            dilation=chain.two(a.get("dilations", [1, 1])),
            groups=int(a.get("group", 1)),
        )

    @staticmethod
    def _pooling(value: Value, kind: str, name: str, a: dict[str, Any]) -> Value:
        if any(a.get("pads", [])) or a.get("ceil_mode", 0) or set(a.get("dilations", [1])) != {1}:
            raise UnsupportedNodeError(name, kind, "use pooling without padding, dilation and ceil_mode")
        what = "max" if "Max" in kind else "average"
        if kind.startswith("Global"):
            return chain.pooling(value, what, None, None, name)
        return chain.pooling(value, what, a["kernel_shape"], a.get("strides", 1), name)


def _spatial(known: list[Any], a: dict[str, Any]) -> bool:
    axes = a.get("axes", known[1] if len(known) > 1 else None)
    return axes is not None and sorted(int(v) for v in axes) in ([2, 3], [-2, -1])


def _reshape(value: Value, target: list[int], name: str) -> Value:
    size = int(np.prod(value.shape))
    if len(target) == 2 and target[1] in (-1, size):
        return chain.flatten(value, name)
    if tuple(target[1:]) == value.shape or (len(target) == 1 and len(value.shape) == 1):
        return value
    if not value.steps and len(target) == 4 and -1 not in target[1:] and int(np.prod(target[1:])) == size:
        # The first thing done to flat inputs: the chain starts from maps, flat in the same order.
        return Value((), tuple(target[1:]))
    raise UnsupportedNodeError(name, "Reshape", f"to {target} of {value.shape}; flatten to one axis")


def _gelu(x: Floats, *, tanh: bool) -> Floats:
    """ONNX's Gelu (operator set 20): exact, or its approximation by tanh."""
    from scipy.special import erf

    inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)) if tanh else erf(x / np.sqrt(2))
    return np.asarray(0.5 * x * (1 + inner), np.float64)


def _quantised(node: Any, x: Floats, scale: Floats, zero: Floats, bits: Floats) -> Floats:
    """QONNX's Quant: scaled integers of so many bits."""
    a = {item.name: _attribute(item) for item in node.attribute}
    signed, narrow = int(a.get("signed", 1)), int(a.get("narrow", 0))
    low = -(2.0 ** (bits - 1)) + narrow if signed else 0.0 * bits
    high = 2.0 ** (bits - 1) - 1 if signed else 2.0**bits - 1 - narrow
    q: Floats = (np.clip(np.rint(x / scale + zero), low, high) - zero) * scale
    return q


def _sample_shape(value: Any) -> Shape:
    dims = value.type.tensor_type.shape.dim
    sizes = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    if len(sizes) < 2 or any(s <= 0 for s in sizes[1:]):
        raise NetworkError(
            f"input {value.name!r} has shape {sizes} (0: open); give the shape of one sample (--input-shape)"
        )
    return tuple(sizes[1:])


def _attribute(a: Any) -> Any:
    from onnx import helper

    v = helper.get_attribute_value(a)
    return v.decode() if isinstance(v, bytes) else v


def _four(v: Any) -> tuple[int, int, int, int]:
    if len(v) == 2:
        return 0, int(v[0]), 0, int(v[1])
    return int(v[0]), int(v[1]), int(v[2]), int(v[3])

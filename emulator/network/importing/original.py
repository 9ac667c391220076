"""The user's own model: reads its file, converts it to an ONNX graph, and
computes its own outputs.

Every model is read as ONNX: PyTorch modules go through its exporter, scikit-learn's
estimators through skl2onnx.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ndrite.emulator.errors import MissingExtraError, NetworkError, UnsupportedNodeError
from ndrite.emulator.network.importing.composite import DOMAIN, prepared
from ndrite.emulator.spec.arithmetic import Array
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.task import CLASSES, LABELS, VALUES

if TYPE_CHECKING:
    import torch
    from onnx import ModelProto, ValueInfoProto

FILE_MAX = 2 << 30
"""Largest size of a model file in bytes, the limit of its format."""


def extra(package: str, needs: str, of: str) -> ModuleType:
    """Import the package ``package``, which the extra ``of`` of ndrite
    installs. If it is missing, raise MissingExtraError; the text ``needs`` says
    what it is needed for."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise MissingExtraError(f"{needs}: pip install 'ndrite[{of}]'") from None


def _check(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    if path.stat().st_size > FILE_MAX:
        raise NetworkError(f"{path}: size is {path.stat().st_size} bytes; accepted: at most {FILE_MAX}")


def load_onnx(path: Path) -> ModelProto:
    """Load the model in a file. Raises MissingExtraError without the package ``onnx``.
    Raises NetworkError when the file is not a valid model."""
    onnx = extra("onnx", "reading .onnx files needs onnx", "onnx")
    _check(path)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # errors of protobuf, the checker and files have no common class
        first = " ".join(str(error).split())[:300] or "damaged"
        raise NetworkError(f"{path}: not a valid ONNX model ({first})") from None
    return model


def inputs_of(model: ModelProto) -> list[ValueInfoProto]:
    """Return the model's inputs that are no constants."""
    constants = {t.name for t in model.graph.initializer}
    return [i for i in model.graph.input if i.name not in constants]


def only_input(model: ModelProto) -> ValueInfoProto:
    """Return the model's only input. Raises NetworkError when there is none,
    or more than one."""
    inputs = inputs_of(model)
    if len(inputs) != 1:
        names, outputs = (", ".join(t.name for t in ts) for ts in (inputs, model.graph.output))
        raise NetworkError(
            f"the model has {len(inputs)} inputs ({names}); accepted: one; state all but one as constants "
            "(--model-input NAME=NUMBER) or as states (--model-input NAME=OUTPUT), where OUTPUT is the next "
            f"value of the state, one of {outputs}"
        )
    return inputs[0]


def load_torch(path: Path) -> torch.nn.Module:
    """Load a module that ``torch.save(module, path)`` wrote and that consists of
    PyTorch's own layers only; no code in the file is run. Raises MissingExtraError
    without PyTorch. Raises NetworkError when the file holds anything else."""
    torch = extra("torch", "reading .pt files needs PyTorch", "train")
    _check(path)
    nn = torch.nn
    layers = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    try:
        # PyTorch's warnings about the pickle protocol are suppressed: the user cannot
        # do anything about them.
        with torch.serialization.safe_globals(layers), warnings.catch_warnings(action="ignore"):
            module = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # errors of pickle, zip and torch have no common class
        first = next(iter(str(error).splitlines()), "damaged")
        raise NetworkError(
            f"{path}: not a module of PyTorch's own layers ({first}); write it with torch.onnx.export, or "
            f"pass the module to ndrite.networks.import_model"
        ) from None
    if not isinstance(module, nn.Module):
        raise NetworkError(
            f"{path}: contains a {type(module).__name__}; accepted: a module, as torch.save(model, path) "
            "writes it, and not a state_dict"
        )
    return module


OPSET = 17
STAND_INS = {
    "LinearDiscriminantAnalysis": "linear_model.LogisticRegression",
    "RidgeClassifier": "svm.LinearSVC",
    "RidgeClassifierCV": "svm.LinearSVC",
}
"""Estimators of two classes that cannot be converted -> an estimator with the
same scores that can."""
IN_TRAINING = (
    "the module was in training mode; it is taken as in evaluation mode: no dropout, and batch normalisation "
    "by its running mean and variance"
)
IN_FLOAT = "the module computes in bfloat16; its weights are taken as they are, and computed with in float32"
EXAMPLES = 3
"""Number of samples with which a module is exported: more than one, so that no axis is
mistaken for a constant."""


@record()
class Original:
    """The user's model as it was passed in, together with its ONNX form.

    Attributes
    ----------
    proto:
        The model that is read.
    answers:
        The model's own results for samples (n, ...), a list of arrays (n, ...) in
        the order of the graph's outputs, or what one of them has to be; None: the
        graph is the model.
    task:
        Task of the outputs if the model says it, one of ``spec.task.KINDS``; else empty.
    classes:
        Names of the outputs, where the model has them.
    notes:
        Notes for the user on how the model was taken, one line each.
    """

    proto: ModelProto
    answers: Callable[[Array], list[Array]] | None = None
    task: str = ""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def of_module(module: torch.nn.Module, shape: tuple[int, ...], samples: Array | None) -> Original:
    """Export a module in evaluation mode for samples of ``shape``; hooks and in-place
    operators are included. Raises MissingExtraError without the package ``onnx``.
    Raises UnsupportedNodeError when PyTorch's exporter does not accept the module."""
    import torch

    onnx = extra("onnx", "importing a PyTorch module needs onnx", "onnx")
    kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    notes = [IN_TRAINING] if module.training and not _of_export(module) else []
    if kind == torch.bfloat16:  # neither NumPy nor an ONNX runtime computes in bfloat16
        module, kind = copy.deepcopy(module).float(), torch.float32
        notes.append(IN_FLOAT)
    if samples is None or len(samples) < EXAMPLES:
        drawn = np.random.default_rng(0).normal(size=(EXAMPLES, *shape))
        samples = drawn if samples is None else np.concatenate([samples, drawn])

    def answers(x: Array, *, calls_first: bool) -> list[Array]:
        tensor = torch.as_tensor(np.ascontiguousarray(x)).to(kind)
        with _asked(module), torch.no_grad():
            result = module(tensor.transpose(0, 1) if calls_first else tensor)
        return [np.asarray(t.detach().cpu().numpy()) for t in _tensors(result)]

    calls_first = _takes_calls_first(
        module, shape, lambda first: answers(samples[:EXAMPLES], calls_first=first)
    )
    example = torch.as_tensor(np.ascontiguousarray(samples[:EXAMPLES])).to(kind)
    example = example.transpose(0, 1).contiguous() if calls_first else example
    buffer = io.BytesIO()
    with _asked(module), _silent():
        try:
            # The tracing exporter is used first: it takes a hundredth of the time of
            # the other one, and keeps recurrent layers as single nodes.
            torch.onnx.export(
                module,
                (example,),
                buffer,
                dynamo=False,
                input_names=["x"],
                dynamic_axes={"x": {int(calls_first): "n"}},
                opset_version=OPSET,
                custom_opsets={DOMAIN: 1},
            )
            proto = onnx.load_from_string(buffer.getvalue())
        except Exception as error:  # the module's own code or the exporter may raise any exception
            proto = _by_other_exporter(module, example, int(calls_first), error)
    return Original(prepared(proto), lambda x: answers(x, calls_first=calls_first), notes=tuple(notes))


def _by_other_exporter(
    module: torch.nn.Module, example: torch.Tensor, axis: int, error: Exception
) -> ModelProto:
    """Export a module with ``torch.export``, which accepts some modules that tracing
    does not. ``error`` is the error that tracing raised; it is reported if this
    export fails too."""
    import torch

    try:
        dims = ({axis: torch.export.Dim("n")},)
        return torch.onnx.export(module, (example,), dynamo=True, dynamic_shapes=dims).model_proto
    except Exception:
        # Any exception is possible here. The error of the tracing exporter, which was
        # tried first, says more.
        first = next((line for line in str(error).splitlines() if line.strip()), "")[:300]
        shape_words = f"input_shape {tuple(example.select(axis, 0).shape)}"
        raise UnsupportedNodeError(
            type(module).__name__,
            "forward",
            f"PyTorch's exporter does not accept it with {shape_words} ({first})",
        ) from None


def of_estimator(estimator: Any) -> Original:
    """Convert a fitted scikit-learn estimator or pipeline. Raises MissingExtraError
    without skl2onnx. Raises UnsupportedNodeError when skl2onnx does not convert it."""
    extra("onnx", "importing a scikit-learn model needs onnx", "onnx")
    converter = extra("skl2onnx", "importing a scikit-learn model needs skl2onnx", "sklearn")
    width = getattr(estimator, "n_features_in_", None)
    if width is None:
        raise NetworkError(
            f"model is a {type(estimator).__name__} that is not fitted; accepted: fitted estimators"
        )
    classes, single = np.asarray(getattr(estimator, "classes_", ())), np.zeros((1, width), np.float32)
    several = len(classes) > 0 and np.ndim(estimator.predict(single)) > 1
    if several and np.shape(_probabilities(estimator, single)) != (1, len(classes)):
        raise UnsupportedNodeError(
            type(estimator).__name__,
            "estimator",
            "it has no probability for each label; use MLPClassifier, or train it on one label per sample",
        )
    if classes.dtype.kind == "f" and (classes % 1 == 0).all():
        classes = classes.astype(np.int64)
    try:
        with warnings.catch_warnings(action="ignore"):
            written, last = _convertible(estimator)
            options = _scores(last) if len(classes) else None
            proto = converter.to_onnx(written, single, options=options)
    except Exception as error:  # the converter raises its own exception classes
        first = " ".join(str(error).split())[:300]
        raise UnsupportedNodeError(
            type(estimator).__name__, "estimator", f"skl2onnx does not convert it ({first})"
        ) from None

    def answers(x: Array) -> list[Array]:
        flat = x.reshape(len(x), -1).astype(np.float32)
        methods = ("predict_proba", "decision_function", "predict")
        results = [
            np.asarray(getattr(estimator, method)(flat)) for method in methods if hasattr(estimator, method)
        ]
        # For two classes, scikit-learn returns the score of the second class only,
        # while the graph returns a score for each. The pair (-score, score) is
        # therefore accepted as well.
        return results + [np.stack([-a, a], axis=1) for a in results if a.ndim == 1 and a.dtype.kind == "f"]

    task = LABELS if several else CLASSES if len(classes) else VALUES
    return Original(prepared(proto), answers, task, tuple(map(str, classes)))


def _probabilities(estimator: Any, x: Array) -> Any:
    """Return the estimator's ``predict_proba`` of the samples x, or None if the
    estimator has no such method."""
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else None


def _convertible(estimator: Any) -> tuple[Any, Any]:
    """Return a copy of the estimator, and the last step of the copy. If
    skl2onnx cannot convert that step correctly, the step is replaced by a class
    that has the same scores."""
    last = same = copy.deepcopy(estimator)
    while hasattr(last, "steps"):
        last = last.steps[-1][1]
    module, _, kind = STAND_INS.get(type(last).__name__, "").partition(".")
    if kind and len(last.classes_) == 2:
        last.__class__ = getattr(importlib.import_module(f"sklearn.{module}"), kind)
    return same, last


def _scores(last: Any) -> dict[type | str, dict[str, bool] | bool]:
    """Return the skl2onnx option with which the scores of all classes are
    returned as one array."""
    # LinearSVC is the only classifier that does not have the option ``zipmap``.
    if type(last).__name__ == "LinearSVC":
        return {type(last): {"raw_scores": True}}
    return {"zipmap": False}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Return a context manager that suppresses warnings and everything that Python and
    C++ code write to standard output and error."""
    for stream in (s for s in (sys.stdout, sys.stderr) if s is not None):
        stream.flush()
    with contextlib.ExitStack() as stack, open(os.devnull, "wb") as nowhere:
        for number in (1, 2):
            with contextlib.suppress(OSError):  # the standard stream may already be closed
                saved = os.dup(number)
                stack.callback(os.close, saved)
                os.dup2(nowhere.fileno(), number)
                stack.callback(os.dup2, saved, number)
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


@contextlib.contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Return a context manager that puts the module in evaluation mode, and at its end
    restores the mode of every submodule."""
    modes = [(part, part.training) for part in module.modules()]
    if not _of_export(module):
        module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextlib.contextmanager
def _asked(module: torch.nn.Module) -> Iterator[None]:
    """Return a context manager that puts the module in evaluation mode, and at its end
    restores modes and buffers, since some modules count calls in a buffer."""
    before = [
        (part, [(name, b, None if b is None else b.clone()) for name, b in part._buffers.items()])
        for part in module.modules()
    ]
    try:
        with evaluating(module):
            yield
    finally:
        for part, buffers in before:
            # The module may have put another tensor in a buffer's place, so all
            # buffers are set again.
            part._buffers.clear()
            for name, buffer, content in buffers:
                if buffer is not None:
                    buffer.data.copy_(content)
                part._buffers[name] = buffer


def _of_export(module: torch.nn.Module) -> bool:
    """Return whether ``torch.export`` created the module: the mode of such a module is
    fixed, and its ``eval()`` raises."""
    return "eval" in vars(module) and hasattr(module, "graph")


def _tensors(found: Any) -> list[torch.Tensor]:
    """Return the tensors in a module's result, in the order of the exporter's outputs."""
    if isinstance(found, dict):
        found = tuple(found.values())
    if isinstance(found, tuple | list):
        return [t for part in found for t in _tensors(part)]
    return [found]


def _takes_calls_first(
    module: torch.nn.Module, shape: tuple[int, ...], answers: Callable[[bool], list[Array]]
) -> bool:
    """Return whether the module takes sequences with the time axis first and the batch
    axis second, as PyTorch's recurrent layers do by default."""
    layers = [m for m in module.modules() if hasattr(m, "batch_first")]
    if len(shape) != 2:
        return False
    if layers:
        return not layers[0].batch_first
    if not any(type(m).__name__.endswith(("LSTMCell", "GRUCell", "RNNCell")) for m in module.modules()):
        return False
    try:
        return len(answers(False)[0]) != EXAMPLES
    except Exception:
        # The export will then try the other order of axes, and its error says more.
        return True

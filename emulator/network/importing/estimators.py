"""Linear models of scikit-learn as ONNX writes them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.joining import with_constant
from ndrite.emulator.network.importing.layers import linear
from ndrite.emulator.network.importing.moving import concatenate
from ndrite.emulator.network.importing.recurrent import SIGMOID
from ndrite.emulator.network.importing.values import TAKEN, LeftOut, Value


def _scaler(call: Call) -> Value:
    centred = with_constant(call, call.value, np.asarray(call.a["offset"], np.float64), "sub")
    return with_constant(call, centred, np.asarray(call.a["scale"], np.float64), "mul")


def _classifier(call: Call) -> list[Any]:
    """Its first output is the label, which no network computes."""
    return [call.refused("take the scores, not the label"), _scores(call)]


def _scores(call: Call) -> Value:
    a, kind = call.a, call.kind
    intercepts = np.asarray(a.get("intercepts", [0.0]), np.float64)
    weights = np.asarray(a["coefficients"], np.float64).reshape(len(intercepts), -1).T
    after = a.get("post_transform", "NONE")
    if kind == "LinearClassifier" and len(intercepts) == 1:
        weights, intercepts = np.hstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    if kind == "LinearClassifier" and after == "LOGISTIC" and len(intercepts) == 2:
        weights, intercepts = weights / 2, intercepts / 2  # the same as a softmax of half the scores
    elif after not in ("NONE", "LOGISTIC", *(["SOFTMAX"] if kind == "LinearClassifier" else [])):
        raise call.refused(f"post_transform is {after}; use NONE or LOGISTIC")
    scores = linear(call, call.value, weights, intercepts)
    if after == "NONE":
        return scores
    if kind == "LinearRegressor":
        return scores.apply(call.name, "sigmoid({})", SIGMOID[1])
    call.notes.append(f"{call.name} ({kind}): {TAKEN.format('softmax')}")
    softmax = after == "SOFTMAX" or len(intercepts) == 2
    left_out = LeftOut(call.name, after, call.node.output[1], "softmax" if softmax else "sigmoid")
    return replace(scores, left_out=left_out)


def _joined(call: Call) -> Value:
    """Joined values; ``[1 - p, p]``, p a sigmoid, as scikit-learn writes two classes: half of -z and z."""
    if len(call.computed) == 2 == len(call.known):
        classes = _two_classes(call, *call.computed)
        if classes is not None:
            return classes
    return concatenate(call)


def _two_classes(call: Call, a: Value, b: Value) -> Value | None:
    if a.op is not b.op or a.op.shape != (1, 1, 1) or not np.array_equal(a.places, b.places):
        return None
    z = np.linspace(-4, 4, 65)
    no, yes = (np.full(65, 0.5) if v.function is None else v.function(z) for v in (a, b))
    if not ((yes > 0) & (yes < 1)).all():
        return None
    scores = np.log(yes / (1 - yes))
    slope, offset = np.polyfit(z, scores, 1)
    straight = np.abs(scores - (slope * z + offset)).max() < 1e-3 * max(1.0, abs(slope))
    if not straight or np.abs(no + yes - 1).max() >= 1e-5:
        return None
    halves = np.array([-0.5, 0.5])
    before = Value(b.op, b.places, b.calls, node=b.node)
    two_scores = linear(call, before, slope * halves[None], offset * halves)
    call.notes.append(f"{call.name} ({call.kind}): two classes; outputs are taken before the softmax")
    return replace(two_scores, left_out=LeftOut(call.name, "Softmax", call.node.output[0], "softmax"))


ESTIMATORS: dict[str, Callable[[Call], Any]] = {
    "Scaler": _scaler,
    "LinearRegressor": _scores,
    "LinearClassifier": _classifier,
    "Concat": _joined,
}

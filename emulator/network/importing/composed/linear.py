"""Import of a fully connected layer over the last of several axes, such as
``torch.nn.Linear`` over a sequence, and of the addition of its bias. A cumulative sum
is imported as such a layer.

The model's own input is turned, so that the layer is a convolution of single positions
with one set of weights. On a map whose last axis counts columns the weights are
programmed once for every channel.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ndrite.emulator.network import Product
from ndrite.emulator.network.importing.call import Call
from ndrite.emulator.network.importing.composed.order import branches, channels_last, map_of
from ndrite.emulator.network.importing.graph import Exact, product, view
from ndrite.emulator.network.importing.layers import mixed
from ndrite.emulator.network.importing.values import Value
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.patches import Patches


def over_a_sequence(call: Call) -> Value | None:
    """Import a matrix product ``x @ weights`` whose x has several axes, the last of
    which is not the channel axis."""
    value, weights = call.values[0], call.optional(1)
    if value is None or weights is None or weights.ndim != 2:
        return None
    return _over_last_axis(call, value, np.asarray(weights, np.float64), _of_samples)


def cumulative(call: Call) -> Value:
    """Import a cumulative sum over the last axis as a fully connected layer whose
    weights are a triangular matrix of ones. The elements of the model's input are not
    reordered, since convolutions may read it too."""
    axis, flags = call.constant(1), [call.a.get(name, 0) for name in ("exclusive", "reverse")]
    value = call.value
    last = value.places.ndim - 1
    if not set(flags) <= {0, 1}:
        raise call.refused(f"exclusive and reverse are {flags}; accepted: 0 or 1 each")
    if axis.size != 1 or axis.item() not in (-1, last) or value.axis in (None, last):
        raise call.refused(
            f"it adds up along axis {axis.tolist()} of shape {value.places.shape}; use the last axis, which "
            "must not be that of the samples, and move another one there by a Transpose"
        )
    length, (exclusive, reverse) = value.places.shape[-1], flags
    call.check_weights(length * length)
    triangle = np.tri(length, k=-exclusive)
    weights = triangle if reverse else triangle.T  # first index: addend; second index: sum
    result = _over_last_axis(call, value, weights, _of_map)
    if result is not None:
        return result
    features = value if value.counts(-1) else value.vector(call.name)
    if features is None:
        raise call.refused(
            f"its input has shape {value.own} per sample; use features, or maps of one time step"
        )
    return mixed(call, features, -1, weights)


def _over_last_axis(
    call: Call, value: Value, weights: Floats, layer: Callable[[Call, Value, Floats], Value | None]
) -> Value | None:
    """Import a fully connected layer with ``weights`` over the last axis of a value
    with several axes. ``layer`` does this for values whose first axis is the batch
    axis. Return None if the last axis is the channel axis, or if no map has its
    elements in the value's order."""
    if value.axis is None:
        return None
    samples, is_last = value.axis, value.axis == value.places.ndim - 1
    if len(value.own) < 2 or value.counts(-1) or is_last or value.places.shape[-1] != len(weights):
        return None
    result = layer(call, replace(value, places=np.moveaxis(value.places, samples, 0)), weights)
    return None if result is None else replace(result, places=np.moveaxis(result.places, 0, samples))


def _of_samples(call: Call, value: Value, w: Floats) -> Value | None:
    """Import a layer with weights w over the last axis of a value whose first axis is
    the batch axis. If the value is the model's input, it is transposed so that the last
    axis becomes the channel axis."""
    as_positions = channels_last(call, value)
    return _of_map(call, value, w) if as_positions is None else mixed(call, as_positions, -1, w)


def _of_map(call: Call, value: Value, w: Floats) -> Value | None:
    """Import a layer with weights w over the columns, the last axis, of a map, or over
    the last axis of a vector that holds a sequence."""
    if value.area == 1:
        return _by_group(call, value, w)
    value_in_order = map_of(call, value)
    if value_in_order is None:
        return None
    op = value_in_order.op
    patches = Patches(shape=op.shape, kernel=(1, len(w)), groups=op.shape[0])
    copies = _repeated(call, w, op.shape[0])
    bias = np.zeros(copies.shape[1])
    return value_in_order.laid(product(call.name, op, copies, bias, patches, (1, w.shape[1])))


def _by_group(call: Call, value: Value, w: Floats) -> Value | None:
    """Import a layer with weights w over the last axis of a vector that holds
    a whole sequence, as a grouped convolution with one group for each
    position of the sequence."""
    if value.at is None or len(value.first.reshape(-1)) != value.size:
        return None
    value = value.settled()
    groups, index = value.size // len(w), value.first.reshape(-1)
    is_ordered = np.array_equal(index, np.arange(value.size))
    x = value.op if is_ordered else view(call.name, value.op, index=index)
    patches = Patches(shape=x.shape, kernel=(1, 1), groups=groups)
    op = product(call.name, x, _repeated(call, w, groups), np.zeros(groups * w.shape[1]), patches)
    numbers = value.places.reshape(len(value.places), -1)[:, 0] // value.size
    first = np.arange(op.shape[0]).reshape(*value.own[:-1], w.shape[1])
    return value.then(op, numbers.reshape(-1, *[1] * first.ndim) * op.shape[0] + first)


def _repeated(call: Call, w: Floats, groups: int) -> Floats:
    """Return the weights w (K, M) repeated side by side for ``groups``
    groups, (K, groups * M)."""
    call.check_weights(w.size * groups)
    return np.tile(w, (1, groups))


def biased(call: Call) -> Value | None:
    """Import an addition. If the constant varies over the outputs of a full layer that
    was applied along the last axis of a map, the constant becomes that layer's bias."""
    value, node = call.value, call.value.op.of(Product)
    constants = [constant for constant in call.known if constant is not None]
    if node is None or node.block == (1, 1) or len(constants) != 1 or value.function is not None:
        return branches(call)
    if value.axis is None or value.at is None or constants[0].size == 1:
        return branches(call)
    try:
        full = np.broadcast_to(np.asarray(constants[0], np.float64), value.places.shape)
    except ValueError:
        return branches(call)
    by_place = np.zeros(value.size)
    by_place[value.first.reshape(-1)] = full.take(0, value.axis).reshape(-1)
    columns = node.patches.gather(by_place.reshape(1, *value.op.shape), node.block)[0]
    if (columns != columns[0]).any():
        return branches(call)
    dense = Exact(node.dense.weights, node.dense.bias + columns[0])
    return value.then(replace(value.op, node=replace(node, dense=dense)), value.places)

"""exact: gradient descent in floats from the same network and start, as the reference
for learning in situ."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.learning.insitu.course import order
from ndrite.emulator.learning.insitu.plan import Prepared, network_of, weights
from ndrite.emulator.mapping.devices import trained_outputs
from ndrite.emulator.network import Network
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Codes
from ndrite.emulator.spec.learning import weights_of

NUDGE = 1e-4
"""Change of a pre-activation over which slopes are computed as difference quotients."""


def float_network(
    ready: Prepared, x: Codes, labels: npt.NDArray[np.int64], *, epochs: int, seed: int
) -> Network:
    """Return the network after exact float training, one sample at a time, for
    ``epochs`` over ``x`` uint8 (n, inputs) and ``labels`` (n,).

    Cross entropy of sigmoids, as the devices' updates have it, at the plan's rates and
    in the order of ``seed``, without bounds, converters or noise.
    """
    plan = ready.plan
    layers = zip(plan.widths[:-1], ready.learning.layers, strict=True)
    values = [weights(weights_of(layer.states[: k + 1]), plan) for k, layer in layers]
    products = ready.start.network.products[:-1]
    inputs, classes = x / INPUT_MAX, np.eye(plan.widths[-1])[labels]
    for epoch in range(epochs):
        for sample in order(seed, epoch, len(x)):
            rows, slopes = [np.append(inputs[sample], 1.0)], []
            for product, w in zip(products, values, strict=False):
                z = rows[-1] @ w
                assert product.dense.activation is not None
                y, above, below = trained_outputs(product.dense.activation, z + _NUDGES)
                slopes.append((above - below) / (2 * NUDGE))
                rows.append(np.append(y, 1.0))
            error = classes[sample] - 1.0 / (1.0 + np.exp(-(rows[-1] @ values[-1])))
            for i in reversed(range(len(values))):
                rate = plan.rate * (1.0 if i == len(values) - 1 else plan.hidden_rate)
                change = rate * np.outer(rows[i], error)
                if i:
                    error = (values[i][:-1] @ error) * slopes[i - 1]
                values[i] += change
    return network_of(plan, values, ready.meaning, ready.die.chip)


_NUDGES = np.array([[0.0], [NUDGE], [-NUDGE]])

"""PyTorch's names of what can be imported, and what to use in place of what cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

UNARY = set(
    "relu sigmoid tanh exp log log1p expm1 sin cos abs absolute sqrt rsqrt square reciprocal neg erf sign "
    "pow clamp clip leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh hardswish hardsigmoid "
    "relu6 logsigmoid tanhshrink softshrink hardshrink threshold sinh cosh atan asinh cos_ relu_ sigmoid_ "
    "tanh_ clamp_".split()
)
"""Names of functions and methods of each value by itself."""
ACTIVATIONS = set(
    "ReLU Sigmoid Tanh ReLU6 LeakyReLU ELU SELU CELU GELU SiLU Mish Softplus Softsign Hardtanh Hardswish "
    "Hardsigmoid LogSigmoid Tanhshrink Softshrink Hardshrink Threshold PReLU RReLU".split()
)
BINARY: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "add": ("add", np.add),
    "iadd": ("add", np.add),
    "sub": ("sub", np.subtract),
    "isub": ("sub", np.subtract),
    "mul": ("mul", np.multiply),
    "imul": ("mul", np.multiply),
    "multiply": ("mul", np.multiply),
    "truediv": ("div", np.divide),
    "div": ("div", np.divide),
    "itruediv": ("div", np.divide),
    "minimum": ("min", np.minimum),
    "maximum": ("max", np.maximum),
}
DROPPED = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")
RECURRENT = ("LSTM", "GRU", "RNN")
CELLS = ("LSTMCell", "GRUCell", "RNNCell")
NORMALISATION = "it depends on the data; use BatchNorm, which folds into the weights, or run it on the host"
ATTENTION = "attention needs products of two signals; run it on the host between two networks"
LARGER = "maps only get smaller; use Conv2d with padding, or enlarge the map on the host between two networks"
INSTEAD = {
    "LayerNorm": NORMALISATION,
    "layer_norm": NORMALISATION,
    "GroupNorm": NORMALISATION,
    "InstanceNorm1d": NORMALISATION,
    "InstanceNorm2d": NORMALISATION,
    "RMSNorm": NORMALISATION,
    "Embedding": "use a one-hot input and Linear",
    "MultiheadAttention": ATTENTION,
    "TransformerEncoderLayer": ATTENTION,
    "scaled_dot_product_attention": ATTENTION,
    "bmm": ATTENTION,
    "matmul": "only constants can be one of its operands; run products of two signals on the host",
    "ConvTranspose1d": LARGER,
    "ConvTranspose2d": LARGER,
    "Upsample": LARGER,
    "UpsamplingNearest2d": LARGER,
    "interpolate": LARGER,
    "PixelShuffle": LARGER,
    "Conv3d": "use Conv2d over slices",
    "Bilinear": "use Linear layers and an element-wise product",
}
OTHERWISE = (
    "use Linear, Conv1d, Conv2d, pooling, BatchNorm, Flatten, torch.cat, sums and products of branches, "
    "LSTM, GRU, or a function of each value"
)

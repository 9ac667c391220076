"""Dense: weights, bias and activation of one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emulator.errors import NetworkError
from emulator.network.activation import Activation, Floats, Ndr
from emulator.spec.brief import brief_repr


@dataclass(frozen=True, eq=False)
class Dense:
    """``activation(x @ weights + bias)``: weights float32 (K, M), bias float32 (M,); no activation = logits.

    Raises
    ------
    NetworkError
        When shapes disagree or a value is not finite.
    """

    __repr__ = brief_repr

    weights: Floats
    bias: Floats
    activation: Activation | None = None

    def __post_init__(self) -> None:
        weights = np.ascontiguousarray(self.weights, np.float32)
        bias = np.ascontiguousarray(self.bias, np.float32)
        if weights.ndim != 2 or weights.size == 0:
            raise NetworkError(f"weights have shape {weights.shape}; accepted: (K, M), neither 0")
        if bias.shape != weights.shape[1:]:
            raise NetworkError(f"bias has shape {bias.shape}; accepted: {weights.shape[1:]}")
        for name, array in (("weights", weights), ("bias", bias)):
            if not np.isfinite(array).all():
                raise NetworkError(f"{name} hold a value that is not finite; accepted: finite numbers")
        if isinstance(self.activation, Ndr) and self.activation.peak.shape != bias.shape:
            raise NetworkError(
                f"activation peak has shape {self.activation.peak.shape}; accepted: {bias.shape}"
            )
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias)

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])

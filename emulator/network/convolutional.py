"""Convolutional float networks: stages of convolution, activation and pooling, then a fully connected
network."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.network.activation import Floats
from emulator.network.network import Dense, Manifest, Network, read_network, save_layers
from emulator.network.patches import Patches, Pool
from emulator.spec.brief import brief_repr


@dataclass(frozen=True, eq=False)
class Conv:
    """``pool(activation(patches(x) @ weights + bias))``.

    ``dense`` takes one patch, (K, M); ``pad``, 0..1, fills the border.

    Raises
    ------
    NetworkError
        When shapes disagree, or there is no activation.
    """

    patches: Patches
    dense: Dense
    pool: Pool | None = None
    pad: float = 0.0

    def __post_init__(self) -> None:
        if self.dense.inputs != self.patches.inputs:
            raise NetworkError(
                f"kernels take {self.dense.inputs} values; accepted: {self.patches.inputs}, a patch of "
                f"{self.patches.shape} and {self.patches.kernel}"
            )
        if self.dense.activation is None:
            raise NetworkError("activation of a convolution is None; accepted: an activation")
        if not 0 <= self.pad <= 1:
            raise NetworkError(f"pad is {self.pad}; accepted: 0..1")
        _ = self.shape  # pooling that does not fit is refused here

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the result."""
        grid = self.patches.grid
        return (self.dense.outputs, *(grid if self.pool is None else self.pool.grid(*grid)))

    def __call__(self, x: npt.NDArray[Any]) -> Floats:
        """Maps (n, M, rows, columns) of maps (n, C, H, W), in 0..1."""
        z = self.patches.cut(x, self.pad).astype(np.float32) @ self.dense.weights + self.dense.bias
        assert self.dense.activation is not None
        y: Floats = self.patches.place(self.dense.activation(z))
        return y if self.pool is None else self.pool(y).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ConvNetwork:
    """Convolutional stages, then a fully connected network; inputs in [0, 1], flat (channel, row, column).

    Raises
    ------
    NetworkError
        When stages do not chain.
    """

    __repr__ = brief_repr

    stages: tuple[Conv, ...]
    tail: Network
    name: str = "network"
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.stages:
            raise NetworkError("stages is empty; accepted: at least one convolution")
        for i, (before, after) in enumerate(zip(self.stages, self.stages[1:], strict=False)):
            if after.patches.shape != before.shape:
                raise NetworkError(
                    f"convolution {i + 1} takes {after.patches.shape}; accepted: {before.shape}"
                )
        flat = int(np.prod(self.stages[-1].shape))
        if self.tail.inputs != flat:
            raise NetworkError(f"the first full layer takes {self.tail.inputs} inputs; accepted: {flat}")

    @property
    def inputs(self) -> int:
        return int(np.prod(self.stages[0].patches.shape))

    @property
    def outputs(self) -> int:
        return self.tail.outputs

    def maps(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Inputs (n, inputs) as maps (n, C, H, W)."""
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise NetworkError(f"x has shape {x.shape}; accepted: (n, {self.inputs})")
        return x.reshape(len(x), *self.stages[0].patches.shape)

    def forward(self, x: npt.ArrayLike) -> Floats:
        """Logits, float32 (n, outputs), of inputs ``x`` (n, inputs) in [0, 1]."""
        h = self.maps(np.asarray(x, np.float32))
        for stage in self.stages:
            h = stage(h)
        return self.tail.forward(h.reshape(len(h), -1))

    def accuracy(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> float:
        """Fraction of uint8 images (n, inputs) whose largest logit is the label's."""
        logits = self.forward(images.astype(np.float32) / np.float32(255))
        return float((logits.argmax(axis=1) == labels).mean())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file in whole or not at all."""
        layers = (*(stage.dense for stage in self.stages), *self.tail.layers)
        convolutions = [
            {
                "patches": asdict(stage.patches),
                "pool": None if stage.pool is None else asdict(stage.pool),
                "pad": stage.pad,
            }
            for stage in self.stages
        ]
        save_layers(path, layers, self.name, self.provenance, {"convolutions": convolutions})


def load_any_network(path: str | os.PathLike[str]) -> Network | ConvNetwork:
    """Read a network file of either kind; errors as ``load_network``."""
    return read_network(path, assemble)


def assemble(layers: tuple[Dense, ...], manifest: Manifest) -> Network | ConvNetwork:
    """The network of a file's layers and manifest."""
    name, provenance = str(manifest["name"]), dict(manifest.get("provenance", {}))
    convolutions = manifest.get("convolutions") or []
    if not convolutions:
        return Network(layers, name, provenance)
    stages = tuple(
        Conv(
            Patches(**_tuples(entry["patches"])),
            layer,
            None if entry["pool"] is None else Pool(**_tuples(entry["pool"])),
            float(entry["pad"]),
        )
        for entry, layer in zip(convolutions, layers, strict=False)
    )
    tail = Network(layers[len(stages) :], name)
    return ConvNetwork(stages, tail, name, provenance)


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}

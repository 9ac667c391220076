"""Fully connected float networks and their file, an ``.npz`` without pickled objects."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from emulator.errors import NetworkError
from emulator.files import whole_file
from emulator.network.activation import Activation, Floats, Named, Ndr, Sampled
from emulator.spec.archive import read_arrays
from emulator.spec.brief import brief_repr

FORMAT = "ndrite-network"
FORMAT_VERSION = 1
BYTES_MAX = 256 << 20
SAMPLED = "sampled:"
"""Prefix of the kind of a layer with a sampled activation, before its name."""
NDR_ARRAYS = {"ndr": ("peak", "height"), "ndr-curve": ("peak", "height", "curve")}
"""Arrays of a layer with NDR neurons, by the kind in the manifest."""


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


@dataclass(frozen=True, eq=False)
class Network:
    """A fully connected network: inputs in [0, 1], hidden activations in [0, 1], logits out.

    Raises
    ------
    NetworkError
        When layers do not chain, a hidden layer has no activation, or the last one has.
    """

    __repr__ = brief_repr

    layers: tuple[Dense, ...]
    name: str = "network"
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError("layers is empty; accepted: at least one layer")
        for i, layer in enumerate(self.layers):
            last = i == len(self.layers) - 1
            if last != (layer.activation is None):
                accepted = "none on the output layer" if last else "an activation on every hidden layer"
                raise NetworkError(f"layer {i} activation is {layer.activation}; accepted: {accepted}")
            if i and layer.inputs != self.layers[i - 1].outputs:
                raise NetworkError(
                    f"layer {i} has {layer.inputs} inputs; accepted: {self.layers[i - 1].outputs}, "
                    f"the outputs of layer {i - 1}"
                )

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    @property
    def shape(self) -> tuple[int, ...]:
        """Widths, input first: (784, 128, 10)."""
        return (self.inputs, *(layer.outputs for layer in self.layers))

    def activations(self, x: npt.ArrayLike) -> list[Floats]:
        """Output of every layer, float32 (n, M) each; the last entry holds the logits."""
        h = np.asarray(x, np.float32)
        if h.ndim != 2 or h.shape[1] != self.inputs:
            raise NetworkError(f"x has shape {h.shape}; accepted: (n, {self.inputs})")
        outputs = []
        for layer in self.layers:
            h = h @ layer.weights + layer.bias
            if layer.activation is not None:
                h = layer.activation(h)
            outputs.append(h)
        return outputs

    def forward(self, x: npt.ArrayLike) -> Floats:
        """Logits, float32 (n, outputs), of inputs ``x`` (n, inputs) in [0, 1].

        Raises
        ------
        NetworkError
            When the shape of ``x`` is wrong.
        """
        return self.activations(x)[-1]

    def accuracy(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> float:
        """Fraction of uint8 images (n, inputs), grey values 0..255, whose largest logit is the label's."""
        logits = self.forward(images.astype(np.float32) / np.float32(255))
        return float((logits.argmax(axis=1) == labels).mean())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file in whole or not at all (temporary file, then rename)."""
        save_layers(path, self.layers, self.name, self.provenance)


def save_layers(
    path: str | os.PathLike[str],
    layers: tuple[Dense, ...],
    name: str,
    provenance: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> None:
    """Write a network file, in whole or not at all; ``more`` goes into the manifest."""
    arrays: dict[str, Any] = {}
    kinds: list[str | None] = []
    for i, layer in enumerate(layers):
        arrays |= {f"layer{i}.weights": layer.weights, f"layer{i}.bias": layer.bias}
        if isinstance(layer.activation, Ndr):
            arrays |= {f"layer{i}.peak": layer.activation.peak, f"layer{i}.height": layer.activation.height}
            if layer.activation.curve is not None:
                arrays[f"layer{i}.curve"] = layer.activation.curve
        if isinstance(layer.activation, Sampled):
            arrays[f"layer{i}.points"] = layer.activation.points
        kinds.append(_kind(layer.activation))
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "activations": kinds,
        "provenance": provenance,
        **(more or {}),
    }
    text = np.array(json.dumps(manifest, sort_keys=True))
    with whole_file(Path(path)) as file:
        np.savez_compressed(file, manifest=text, **arrays)


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read a network file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    NetworkError
        When the file is not a network of this format version, or is damaged.
    """
    return read_network(path, _dense_only)


Manifest = dict[str, Any]
T = TypeVar("T")


def read_network(path: str | os.PathLike[str], assemble: Callable[[tuple[Dense, ...], Manifest], T]) -> T:
    """What ``assemble`` makes of a file's layers and manifest; errors as ``load_network``'s."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such network file")
    try:
        return assemble(*_read(read_arrays(path, most_bytes=BYTES_MAX, total_bytes=BYTES_MAX)))
    except NetworkError as error:
        raise NetworkError(f"{path}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NetworkError(f"{path}: not a network file ({error})") from None


def _dense_only(layers: tuple[Dense, ...], manifest: Manifest) -> Network:
    if manifest.get("convolutions"):
        raise NetworkError(
            "a convolutional network; accepted here: fully connected layers (see docs/networks.md)"
        )
    return Network(layers, str(manifest["name"]), dict(manifest.get("provenance", {})))


def _read(arrays: dict[str, npt.NDArray[Any]]) -> tuple[tuple[Dense, ...], Manifest]:
    if "manifest" not in arrays:
        raise NetworkError("no manifest in the file; accepted: a file written by Network.save")
    manifest = json.loads(str(arrays["manifest"]))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NetworkError(f"manifest format is not {FORMAT!r}; accepted: a file written by Network.save")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise NetworkError(f"format_version is {manifest.get('format_version')}; accepted: {FORMAT_VERSION}")
    provenance = manifest.get("provenance", {})
    if not isinstance(provenance, dict):
        raise NetworkError(f"provenance is {str(provenance)[:40]!r}; accepted: an object")
    layers = []
    for i, kind in enumerate(manifest["activations"]):
        sampled = isinstance(kind, str) and kind.startswith(SAMPLED)
        names = ("weights", "bias", *NDR_ARRAYS.get(kind, ()), *(("points",) if sampled else ()))
        for name in names:
            if f"layer{i}.{name}" not in arrays:
                raise NetworkError(f"array layer{i}.{name} is missing")
        part = {name: arrays[f"layer{i}.{name}"] for name in names}
        activation: Activation | None = None
        if kind in NDR_ARRAYS:
            activation = Ndr(part["peak"], part["height"], part.get("curve"))
        elif sampled:
            activation = Sampled(kind.removeprefix(SAMPLED), part["points"])
        elif kind is not None:
            activation = Named(kind)
        layers.append(Dense(part["weights"], part["bias"], activation))
    return tuple(layers), manifest


def _kind(activation: Activation | None) -> str | None:
    if activation is None:
        return None
    if isinstance(activation, Named):
        return activation.name
    if isinstance(activation, Sampled):
        return SAMPLED + activation.name
    return "ndr" if activation.curve is None else "ndr-curve"

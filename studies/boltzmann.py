"""A restricted Boltzmann machine of pixels, labels and hidden units: training, and repair of pictures.

As NeuRRAM's authors do it (github.com/weierwan/Neurram_48core, rbm): 784 pixels and 10 labels against 120
hidden units, contrastive divergence of five steps with momentum, weights held at 1, Gaussian noise on them in
training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

PIXELS, LABELS, HIDDEN = 784, 10, 120
WEIGHT_MAX, BIAS_MAX = 1.0, 16.0
DIVERGENCE_STEPS, DECAY = 5, 1e-4
FLIPPED = 0.2
OCCLUDED = slice(18 * 28, PIXELS)
"""The bottom third, as published: from row 18 on."""
Read = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Machine:
    """``weights`` (794, 120), ``hidden`` (120,) and ``visible`` (794,) biases, float32."""

    weights: Floats
    hidden: Floats
    visible: Floats


def sigmoid(x: Any) -> Floats:
    """Elementwise; beyond 60 it is 0 or 1 in float32."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def drawn(p: Floats, rng: np.random.Generator) -> Floats:
    """1 with probability ``p``."""
    return (rng.random(p.shape, dtype=np.float32) < p).astype(np.float32)


def with_labels(x: npt.NDArray[np.uint8], labels: npt.NDArray[Any]) -> Floats:
    """Visible units of images uint8 (n, 784) and their labels: (n, 794) in 0..1."""
    return np.hstack([x.astype(np.float32) / np.float32(255), np.eye(LABELS, dtype=np.float32)[labels]])


def train(
    data: Floats, *, noise: float, seed: int, epochs: int, batch: int = 100, rate: float = 0.02
) -> Machine:
    """Contrastive divergence on visible units (n, 794); ``noise`` is the deviation on weights held at 1."""
    rng = np.random.default_rng(seed)
    weights = (0.01 * rng.standard_normal((PIXELS + LABELS, HIDDEN))).astype(np.float32)
    hidden = np.zeros(HIDDEN, np.float32)
    on = 0.8 * data[:256].mean(axis=0) + 0.1
    visible = np.log10(on / (1 - on)).astype(np.float32)
    moving = [np.zeros_like(p) for p in (weights, hidden, visible)]
    for epoch in range(epochs):
        momentum = 0.5 if epoch == 0 else 0.9
        order = rng.permutation(len(data))
        for start in range(0, len(data) - batch + 1, batch):
            known = data[order[start : start + batch]]
            held = np.clip(weights, -WEIGHT_MAX, WEIGHT_MAX)
            if noise:
                held = held + np.float32(noise) * rng.standard_normal(held.shape, dtype=np.float32)
            first = sigmoid(known @ held + hidden)
            h = first
            for _ in range(DIVERGENCE_STEPS):
                v = sigmoid(drawn(h, rng) @ held.T + visible)
                h = sigmoid(v @ held + hidden)
            slopes = (
                (known.T @ first - v.T @ h) / batch - np.float32(DECAY) * weights,
                (first - h).mean(axis=0),
                (known - v).mean(axis=0),
            )
            for p, m, slope in zip((weights, hidden, visible), moving, slopes, strict=True):
                m *= momentum
                m += np.float32(rate) * slope
                p += m
    return Machine(np.clip(weights, -WEIGHT_MAX, WEIGHT_MAX), np.clip(hidden, -BIAS_MAX, BIAS_MAX), visible)


def damaged(x: Floats, kind: str, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """Pictures (n, 784) with 20 % of their pixels ``flipped``, or their bottom third ``occluded`` by the mean
    grey value; and which pixels are damaged."""
    result = x.copy()
    if kind == "flipped":
        where = rng.random(x.shape) < FLIPPED
        result[where] = x[where] < 0.7
    else:
        where = np.zeros(x.shape, bool)
        where[:, OCCLUDED] = True
        result[where] = x.mean()
    return result, where


def repaired(
    x: Floats,
    labels: npt.NDArray[Any],
    kind: str,
    up: Read,
    down: Read,
    rng: np.random.Generator,
    steps: int = 10,
) -> tuple[Floats, Floats]:
    """Distance (L2 norm) of every picture to what it was, damaged and after Gibbs steps: (n,) each.

    ``up`` gives the hidden units' sums of visible ones (n, 794), ``down`` the visible units' of hidden ones.
    Which pixels are damaged is known, and so is the label, as published.
    """
    v, where = damaged(x, kind, rng)
    before = np.linalg.norm(v - x, axis=1)
    label = np.eye(LABELS, dtype=np.float32)[labels]
    for _ in range(steps):
        h = drawn(sigmoid(up(np.hstack([drawn(v, rng), label]))), rng)
        v = np.where(where, sigmoid(down(h))[:, :PIXELS], x)
    return before, np.linalg.norm(v - x, axis=1)

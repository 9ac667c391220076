"""transfer: fast devices beside the weights' own, as Tiki-Taka has them, with their symmetry points."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from emulator.errors import CompileError
from emulator.golden.learn.devices import Constants, constants
from emulator.golden.learn.words import key_of
from emulator.spec.learning import (
    DOMAIN_DEVICE,
    FACTOR_ONE,
    SLOPE_SHIFT,
    WEIGHT_MAX,
    Devices,
    LearningLayer,
    Transfer,
)

THRESHOLD_MAX = 65535


def with_transfer(
    layers: Sequence[LearningLayer], die_seed: int, threshold: float
) -> tuple[LearningLayer, ...]:
    """The layers with fast devices of the same law, which begin at their symmetry points and are read against
    them. ``threshold``: in nominal bounds, of which 1/255 is the least."""
    codes = max(1, round(threshold * WEIGHT_MAX))
    if codes > THRESHOLD_MAX:
        most = THRESHOLD_MAX // WEIGHT_MAX
        raise CompileError(f"threshold is {threshold:g} nominal bounds; accepted: at most {most}")
    found = []
    for i, layer in enumerate(layers):
        rows = layer.rows - (layer.tuned is not None)
        of = np.arange(layer.rows, layer.rows + rows)[:, None]
        own = constants(layer.devices, key_of(die_seed, DOMAIN_DEVICE, i, 0), of, np.arange(layer.columns))
        points = symmetry_points(layer.devices, own).astype(np.int32)
        states = np.vstack([layer.states, points, np.zeros_like(points), points])
        of_layer = Transfer(devices=layer.devices, threshold=codes)
        found.append(dataclasses.replace(layer, states=states, transfer=of_layer))
    return tuple(found)


def symmetry_points(law: Devices, own: Constants) -> npt.NDArray[np.int64]:
    """Where a pulse up and a pulse down are equally large, so that alternating pulses settle there; a device
    without such a point within its bounds: the bound at which they end."""
    up, down = own.up.astype(np.float64), own.down.astype(np.float64)
    scale = FACTOR_ONE * 2.0**SLOPE_SHIFT
    # own * (256 - slope * s / 2^24) of both directions are equal.
    bend = up * law.slope_up - down * law.slope_down
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.where(bend != 0, scale * (up - down) / bend, np.sign(up - down) * np.inf)
    found: npt.NDArray[np.int64] = np.rint(np.clip(np.nan_to_num(at), own.low, own.high)).astype(np.int64)
    return found

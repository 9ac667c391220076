"""rules: the devices that learning rules add to the weights' own: fast devices
(Tiki-Taka) or tiles, with symmetry points and references."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.golden.learn.devices import Constants, constants, key_of
from ndrite.emulator.learning.insitu.laws import rate_and_shift
from ndrite.emulator.spec.arithmetic import Ints
from ndrite.emulator.spec.learning import (
    CODE_SHIFT,
    DOMAIN_DEVICE,
    FACTOR_ONE,
    FACTOR_SHIFT,
    PART_SHIFT,
    SLOPE_SHIFT,
    STATE_MAX,
    STATE_MIN,
    STATE_ONE,
    WEIGHT_MAX,
    Devices,
    LearningLayer,
    Tiles,
    Transfer,
)

THRESHOLDS = {"tiki-taka": 25.0, "agad": 8.0, "residual": 10.0}
"""Learning rules whose pulses go to devices other than the layer's own, each with its
default threshold."""
OF_RULES: dict[str, dict[str, Any]] = {
    "threshold": THRESHOLDS,
    "reference_error": {"tiki-taka": 0.0, "residual": 0.0},
    "tiles": {"residual": 4},
    "gamma": {"residual": 0.5},
    "chopper_period": {"agad": 1},
    "transfer_noise": dict.fromkeys(THRESHOLDS, False),
}
"""Fields of a learning plan that only some rules use, each with its default for
each of these rules."""
TILE_EVERY, TILE_RATIO = 1, 5
"""Number of updates between two readings of the last tile, and number of readings of a
tile for one reading of the tile before it, as in the published networks on MNIST."""
THRESHOLD_MAX = READ_SIGMA_MAX = 65535
REFERENCES = 0x7265666572
"""Number of the random stream for the deviations of references."""


def fields_of_rule(rule: str, **given: float | None) -> dict[str, Any]:
    """Return the fields of a learning plan that belong to ``rule``, each with its
    ``given`` value or else its default. Raises CompileError when a value is given for a
    field that only other rules use."""
    for name, value in given.items():
        if value and rule not in OF_RULES[name]:
            owners = ", ".join(OF_RULES[name])
            raise CompileError(f"{name} is {value:g}; accepted with {rule}: not set, as only {owners} use it")
    return {name: given.get(name) or of[rule] for name, of in OF_RULES.items() if rule in of}


def with_transfer(
    layers: Sequence[LearningLayer],
    die_seed: int,
    threshold: float,
    pulse: float,
    off: float | None,
    chopper_period: int = 1,
) -> tuple[LearningLayer, ...]:
    """Return the layers with fast devices, which have the same law as the layer's
    own devices. With ``off``, fast devices begin at their symmetry points and are
    read against references, which deviate from those points by the standard
    deviation ``off``. With ``off`` None, fast devices begin at 0, the chopper of
    each row is reversed after every ``chopper_period`` readings of the row, and the
    row is read against the last reading before the reversal. ``threshold`` is in
    pulses and at least 1/255 of the nominal bound; ``pulse`` and ``off`` are in
    units of the nominal bound."""
    codes, threshold_max = max(1, round(threshold * pulse * WEIGHT_MAX)), THRESHOLD_MAX / WEIGHT_MAX / pulse
    require(
        codes <= THRESHOLD_MAX,
        "threshold",
        f"{threshold:g}",
        f"at most {threshold_max:g} pulses",
        CompileError,
    )

    def of_layer(i: int, layer: LearningLayer) -> LearningLayer:
        points = references = np.zeros((_height(layer), layer.columns), np.int64)
        if off is not None:
            points, references = _points_and_references(i, layer, die_seed, off, 1)
        chopped = chopper_period if off is None else 0
        transfer = Transfer(devices=layer.devices, threshold=codes, chopped=chopped)
        return _with_rows(layer, transfer, points, np.zeros_like(points), references)

    return tuple(of_layer(i, layer) for i, layer in enumerate(layers))


def with_tiles(
    layers: Sequence[LearningLayer], die_seed: int, chance: float, off: float, summed: tuple[int, float]
) -> tuple[LearningLayer, ...]:
    """Return the layers with tiles, whose devices have the law of the layer's own
    devices. The tiles begin at the devices' symmetry points and are read against
    references, which deviate from those points by the standard deviation ``off``, in
    units of the nominal bound. ``chance``: probability of a pulse per time slot for a
    reading of one code. ``summed``: number of tiles, including the layer's own
    devices, and gamma."""
    rate, shift = rate_and_shift(chance, 63)
    tiles, gamma = summed

    def of_layer(i: int, layer: LearningLayer) -> LearningLayer:
        transfer = Tiles(
            devices=layer.devices,
            count=tiles - 1,
            gamma=round(gamma * (1 << FACTOR_SHIFT)),
            every=TILE_EVERY,
            ratio=TILE_RATIO,
            rate=rate,
            shift=shift,
        )
        return _with_rows(layer, transfer, *_points_and_references(i, layer, die_seed, off, tiles - 1))

    return tuple(of_layer(i, layer) for i, layer in enumerate(layers))


def with_noisy_readings(layers: Sequence[LearningLayer]) -> tuple[LearningLayer, ...]:
    """Return the layers with noise on the readings of their fast devices or tiles: the
    read noise of one differential pair of cells at full input. The converter of these
    readings stays ideal. Raises CompileError when the cells have no read noise."""

    def of_layer(layer: LearningLayer) -> LearningLayer:
        assert layer.transfer is not None
        # Read noise adds the variance back_var * input^2 / 256 to the product of a
        # weight code and an input code, which corresponds to a variance of back_var /
        # 256 of the weight code. A step of one code is 2^CODE_SHIFT states.
        sigma = min(READ_SIGMA_MAX, round(math.sqrt(layer.back_var / 256) * (1 << CODE_SHIFT)))
        require(
            sigma > 0, "transfer_noise", "on, and the chip's cells have no read noise", "off", CompileError
        )
        return dataclasses.replace(layer, transfer=dataclasses.replace(layer.transfer, read_sigma=sigma))

    return tuple(of_layer(layer) for layer in layers)


def _height(layer: LearningLayer) -> int:
    return layer.rows - (layer.tuned is not None)


def _with_rows(layer: LearningLayer, transfer: Transfer | Tiles, *rows: Ints) -> LearningLayer:
    states = np.vstack([layer.states, *rows]).astype(np.int32)
    return dataclasses.replace(layer, states=states, transfer=transfer)


def _points_and_references(
    i: int, layer: LearningLayer, die_seed: int, off: float, blocks: int
) -> tuple[Ints, Ints]:
    """Return two arrays for ``blocks`` blocks of rows that follow the rows of layer
    number ``i``: the symmetry points of the devices, and references that deviate from
    them by the standard deviation ``off``."""
    rows = np.arange(layer.rows, layer.rows + blocks * _height(layer))[:, None]
    key = key_of(die_seed, DOMAIN_DEVICE, i, 0)
    points = symmetry_points(layer.devices, constants(layer.devices, key, rows, np.arange(layer.columns)))
    wrong = np.random.default_rng([die_seed, REFERENCES, i]).normal(0.0, off, points.shape)
    return points, np.clip(points + np.rint(wrong * STATE_ONE), STATE_MIN, STATE_MAX).astype(np.int64)


def symmetry_points(law: Devices, own: Constants) -> Ints:
    """Return for each device the state at which a pulse up and a pulse down are equally
    large, so that alternating pulses settle there. A device without such a state within
    its bounds settles at one of the bounds, which is returned instead."""
    up, down = own.up.astype(np.float64), own.down.astype(np.float64)
    if law.steps is not None:
        # The symmetry point lies between two table entries. Below it, steps up are
        # larger than steps down, so the number of such entries gives its position.
        below = sum(up * a > down * b for a, b in zip(law.steps.up, law.steps.down, strict=True))
        ends: Ints = np.clip((below << PART_SHIFT) - STATE_ONE, own.low, own.high).astype(np.int64)
        return ends
    scale = FACTOR_ONE * 2.0**SLOPE_SHIFT
    # A step has the size own * (256 - slope * s / 2^24) at state s, with ``own`` and
    # ``slope`` of its direction. The two sizes are set equal and solved for s.
    bend = up * law.slope_up - down * law.slope_down
    beyond = np.sign(up - down) * STATE_MAX * 2.0
    crossing = np.divide(scale * (up - down), bend, out=beyond, where=bend != 0)
    points: Ints = np.rint(np.clip(crossing, own.low, own.high)).astype(np.int64)
    return points

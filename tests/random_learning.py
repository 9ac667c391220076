"""Random learning programs: stimulus for comparing the plain model, the compiled one
and the gateware."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec.arithmetic import SHIFT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.learning import (
    FACTOR_MAX,
    LEVELS,
    STATE_MAX,
    STATE_MIN,
    STATE_ONE,
    STATE_PARTS,
    Devices,
    Learning,
    LearningLayer,
    Steps,
    Tiles,
    Transfer,
    Tuned,
)
from ndrite.emulator.spec.program import Program

TABLE_BITS = 6


def random_learning(
    geometry: Geometry,
    rng: np.random.Generator,
    *,
    sizes: Sequence[int] | None = None,
    slots: int | None = None,
    corner: bool = False,
    noise: bool | None = None,
    tuned: bool = False,
    transfer: bool = False,
    tiles: bool = False,
    coarse: bool = False,
    tabled: bool = False,
    noisy_readings: bool = False,
) -> Learning:
    """Devices, rates and converters of a random network that ``geometry`` can
    hold, with converters.

    ``tuned``: hidden neurons have ECRAMs that move. ``transfer``: pulses go to fast
    devices. ``tiles``: weights are sums over tiles. ``corner``: states at their bounds,
    largest steps, rates and noise, so that every clip is reached. ``coarse``: steps of
    up to the whole range, whose pulses are taken one after the other. ``tabled``:
    tables of steps. ``noisy_readings``: readings of fast devices and tiles have noise,
    and choppers are reversed after several of them.
    """
    program = random_program(
        geometry,
        rng,
        sizes=sizes,
        layers=None if sizes is None else len(sizes) - 1,
        readout="adc",
        noise=noise,
    )
    program = _with_smooth_curves(program, rng)
    depth = len(program.layers)
    layers = tuple(_layer(rng, layer, corner, last=i == depth - 1) for i, layer in enumerate(program.layers))
    if tuned:
        layers = (*(_with_ecrams(rng, layer, program, corner) for layer in layers[:-1]), layers[-1])
    if transfer:
        layers = tuple(_with_transfer(rng, layer, corner) for layer in layers)
    if tiles:
        layers = tuple(_with_tiles(rng, layer, corner) for layer in layers)
    if noisy_readings:
        reads = rng.spawn(1)[0]
        layers = tuple(_with_noisy_readings(reads, layer) for layer in layers)
    if coarse:
        shifts = rng.spawn(1)[0]  # the other draws stay those of a program that is not coarse
        layers = with_laws(layers, lambda law: replace(law, step_shift=int(shifts.integers(6))))
    if tabled:
        entries = rng.spawn(1)[0]
        layers = with_laws(layers, lambda law: replace(law, steps=random_steps(entries)))
    return Learning(
        program=program,
        layers=layers,
        slots=int(rng.integers(1, 32)) if slots is None else slots,
        die_seed=int(rng.integers(1 << 63)),
    )


def with_laws(
    layers: Sequence[LearningLayer], change: Callable[[Devices], Devices]
) -> tuple[LearningLayer, ...]:
    """The layers with every law of their devices, weights' and others', changed."""

    def changed(part: Any) -> Any:
        return part and replace(part, devices=change(part.devices))

    return tuple(
        replace(changed(layer), tuned=changed(layer.tuned), transfer=changed(layer.transfer))
        for layer in layers
    )


def _with_smooth_curves(program: Program, rng: np.random.Generator) -> Program:
    """Curves that stay within the codes, and voltages within the curves: few
    slopes are cut off."""
    nodes = rng.integers(0, 256, (len(program.curve_base), program.curve_base.shape[1] + 1)) << TABLE_BITS
    layers = [
        replace(layer, table_bits=TABLE_BITS, vshift=min(SHIFT_MAX, layer.vshift + 2))
        for layer in program.layers
    ]
    return program.with_layers(
        layers,
        curve_base=nodes[:, :-1].astype(np.int32),
        curve_slope=np.diff(nodes, axis=1).astype(np.int32),
    )


def _layer(rng: np.random.Generator, layer: Layer, corner: bool, *, last: bool) -> LearningLayer:
    k, m, noisy = layer.inputs, layer.outputs, bool(layer.sigma_out or layer.var_cell)
    states = rng.normal(0, STATE_ONE / 3, (k + 1, m))
    if corner:
        states = np.where(
            rng.random((k + 1, m)) < 0.5, rng.choice([STATE_MIN, STATE_MAX], (k + 1, m)), states
        )
    gain = int(rng.integers(1 << 14, 1 << 16))
    spread = 255 * 255 * np.sqrt(m) / 4
    # Sums that move a neuron through half of its voltages.
    span = 1000.0 * 2**layer.vshift / float(layer.scale.mean())
    bias_shift = int(np.clip(np.floor(np.log2((1 << 17) * 255 / span)) - 1, 0, 20))
    return LearningLayer(
        states=np.clip(np.rint(states), STATE_MIN, STATE_MAX).astype(np.int32),
        devices=random_devices(rng, corner=corner),
        bias=np.rint(rng.uniform(-span / 4, span / 4, m)).astype(np.int32),
        bias_gain=int(rng.uniform(0, span / 4) * 2**bias_shift / 255),
        bias_shift=bias_shift,
        row_rate=int(rng.integers(1, 1 << 16)),
        row_shift=int(rng.integers(4, 11)),
        column_rate=int(rng.integers(1, 1 << 16)),
        column_shift=int(rng.integers(6, 12) if last else rng.integers(12, 29)),
        back_gain=gain,
        back_shift=int(max(0, np.log2(spread * gain) - rng.integers(3, 12))),
        back_bits=int(rng.integers(4, 13)),
        back_sigma=int(rng.integers(0, 65536 if corner else 3000)) * noisy,
        back_var=int(rng.integers(0, 65536 if corner else 500)) * noisy,
        slope_shift=int(rng.integers(10, 17)),
    )


def _with_ecrams(
    rng: np.random.Generator, layer: LearningLayer, program: Program, corner: bool
) -> LearningLayer:
    bits = int(rng.integers(1, len(program.curve_base).bit_length()))
    first = rng.integers(0, len(program.curve_base) - (1 << bits) + 1, layer.columns)
    states = np.rint(rng.uniform(-STATE_ONE, STATE_ONE, (1, layer.columns))).astype(np.int32)
    of = Tuned(
        devices=random_devices(rng, corner=corner),
        first=first.astype(np.uint16),
        bits=bits,
        rate=int(rng.integers(1, 1 << 16)),
        shift=int(rng.integers(6, 20)),
    )
    return replace(layer, states=np.vstack([layer.states, states]), tuned=of)


def _with_transfer(rng: np.random.Generator, layer: LearningLayer, corner: bool) -> LearningLayer:
    rows = layer.rows - (layer.tuned is not None)
    added = np.rint(rng.uniform(-STATE_ONE, STATE_ONE, (3 * rows, layer.columns)))
    added[rows : 2 * rows] = 0
    of = Transfer(
        devices=random_devices(rng, corner=corner),
        every=int(rng.choice([1, 1, 2, 5])),
        threshold=int(rng.integers(1, 400)),
        chopped=int(rng.integers(2)),
    )
    return replace(layer, states=np.vstack([layer.states, added]).astype(np.int32), transfer=of)


def _with_tiles(rng: np.random.Generator, layer: LearningLayer, corner: bool) -> LearningLayer:
    count = int(rng.integers(1, 4))
    rows = 2 * count * (layer.rows - (layer.tuned is not None))
    added = np.rint(rng.uniform(-STATE_ONE, STATE_ONE, (rows, layer.columns)))
    of = Tiles(
        devices=random_devices(rng, corner=corner),
        count=count,
        gamma=int(rng.choice([1, 20_000, 45_000, 1 << 16])),
        every=int(rng.choice([1, 1, 2])),
        ratio=int(rng.choice([1, 1, 2])),
        rate=int(rng.integers(1, 1 << 16)),
        shift=int(rng.integers(4, 9)),
    )
    return replace(layer, states=np.vstack([layer.states, added]).astype(np.int32), transfer=of)


def _with_noisy_readings(rng: np.random.Generator, layer: LearningLayer) -> LearningLayer:
    of = layer.transfer
    assert of is not None
    of = replace(of, read_sigma=int(rng.choice([1, 300, 5_000, 65_535])))
    return replace(
        layer, transfer=replace(of, chopped=int(rng.integers(1, 5))) if isinstance(of, Transfer) else of
    )


def random_steps(rng: np.random.Generator) -> Steps:
    """A table of steps and of their deviations, zeros and the largest ones among them."""
    kinds = ("up", "down", "noise_up", "noise_down")
    tables = {kind: rng.integers(-100, FACTOR_MAX + 101, STATE_PARTS) for kind in kinds}
    return Steps(**{kind: np.clip(table, 0, FACTOR_MAX).astype(np.int16) for kind, table in tables.items()})


def flat(up: int, down: int, deviation: int) -> Steps:
    """Steps that do not depend on the state."""
    sizes = {"up": up, "down": down, "noise_up": deviation, "noise_down": deviation}
    return Steps(**{name: np.full(STATE_PARTS, size, np.int16) for name, size in sizes.items()})


STEPS: dict[str, Callable[[np.random.Generator], Steps]] = {
    "random": random_steps,
    "largest": lambda _: flat(FACTOR_MAX, FACTOR_MAX, FACTOR_MAX),
    "none": lambda _: flat(0, 0, 0),
    "up only": lambda _: flat(FACTOR_MAX, 0, 0),
    "down only": lambda _: flat(0, 256, 256),
    "deviation only": lambda _: flat(0, 0, FACTOR_MAX),
}
"""Step tables, directed and random."""


def random_devices(rng: np.random.Generator, *, corner: bool = False) -> Devices:
    """A law of devices; ``corner``: the largest steps, spreads and slopes."""

    def table(low: int, high: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        return rng.integers(low, high + 1, LEVELS).astype(np.int16)

    law = Devices(
        step=table(100, 2000),
        asymmetry=table(-200, 200),
        upper=table(300, 700),
        lower=table(-700, -300),
        cycle=table(-60, 60),
        slope_up=int(rng.integers(-1 << 15, 1 << 16)),
        slope_down=int(rng.integers(-1 << 16, 1 << 15)),
        step_shift=int(rng.integers(6, 17)),
    )
    if not corner:
        return law
    return replace(
        law,
        step=table(-4095, 4095),
        asymmetry=table(-4095, 4095),
        upper=table(-100, 2047),
        lower=table(-2048, 100),
        cycle=table(-1023, 1023),
        slope_up=int(rng.choice([-(1 << 17), (1 << 17) - 1])),
        slope_down=int(rng.choice([-(1 << 17), (1 << 17) - 1])),
    )

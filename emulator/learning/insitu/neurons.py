"""neurons: devices beside the weights: ECRAMs of hidden NDR neurons, which the same update moves, and fast
devices, as Tiki-Taka has them, with their symmetry points."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ecram.pulses import LinearStep
from ndrite.emulator.errors import CompileError, require
from ndrite.emulator.golden.learn.devices import Constants, constants, key_of
from ndrite.emulator.learning.insitu.laws import devices_of
from ndrite.emulator.mapping import Die, program_of
from ndrite.emulator.mapping.curves import Curves, States
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Array, Ints
from ndrite.emulator.spec.learning import (
    DOMAIN_DEVICE,
    FACTOR_ONE,
    PART_SHIFT,
    SLOPE_SHIFT,
    STATE_MAX,
    STATE_MIN,
    STATE_ONE,
    WEIGHT_MAX,
    Devices,
    LearningLayer,
    Transfer,
    Tuned,
    levels_of,
)

BITS = 5
"""An ECRAM chooses among 2^BITS curves. With more of them two neighbours differ by too few codes to say which
way is up."""
ACCEPTED = ("peak_voltage", "peak_current", "both")


def law_of(chip: Chip) -> LinearStep:
    """The law of the chip's ECRAMs. Raises CompileError when it has none, another model, or more than one at
    a neuron."""
    law = chip.ecram.device
    if not isinstance(law, LinearStep) or chip.ecram.tunes not in ACCEPTED:
        raise CompileError(
            f"chip {chip.name!r} has ecram.model {chip.ecram.model!r} and ecram.tunes {chip.ecram.tunes!r}; "
            f"accepted to learn with neuron_rate above 0: linear-step, and one of {', '.join(ACCEPTED)}, as "
            "dendritic-ndr has them"
        )
    return law


def with_ecrams(
    program: Program,
    die: Die,
    mapped: Program,
    layers: Sequence[LearningLayer],
    rates: Sequence[tuple[int, int]],
) -> tuple[Program, tuple[LearningLayer, ...]]:
    """``program`` with the curves that ECRAMs select from, and its hidden ``layers`` with their ECRAMs.

    ``mapped`` is the program that was mapped onto ``die``. ``rates``: rate and shift of each hidden layer's
    pulses.
    """
    law = law_of(die.chip)
    devices = devices_of(law, die.chip.ecram.spread)
    counts = [len(s.current) for s in die.states if s is not None]
    program_at = [
        program_of(_at(die, [np.full(n, level) for n in counts]), mapped) for level in range(1 << BITS)
    ]
    curves = Curves()
    curves.add(program.curve_base, program.curve_slope)
    tuned_layers = list(layers)
    for i, (rate, shift) in enumerate(rates):
        of_level = [(p, p.layers[i].curve) for p in program_at]
        base, slope = (  # (M, levels, segments)
            np.stack([getattr(p, name)[c] for p, c in of_level], 1) for name in ("curve_base", "curve_slope")
        )
        columns = len(base)
        if (base == base[:1]).all() and (slope == slope[:1]).all():
            base, slope = base[:1], slope[:1]
        numbers = curves.add(*(a.reshape(-1, a.shape[-1]) for a in (base, slope)))
        first = np.broadcast_to(numbers[:: 1 << BITS], columns)
        tuned = Tuned(devices=devices, first=first.copy(), bits=BITS, rate=rate, shift=shift)
        states = np.vstack([layers[i].states, _start(die, i, law)])
        tuned_layers[i] = dataclasses.replace(layers[i], states=states.astype(np.int32), tuned=tuned)
    retuned = program.with_layers(program.layers, curve_base=curves.base, curve_slope=curves.slope)
    return retuned, tuple(tuned_layers)


def at_states(die: Die, states: Sequence[Array]) -> Die:
    """The die with the ECRAMs of its hidden neurons at ``states``, int (M,) per hidden layer; each curve is
    the one at the centre of the state's level."""
    return _at(die, [levels_of(s, BITS) for s in states])


def _at(die: Die, levels: Sequence[Ints]) -> Die:
    law, level_iterator = law_of(die.chip), iter(levels)
    ecram_states: list[States | None] = []
    for states in die.states:
        if states is None:
            ecram_states.append(None)
            continue
        w = (next(level_iterator) + 0.5) / (1 << (BITS - 1)) - 1.0
        to = np.clip((w - law.w_min) / (law.w_max - law.w_min), 0.0, 1.0)
        ecram_states.append(dataclasses.replace(states, voltage=to, current=to))
    return die.tuned(ecram_states)


def _start(die: Die, layer: int, law: LinearStep) -> Ints:
    """States of a layer's ECRAMs after mapping."""
    states = die.states[layer]
    assert states is not None
    start_states = states.voltage if die.chip.ecram.tunes == "peak_voltage" else states.current
    return np.rint((law.w_min + start_states * (law.w_max - law.w_min)) * STATE_ONE).astype(np.int64)


THRESHOLD_MAX = 65535
REFERENCES = 0x7265666572
"""Stream of what references are off by."""


def with_transfer(
    layers: Sequence[LearningLayer], die_seed: int, threshold: float, pulse: float, off: float | None
) -> tuple[LearningLayer, ...]:
    """The layers with fast devices of the same law, which begin at their symmetry points and are read against
    references, ``off`` from there by that deviation; None: they begin at 0, are chopped, and are read against
    what was read before. ``threshold``: in pulses, with at least 1/255 of the nominal bound. ``pulse``,
    ``off``: in nominal bounds."""
    codes, threshold_max = max(1, round(threshold * pulse * WEIGHT_MAX)), THRESHOLD_MAX / WEIGHT_MAX / pulse
    require(
        codes <= THRESHOLD_MAX,
        "threshold",
        f"{threshold:g}",
        f"at most {threshold_max:g} pulses",
        CompileError,
    )
    with_transfers = []
    for i, layer in enumerate(layers):
        rows = layer.rows - (layer.tuned is not None)
        of = np.arange(layer.rows, layer.rows + rows)[:, None]
        device_constants = constants(
            layer.devices, key_of(die_seed, DOMAIN_DEVICE, i, 0), of, np.arange(layer.columns)
        )
        points = references = np.zeros_like(device_constants.up)
        if off is not None:
            points = symmetry_points(layer.devices, device_constants)
            wrong = np.random.default_rng([die_seed, REFERENCES, i]).normal(0.0, off, points.shape)
            references = np.clip(points + np.rint(wrong * STATE_ONE), STATE_MIN, STATE_MAX)
        states = np.vstack([layer.states, points, np.zeros_like(points), references]).astype(np.int32)
        of_layer = Transfer(devices=layer.devices, threshold=codes, chopped=int(off is None))
        with_transfers.append(dataclasses.replace(layer, states=states, transfer=of_layer))
    return tuple(with_transfers)


def symmetry_points(law: Devices, own: Constants) -> Ints:
    """States at which a pulse up and a pulse down are equally large, so that alternating pulses settle there.
    A device without such a point within its bounds ends at a bound, which is returned."""
    up, down = own.up.astype(np.float64), own.down.astype(np.float64)
    if law.steps is not None:
        # Between two parts of the range: as many as steps up are larger in lie below.
        below = sum(up * a > down * b for a, b in zip(law.steps.up, law.steps.down, strict=True))
        ends: Ints = np.clip((below << PART_SHIFT) - STATE_ONE, own.low, own.high).astype(np.int64)
        return ends
    scale = FACTOR_ONE * 2.0**SLOPE_SHIFT
    # own * (256 - slope * s / 2^24) of both directions are equal.
    bend = up * law.slope_up - down * law.slope_down
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(bend != 0, scale * (up - down) / bend, np.sign(up - down) * np.inf)
    points: Ints = np.rint(np.clip(np.nan_to_num(crossing), own.low, own.high)).astype(np.int64)
    return points

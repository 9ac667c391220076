"""neurons: ECRAMs at hidden NDR neurons, which learn by the same update as the weights."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ecram.pulses import LinearStep
from ndrite.emulator.device.ndr.pwl import SEGMENTS
from ndrite.emulator.errors import CompileError
from ndrite.emulator.learning.insitu.laws import devices_of
from ndrite.emulator.mapping import Die, program_of
from ndrite.emulator.mapping.curves import Curves, States
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import Array, Ints
from ndrite.emulator.spec.learning import STATE_ONE, LearningLayer, Tuned, levels_of

BITS = 5
"""An ECRAM selects one of 2^BITS curves. With more curves, neighbouring ones would
differ by too few codes to show in which direction the output changes."""
ACCEPTED = ("peak_voltage", "peak_current", "both")


def law_of(chip: Chip) -> LinearStep:
    """Return the law of the chip's ECRAMs at neurons. Raises CompileError when it has
    none, a model other than linear-step, or more than one ECRAM for each neuron."""
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
    """Add trainable ECRAMs to the hidden neurons. Return two values: ``program`` with
    all curves that ECRAM states can select, and ``layers`` with the ECRAMs.

    ``mapped`` is the program that was mapped onto ``die``. ``rates``: rate and shift of
    each hidden layer's pulses.
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
        base = np.stack([p.curve_base[c] for p, c in of_level], 1)  # (M, levels, segments), as ``slope``
        slope = np.stack([p.curve_slope[c] for p, c in of_level], 1)
        columns = len(base)
        if (base == base[:1]).all() and (slope == slope[:1]).all():
            base, slope = base[:1], slope[:1]
        numbers = curves.add(*(a.reshape(-1, SEGMENTS) for a in (base, slope)))
        first = np.broadcast_to(numbers[:: 1 << BITS], columns)
        tuned = Tuned(devices=devices, first=first.copy(), bits=BITS, rate=rate, shift=shift)
        states = np.vstack([layers[i].states, _start(die, i, law)])
        tuned_layers[i] = dataclasses.replace(layers[i], states=states.astype(np.int32), tuned=tuned)
    retuned = program.with_layers(program.layers, curve_base=curves.base, curve_slope=curves.slope)
    return retuned, tuple(tuned_layers)


def at_states(die: Die, states: Sequence[Array]) -> Die:
    """Return the die with the ECRAMs of its hidden neurons at ``states``, int (M,) for
    each hidden layer. A range of states forms one level; each neuron has the curve at
    the centre of its level."""
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
    """Return the states that a layer's ECRAMs have after mapping, as learning
    programs count states."""
    states = die.states[layer]
    assert states is not None
    start_states = states.voltage if die.chip.ecram.tunes == "peak_voltage" else states.current
    return np.rint((law.w_min + start_states * (law.w_max - law.w_min)) * STATE_ONE).astype(np.int64)

"""map_network: a float network on a chip description becomes a Program and a report."""

import dataclasses
import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.errors import CompileError, CompileWarning, require
from ndrite.emulator.mapping.die import Die
from ndrite.emulator.mapping.die_file import die_digest
from ndrite.emulator.mapping.layer import MapOptions
from ndrite.emulator.mapping.mitigation import Mitigation
from ndrite.emulator.mapping.nodes import Mapper
from ndrite.emulator.mapping.program_of import program_of
from ndrite.emulator.mapping.report import CompileReport, unused_parts
from ndrite.emulator.mapping.variation import variation_of
from ndrite.emulator.network import Network
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.arithmetic import INPUT_MAX
from ndrite.emulator.spec.arrays import Codes, Floats

SAMPLES_MIN = 16
USUAL = MapOptions()


class Mapped(NamedTuple):
    """A mapped network: what the die computes, the die, and what mapping lost."""

    program: Program
    die: Die
    report: CompileReport


def map_network(
    network: Network,
    chip: Chip | str | os.PathLike[str],
    samples: Codes,
    *,
    seed: int = 0,
    name: str | None = None,
    options: MapOptions = USUAL,
    exact: Floats | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Mapped:
    """Map, program and calibrate a network on a chip.

    Raises CompileError when samples do not fit, or a quantity leaves the arithmetic's range. Raises
    ChipError, PhysicsError or ProgramError when the chip description is invalid, a conductance leaves a
    model's fitted range, or the result breaks a rule of programs.

    Parameters
    ----------
    network:
        Float network; inputs in [0, 1] are applied as codes 0..255.
    chip:
        A chip, a preset's name, the path of a YAML file, or several of these joined with ``+``.
    samples:
        Typical inputs, uint8 (n, inputs), n >= 16, for ADC ranges and bias correction. Not the test set.
    seed:
        Chooses the individual chip: the programming error of every cell, 0..2^63-1.
    name:
        The program's name; the network's by default.
    options:
        How it is put there.
    exact:
        What the float network is given, (n, inputs) in [0, 1], where ``samples`` are what a die makes of it:
        biases then absorb the mean deviation of what comes before too. None: the samples.
    progress:
        Called as ``progress(done, total)`` after every node.
    """
    chip = chip if isinstance(chip, Chip) else load_chip(chip)
    if samples.ndim != 2 or samples.shape[1] != network.inputs or samples.dtype != np.uint8:
        raise CompileError(
            f"samples are {samples.dtype} {samples.shape}; accepted: uint8 (n, {network.inputs})"
        )
    if len(samples) < SAMPLES_MIN:
        raise CompileError(f"samples are {len(samples)}; accepted: at least {SAMPLES_MIN}")
    require(0 <= seed < 1 << 63, "seed", seed, "0..2^63-1", CompileError)
    early = chip.conditions.corrected_at_s
    if early is not None and early != chip.conditions.time_since_programming_s:
        conditions = dataclasses.replace(chip.conditions, time_since_programming_s=early, corrected_at_s=None)
        then = dataclasses.replace(chip, conditions=conditions)
        corrected = map_network(
            network, then, samples, seed=seed, name=name, options=options, exact=exact, progress=progress
        )
        return _later(corrected, chip)
    mapper = Mapper(network, chip, samples, seed, options, exact)
    for i, node in enumerate(network.nodes):
        mapper.take(node)
        if progress is not None:
            progress(i + 1, len(network.nodes))
    report = CompileReport(
        network=network.name,
        chip=chip.name,
        seed=seed,
        samples=len(samples),
        layers=tuple(mapper.reports),
        tables=tuple(mapper.tables),
        unused=unused_parts(network.activation_kinds, chip),
    )
    die = Die(
        chip=chip,
        seed=seed,
        network=network.digest(),
        arrays=tuple(mapper.arrays),
        nominal=options.nominal,
        mitigation=options.mitigation,
        tables=tuple(mapper.functions) if any(mapper.functions) else (),
    )
    # None where each output has a step of its own.
    step = None if options.column_steps else float(die.arrays[-1].step[0]) if die.arrays else None
    program = dataclasses.replace(
        mapper.program(),
        name=name or network.name,
        provenance={
            **_provenance(network, chip, report, options.mitigation),
            "die": die_digest(die),
        },
        meaning=dataclasses.replace(
            network.meaning, output_step=step if network.gives_sums else 1 / INPUT_MAX
        ),
        variation=variation_of(chip) if options.nominal else None,
    )
    for line in report.warnings:
        warnings.warn(f"{report.network} on {report.chip}: {line}", CompileWarning, stacklevel=2)
    return Mapped(program, die, report)


def _later(corrected: Mapped, chip: Chip) -> Mapped:
    """The same chip at ``chip``'s time, with the ranges, gains and biases it was corrected to before."""
    die = corrected.die.at(chip.conditions.time_since_programming_s)
    program = program_of(die, corrected.program)
    provenance_now = program.provenance | {"chip": chip.as_dict(), "die": die_digest(die)}
    return corrected._replace(program=dataclasses.replace(program, provenance=provenance_now), die=die)


def _provenance(network: Network, chip: Chip, report: CompileReport, measures: Mitigation) -> dict[str, Any]:
    return {
        "chip": chip.as_dict(),
        "network": {"name": network.name, "shape": network.widths, **network.provenance},
        "report": report.as_dict(),
        "seed": report.seed,
        "mitigation": dataclasses.asdict(measures),
        "versions": {"numpy": np.__version__},
    }

"""compile_network: a float network on a chip description becomes a Program and a report."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.chips import Chip, load_chip
from emulator.compile.layer import CompiledLayer, LayerDetail, Options, compile_layer
from emulator.compile.mitigation import Mitigation
from emulator.compile.pwl import PwlTable, fit_pwl
from emulator.compile.report import CompileReport
from emulator.compile.unused import unused_parts
from emulator.compile.variation import variation_of
from emulator.errors import CompileError, CompileWarning
from emulator.network import Network
from emulator.spec import Program
from emulator.spec.arithmetic import V_BITS
from emulator.spec.brief import brief_repr

SAMPLES_MIN = 16
DEVICES = 1 << 32
"""Random streams of a layer: i for its cells, DEVICES + i for its converters and neurons."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled network and what compiling it lost; ``details`` holds the float side of every layer."""

    __repr__ = brief_repr

    image: Program
    report: CompileReport
    details: tuple[LayerDetail, ...] = ()


def compile_network(
    network: Network,
    chip: Chip | str | os.PathLike[str],
    samples: npt.NDArray[np.uint8],
    *,
    seed: int = 0,
    name: str | None = None,
    segments: int = 32,
    table_bits: int = 6,
    bias_correction: bool = True,
    mitigation: Mitigation | None = None,
    nominal: bool = False,
    exact: npt.NDArray[np.float64] | None = None,
    first_layer: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Compiled:
    """Map, program and calibrate a network on a chip.

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
        The image's name; the network's by default.
    segments, table_bits:
        Segments of a curve table (power of two) and its fraction bits.
    bias_correction:
        Whether biases absorb the mean deviation that programming error and clipping cause on the samples.
    mitigation:
        All measures against the chip's errors; None: the default ones, with ``bias_correction`` as given.
    nominal:
        Program the chip whose cells land on their targets, and say in the image's ``variation`` how those of
        virtual chips spread around them. Converters and neurons are the individual ones of ``seed``.
    exact:
        What the samples are in the float network, (n, inputs) in 0..1, where another image makes the codes.
    first_layer:
        Layers of the chip that come before: chooses this network's cells among all of chip ``seed``.
    progress:
        Called as ``progress(done, total)`` after every layer.

    Raises
    ------
    CompileError
        When samples do not fit, or a quantity leaves the arithmetic's range.
    ChipError, PhysicsError, ProgramError
        When the chip description is invalid, a conductance leaves a model's fitted range, or the result
        breaks a rule of the image format.
    """
    chip = chip if isinstance(chip, Chip) else load_chip(chip)
    if samples.ndim != 2 or samples.shape[1] != network.inputs or samples.dtype != np.uint8:
        raise CompileError(
            f"samples are {samples.dtype} {samples.shape}; accepted: uint8 (n, {network.inputs})"
        )
    if len(samples) < SAMPLES_MIN:
        raise CompileError(f"samples hold {len(samples)} inputs; accepted: at least {SAMPLES_MIN}")
    if not 0 <= seed < 1 << 63:
        raise CompileError(f"seed is {seed}; accepted: 0..2^63-1")
    measures = mitigation or Mitigation(bias_correction=bias_correction)
    options = Options(segments=segments, table_bits=table_bits, mitigation=measures, nominal=nominal)
    empty = fit_pwl(np.zeros((1, 1 << V_BITS)), segments=segments, table_bits=table_bits)
    table: PwlTable | None = None
    codes = samples
    exact = samples.astype(np.float64) / 255 if exact is None else exact
    done: list[CompiledLayer] = []
    for i, layer in enumerate(network.layers):
        rngs = layer_generators(seed, first_layer + i)
        result = compile_layer(layer, chip, codes, exact, table, rngs, options)
        done.append(result)
        table, codes, exact = result.table, result.codes, result.exact
        if progress is not None:
            progress(i + 1, len(network.layers))
    report = CompileReport(
        network=network.name,
        chip=chip.name,
        seed=seed,
        samples=len(samples),
        layers=tuple(result.report for result in done),
        unused=unused_parts((layer.activation for layer in network.layers), chip),
    )
    image = Program.chain(
        name=name or network.name,
        rows=chip.array.rows,
        layers=tuple(result.layer for result in done),
        curve_base=(table or empty).base,
        curve_slope=(table or empty).slope,
        provenance={
            **_provenance(network, chip, report, measures),
            "neurons": [_states(result.detail) for result in done],
            "output_step": float(done[-1].detail.step[0]),
        },
        variation=variation_of(chip) if nominal else None,
    )
    for line in report.warnings:
        warnings.warn(f"{report.network} on {report.chip}: {line}", CompileWarning, stacklevel=2)
    return Compiled(image, report, tuple(result.detail for result in done))


def layer_generators(seed: int, layer: int) -> tuple[np.random.Generator, np.random.Generator]:
    """What chip ``seed`` draws a layer's cells from, and its converters and neurons."""
    return _generator(seed, layer), device_generator(seed, layer)


def device_generator(seed: int, layer: int) -> np.random.Generator:
    """The generator that chip ``seed`` draws the converters and neurons of a layer from."""
    return _generator(seed, DEVICES + layer)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, stream]))


def _states(detail: LayerDetail) -> dict[str, list[float]] | None:
    """What the layer's ECRAMs are set to, for tuning them later."""
    states = None if detail.neurons is None else detail.neurons.states
    if states is None:
        return None
    return {f.name: getattr(states, f.name).tolist() for f in dataclasses.fields(states)}


def _provenance(network: Network, chip: Chip, report: CompileReport, measures: Mitigation) -> dict[str, Any]:
    return {
        "chip": chip.as_dict(),
        "network": {"name": network.name, "shape": network.shape, **network.provenance},
        "report": report.as_dict(),
        "seed": report.seed,
        "mitigation": dataclasses.asdict(measures),
        "versions": {"numpy": np.__version__},
    }

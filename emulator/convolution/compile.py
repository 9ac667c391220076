"""compile_convolutional: every convolution a chip image of its own, then the fully connected rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emulator.chips import Chip, load_chip
from emulator.compile import Compiled, CompileReport, LayerReport, Mitigation, compile_network
from emulator.compile.layer import Options, compile_layer
from emulator.compile.network import layer_generators
from emulator.compile.unused import unused_parts
from emulator.convolution.block import best_block, blocked
from emulator.convolution.image import ConvImage, StageImage, passing_layer
from emulator.errors import CompileError
from emulator.golden import Core
from emulator.network import Conv, ConvNetwork
from emulator.network.patches import Pair
from emulator.spec import Program
from emulator.spec.arithmetic import INPUT_MAX
from emulator.spec.brief import brief_repr

Maps = npt.NDArray[np.uint8]
PATCHES_MAX = 4096
"""Patches of the samples that converters are calibrated on, evenly picked."""
SEGMENTS, TABLE_BITS = 32, 6


@dataclass(frozen=True, eq=False)
class CompiledConv:
    """The image, a report of all layers in order, and the fully connected rest as compiled."""

    __repr__ = brief_repr

    image: ConvImage
    report: CompileReport
    tail: Compiled


def compile_convolutional(
    network: ConvNetwork,
    chip: Chip | str | os.PathLike[str],
    samples: npt.NDArray[np.uint8],
    *,
    seed: int = 0,
    lanes: int | None = None,
    mitigation: Mitigation | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CompiledConv:
    """Map, program and calibrate a convolutional network on a chip.

    Parameters
    ----------
    network, chip, seed, mitigation, progress:
        As for ``compile_network``.
    samples:
        Typical inputs, uint8 (n, inputs), n >= 16.
    lanes:
        When given, kernels are programmed several times over (``emulator.convolution.block``) where that
        takes fewer cycles on so many lanes; else once.

    Raises
    ------
    CompileError
        As ``compile_network``, and when samples do not fit.
    """
    chip = chip if isinstance(chip, Chip) else load_chip(chip)
    if samples.ndim != 2 or samples.shape[1] != network.inputs or samples.dtype != np.uint8:
        raise CompileError(
            f"samples are {samples.dtype} {samples.shape}; accepted: uint8 (n, {network.inputs})"
        )
    options = Options(segments=SEGMENTS, table_bits=TABLE_BITS, mitigation=mitigation or Mitigation())
    maps: Maps = network.maps(samples)
    exact = maps.astype(np.float64) / INPUT_MAX
    total = len(network.stages) + len(network.tail.layers)
    stages: list[StageImage] = []
    reports: list[LayerReport] = []
    for i, conv in enumerate(network.stages):
        block = (1, 1) if lanes is None else best_block(conv.dense, conv.patches, lanes)
        stage, layer = _stage(conv, chip, maps, exact, block, (seed, i), options, f"{network.name} {i}")
        stages.append(stage)
        reports.append(layer)
        maps = stage.place(Core(stage.image).infer(stage.cut(maps), noise=False))
        exact = conv(exact).astype(np.float64)
        if progress is not None:
            progress(i + 1, total)
    tail = compile_network(
        network.tail,
        chip,
        np.ascontiguousarray(maps.reshape(len(maps), -1)),
        seed=seed,
        mitigation=mitigation,
        exact=exact.reshape(len(exact), -1),
        first_layer=len(stages),
        progress=None if progress is None else lambda done, _: progress(len(stages) + done, total),
    )
    activations = [layer.activation for layer in (*(c.dense for c in network.stages), *network.tail.layers)]
    report = CompileReport(
        network=network.name,
        chip=chip.name,
        seed=seed,
        samples=len(samples),
        layers=(*reports, *tail.report.layers),
        unused=unused_parts(activations, chip),
    )
    provenance = {
        "chip": chip.as_dict(),
        "network": {"name": network.name, **network.provenance},
        "report": report.as_dict(),
        "seed": seed,
        "output_step": tail.image.provenance["output_step"],
    }
    return CompiledConv(ConvImage(network.name, tuple(stages), tail.image, provenance), report, tail)


def _stage(
    conv: Conv,
    chip: Chip,
    maps: Maps,
    exact: npt.NDArray[np.float64],
    block: Pair,
    stream: tuple[int, int],
    options: Options,
    name: str,
) -> tuple[StageImage, LayerReport]:
    dense, patches = blocked(conv.dense, conv.patches, block)
    pad = round(conv.pad * INPUT_MAX)
    _, height, width = patches.shape
    codes = patches.cut(maps[:, :, :height, :width], pad).reshape(-1, dense.inputs)
    floats = patches.cut(exact[:, :, :height, :width], conv.pad).reshape(-1, dense.inputs)
    pick = np.unique(np.linspace(0, len(codes) - 1, min(len(codes), PATCHES_MAX)).astype(np.int64))
    result = compile_layer(dense, chip, codes[pick], floats[pick], None, layer_generators(*stream), options)
    assert result.table is not None
    image = Program.chain(
        name=name,
        rows=chip.array.rows,
        layers=(result.layer, passing_layer(dense.outputs, chip.input.dac_bits)),
        curve_base=result.table.base,
        curve_slope=result.table.slope,
        provenance={"chip": chip.as_dict(), "seed": stream[0]},
    )
    return StageImage(
        image, patches, conv.patches.shape, conv.patches.grid, block, conv.pool, pad
    ), result.report

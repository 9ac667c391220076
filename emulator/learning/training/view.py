"""The chip's errors as training applies them. NumPy only, so that a view can be made
and shown without PyTorch."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ndr.curves import CURRENT, SHAPES, VOLTAGE
from ndrite.emulator.errors import MissingExtraError
from ndrite.emulator.mapping.cells import level_targets
from ndrite.emulator.mapping.curves import family
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.emulator.spec.brief import record

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError("this part of ndrite needs PyTorch: pip install 'ndrite[train]'") from None

Tensor = torch.Tensor

__all__ = ["Tensor", "torch"]


FAMILY_STATES = 17
"""Number of ECRAM states whose curves are computed; training interpolates between them."""


@dataclass(frozen=True, kw_only=True)
class ColumnsView:
    """Errors of analog columns that share one transimpedance, as
    ``ndrite.emulator.mapping.weights`` builds them.

    Attributes
    ----------
    noise, offset:
        Deviations at a read and of a column, in parts of the largest column
        current of the layer.
    gain:
        Deviation of a column's gain.
    bias_cells:
        Whether biases are rows of cells, with levels and errors, instead of numbers.
    """

    noise: float = 0.0
    offset: float = 0.0
    gain: float = 0.0
    bias_cells: bool = False


@record(kw_only=True)
class ChipView:
    """The errors of a chip that the forward pass of training applies. Weights are
    relative to a column's largest weight.

    Attributes
    ----------
    sigma:
        Deviation of an effective weight programmed to level 0, 1, ..., L-1, float64
        (L,); None: weights are floats without levels or error.
    read_noise:
        Deviation of an effective weight at a read.
    clip_rms:
        A column's largest weight, in root mean squares of the column, or of the layer
        where ``columns`` share one transimpedance; None: its own largest one.
    noise_scale:
        Factor on all deviations of cells and columns.
    columns:
        Analog columns with nothing digital behind them; None: converters, or a
        digital scale a column.
    peak_variation, height_variation:
        Deviation of a neuron's peak voltage and current, in parts of them.
    adc_bits, tile_rows, adc_noise:
        Converters: bits, rows that add before conversion, noise in steps; None
        bits: no converter.
    output_codes:
        Whether a neuron's output is rounded to 255 steps.
    curve:
        The neuron's curve, float64 (2, P), as ``ndrite.emulator.network.Ndr.curve``;
        None: ``x exp(1 - x)``.
    family:
        Where the ECRAM sets the curve's shape: outputs (S, P) at S states, evenly from
        0 to 1, over the u of ``curve``, which are evenly spaced.
    heights, peaks:
        Least and greatest height, and factor on the layer's middle peak, that
        the ECRAM reaches.
    """

    sigma: Floats | None = None
    read_noise: float = 0.0
    clip_rms: float | None = None
    noise_scale: float = 1.0
    columns: ColumnsView | None = None
    peak_variation: float = 0.0
    height_variation: float = 0.0
    adc_bits: int | None = None
    tile_rows: int = 128
    adc_noise: float = 0.0
    output_codes: bool = False
    curve: Floats | None = None
    family: Floats | None = None
    heights: tuple[float, float] = (1e-6, 1.0)
    peaks: tuple[float, float] | None = None

    @property
    def levels(self) -> int:
        """Number of levels of a cell; 0 if weights are floats without levels."""
        return 0 if self.sigma is None else len(self.sigma)


FLOAT = ChipView()
"""View of a plain float network without any chip."""


def view_of(chip: Chip, *, clip_rms: float | None = 2.5, noise_scale: float = 1.0) -> ChipView:
    """Return the errors of a chip description that training applies: levels,
    programming error and drift at the chip's time, read noise, converters or columns,
    output steps, the nominal device's curve, the range of the ECRAM and, for neurons
    driven by analog columns, device-to-device variation.

    Stuck cells and wires are left to compilation and calibration, and so are
    differences between devices behind converters.
    """
    cell, time = chip.cell, chip.conditions.time_since_programming_s
    targets, span = level_targets(cell), cell.g_max_uS - cell.g_min_uS
    spread = cell.spread(targets, time)
    pairs = np.stack([targets, np.full(len(targets), targets[0])])
    read = float(np.hypot(cell.read_sigma(pairs, time), cell.telegraph_sigma(pairs)))
    adc = chip.readout.kind == "adc"
    view = ChipView(
        sigma=np.hypot(spread, spread[0]) / span,
        read_noise=read / span,
        clip_rms=clip_rms,
        noise_scale=noise_scale,
        adc_bits=chip.readout.adc_bits if adc else None,
        tile_rows=chip.array.rows,
        adc_noise=chip.readout.output_noise_lsb * chip.noise_factor if adc else 0.0,
        output_codes=True,
    )
    view = dataclasses.replace(view, curve=chip.neuron.sampled)
    if chip.readout.is_circuit:
        readout, varies = chip.readout, chip.neuron.variation
        view = dataclasses.replace(
            view,
            columns=ColumnsView(
                noise=readout.column_noise_percent / 100 * chip.noise_factor,
                offset=readout.column_offset_percent / 100,
                gain=readout.column_gain_mismatch_percent / 100,
                bias_cells=readout.bias == "cells",
            ),
            peak_variation=varies["peak_voltage_V"] / 100,
            height_variation=varies["peak_current_A"] / 100,
        )
    ecram, tunes = chip.ecram, chip.ecram.tunes
    if tunes in SHAPES and view.curve is not None:
        states = np.linspace(0.0, 1.0, FAMILY_STATES)
        view = dataclasses.replace(view, family=family(chip, states, view.curve[0]))
    if tunes in CURRENT:
        low, high = ecram.current_factors
        view = dataclasses.replace(view, heights=(low, min(high, 1.0)))
    if tunes in VOLTAGE:
        low, high = ecram.voltage_factors
        middle = float(np.sqrt(low * high))
        view = dataclasses.replace(view, peaks=(low / middle, high / middle))
    return view

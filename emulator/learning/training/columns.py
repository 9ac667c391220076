"""Analog columns in training: what they and bias cells add to a layer's sums, one draw a step.

The counterpart of ``emulator.mapping.columns``. A step sees one die: its cells, gains and offsets are drawn
once for all samples of a batch, read noise of the columns anew for each. As on the chip, bias cells are
programmed last, to hold what the columns lack on average as well; so the mean deviation of a column is gone,
and the bias cells' own error is in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.learning.training.extra import torch
from emulator.learning.training.layers import Crossbar, along

if TYPE_CHECKING:
    from torch import Tensor


def column_errors(crossbar: Crossbar, x: Tensor, sums: Tensor, unit: Tensor, bias: Tensor) -> Tensor:
    """What is added to exact ``sums`` (n, M) or (n, M, H, W) of ``x``, in their unit.

    Parameters
    ----------
    unit:
        Weight of one unit of every neuron, (M,): columns are alike in it.
    bias:
        What the bias cells hold, in the unit of the sums, (M,).
    """
    view = crossbar.view
    columns, scale = view.columns, view.noise_scale
    assert columns is not None
    added = crossbar.deviation(x, unit)
    with torch.no_grad():
        full = (sums / along(unit, sums)).abs().max() * unit
        gain = scale * columns.gain * torch.randn_like(unit)
        offset = scale * columns.offset * torch.randn_like(unit) * full
    added = added + sums * along(gain, sums) + along(offset, sums)
    with torch.no_grad():
        others = [d for d in range(sums.dim()) if d != 1]
        mean = added.mean(dim=others)
        held = bias - mean
        if columns.bias_cells:
            held = held + bias_error(crossbar, held, unit)
        fixed = along(held - bias, sums)
        if columns.noise:
            fixed = fixed + scale * columns.noise * torch.randn_like(sums) * along(full, sums)
    return added + fixed


def bias_error(crossbar: Crossbar, bias: Tensor, unit: Tensor) -> Tensor:
    """Levels and a draw of the errors of rows of cells that hold ``bias`` (M,), less the bias.

    Rows and levels as ``emulator.mapping.columns.program_bias``; the rows of a column have one level here.
    """
    if crossbar.view.sigma is None:
        return torch.zeros_like(bias)
    limit, top = crossbar.limited(unit)[1][0].clamp(min=1e-30), crossbar.steps
    level = (bias / limit * top).round()
    rows = (level.abs().max() / top).ceil().clamp(min=1.0)
    sigma = crossbar.sigma_by_level[(level.abs() / rows).round().long()]
    return (level / top + rows.sqrt() * sigma * torch.randn_like(bias)) * limit - bias

"""Trainable nodes of a float network, which compute maps (n, C, H, W) and export themselves.

A map between full layers may have a factor: the training's values are the float
network's times it. An unbounded ReLU and an NDR neuron's height set it; the layer
behind multiplies its weights by it.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.learning.training.layers import Crossbar, along, floats_of
from ndrite.emulator.learning.training.neurons import Neuron
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.network import Dense, Ndr, Node, Patches, Product, Table
from ndrite.emulator.spec.arithmetic import Array
from ndrite.emulator.spec.evaluate import PerKind
from ndrite.emulator.spec.flow import join
from ndrite.emulator.spec.patches import Pair

SKIP_MIN = 1e-6
"""Smallest weight of the second operand of a matrix product, since its logarithm is stored."""


def column_errors(crossbar: Crossbar, x: Tensor, sums: Tensor, unit: Tensor, bias: Tensor) -> Tensor:
    """Return the errors that analog columns and bias cells add to the exact column sums
    ``sums`` (n, M) or (n, M, H, W) of inputs ``x``, in the unit of the sums.

    The counterpart of ``ndrite.emulator.mapping.weights``. A step sees one die: its
    cells, gains and offsets are drawn once for all samples of a batch, read noise of
    the columns anew for each. As on the chip, bias cells are programmed last, to hold
    what the columns lack on average as well; so the mean deviation of a column is gone,
    and the bias cells' own error is in its place. ``unit`` (M,): weight of one unit of
    every neuron, in which columns are alike; ``bias`` (M,): what the bias cells hold,
    in the unit of the sums.
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
        sample_axes = [d for d in range(sums.dim()) if d != 1]
        mean = added.mean(dim=sample_axes)
        centred_bias = bias - mean
        if columns.bias_cells:
            centred_bias = centred_bias + crossbar.bias_error(centred_bias, crossbar.limited(unit)[1])
        fixed = along(centred_bias - bias, sums)
        if columns.noise:
            fixed = fixed + scale * columns.noise * torch.randn_like(sums) * along(full, sums)
    return added + fixed


def joined(node: Any, maps: list[Tensor]) -> Tensor:
    """Return the source maps of a node, joined to one as the node reads them."""
    read: Tensor = join([maps[s] for s in node.sources], torch.concatenate)
    return read


def cut(node: Any, maps: list[Tensor]) -> Tensor:
    """Return the joined source maps of a node without the last rows and columns that
    none of its patches reaches."""
    _, height, width = node.patches.shape
    return joined(node, maps)[:, :, :height, :width]


class PerTrainedKind(PerKind):
    """Visitor with one method for each kind of node of a network in training."""

    @abstractmethod
    def trained(self, *arguments: Any, **options: Any) -> Any:
        """Compute the visitor's result for a node that has trained parameters."""


class TrainedNode(torch.nn.Module):
    """Base class of nodes with trained parameters; a node reads the maps
    numbered ``sources``."""

    kind = "trained"

    def __init__(self, sources: tuple[int, ...]) -> None:
        super().__init__()
        self.sources = sources

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``trained`` of the visitor ``walk``, with all further arguments."""
        assert isinstance(walk, PerTrainedKind)
        return walk.trained(*arguments, **options)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the map that the node computes from ``maps``, all maps so far by number."""
        raise NotImplementedError

    def export(self, factor: Tensor) -> tuple[Node, Tensor]:
        """Return the node for the float network, and the factor by which its result has
        to be multiplied to equal the trained node's result. ``factor`` is this factor
        of the map that the node reads."""
        raise NotImplementedError


class TrainedProduct(TrainedNode):
    """A trained matrix product: a crossbar, then neurons, which may add another map
    (the second operand) to the sums first. Without neurons, a bias is added and the
    sums are returned.

    The weight of the second operand is trained, one a column, and stays above 0.
    """

    def __init__(
        self,
        sources: tuple[int, ...],
        patches: Patches,
        crossbar: Crossbar,
        neuron: Neuron | None,
        *,
        skip: int | None = None,
        block: Pair = (1, 1),
    ) -> None:
        super().__init__(sources)
        outputs = crossbar.weight.shape[1]
        self.patches, self.crossbar, self.neuron, self.skip = patches, crossbar, neuron, skip
        self.block = block
        if neuron is None:
            self.bias = torch.nn.Parameter(torch.zeros(outputs))
        if skip is not None:
            self.log_skip = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the map of the matrix product, (n, C, rows, columns)."""
        x = cut(self, maps)
        is_full = self.crossbar.patches is None
        x = x.permute(0, 2, 3, 1).reshape(len(x), -1) if is_full else x
        unit = self._unit()
        v, added = self.crossbar(x, unit), None
        if self.training and self.crossbar.view.columns is not None:
            bias_cells = self.bias.detach() if self.neuron is None else self.neuron.held()
            added = column_errors(self.crossbar, x, v, unit, bias_cells)
        second_operand = None if self.skip is None else self._gathered(maps[self.skip]).reshape(v.shape)
        weight = None if self.skip is None else torch.exp(self.log_skip)
        if self.neuron is None:
            y = (v if added is None else v + added) + along(self.bias, v)
            if second_operand is not None and weight is not None:
                y = y + second_operand * along(weight, v)
        else:
            y = self.neuron(v, second_operand, weight, added)
        result: Tensor = y.view(len(y), -1, 1, 1) if is_full else y
        return self._placed(result)

    def _placed(self, y: Tensor) -> Tensor:
        """Return the map (n, C, rows * g, columns * h) of column outputs y (n, M, rows,
        columns): the M outputs of each patch position are spread over a block of (g, h)
        pixels (depth-to-space)."""
        if self.block == (1, 1):
            return y
        (g, h), groups, (rows, columns) = self.block, self.patches.groups, self.patches.grid
        parts = y.reshape(len(y), groups, g, h, -1, rows, columns).permute(0, 1, 4, 5, 2, 6, 3)
        return parts.reshape(len(y), -1, rows * g, columns * h)

    def _gathered(self, y: Tensor) -> Tensor:
        """Return column outputs (n, M, rows, columns) from a map y, whose blocks are
        regrouped by patch position: the inverse of ``_placed``."""
        if self.block == (1, 1):
            return y
        (g, h), groups, (rows, columns) = self.block, self.patches.groups, self.patches.grid
        parts = y.reshape(len(y), groups, -1, rows, g, columns, h).permute(0, 1, 4, 6, 2, 3, 5)
        return parts.reshape(len(y), -1, rows, columns)

    def export(self, factor: Tensor) -> tuple[Node, Tensor]:
        """Return the matrix product for the float network, and the factor by which its
        result has to be multiplied to equal the trained one's. Normalisation, gains and
        ``factor`` (that of the input map) are folded into weights and bias."""
        weight = self.crossbar.limited(self._unit())[0].double() * factor
        if self.neuron is None:
            activation, spread, divisor, after = None, torch.ones(1), torch.ones(1), torch.ones(1)
            offset = self.bias.double()
        else:
            spread, offset = self.neuron.folded()
            activation, divisor, after = self.neuron.exported()
        dense = Dense(floats_of(weight / (spread * divisor)), floats_of(offset / divisor), activation)
        skip_weight = None
        if self.skip is not None:
            skip_weight = floats_of(torch.exp(self.log_skip.double()) / divisor)
        product = Product(
            dense=dense,
            sources=self.sources,
            patches=self.patches,
            pad=self.crossbar.pad,
            skip=self.skip,
            skip_weight=skip_weight,
            block=self.block,
        )
        return product, after.double()

    def _unit(self) -> Tensor:
        """Return the change of the column sums (M,) that changes the argument of each
        neuron by 1. Columns without neurons are outputs, which are compared with each
        other; they all have the unit 1."""
        weight = self.crossbar.weight.detach()
        return weight.new_ones(weight.shape[1]) if self.neuron is None else self.neuron.unit()


class TrainedTable(TrainedNode):
    """A table of trained functions of single values, one for each of the source
    channels ``channel`` (E,). Gain (kept above 0) and shift are trained.

    ``gain`` and ``shift`` (G,), and the devices of ``neuron``, are of as many channels
    each, side by side. In front of a crossbar that sums them the functions are a
    Kolmogorov-Arnold layer.
    """

    channel: Tensor

    def __init__(
        self,
        sources: tuple[int, ...],
        channel: Array,
        gain: npt.ArrayLike,
        shift: npt.ArrayLike,
        neuron: Neuron,
    ) -> None:
        super().__init__(sources)
        self.neuron = neuron
        self.register_buffer("channel", torch.from_numpy(channel.astype(np.int64)), persistent=False)
        self.log_slope = torch.nn.Parameter(torch.tensor(gain, dtype=torch.float32).log())
        self.shift = torch.nn.Parameter(torch.tensor(shift, dtype=torch.float32))
        neuron.shift.requires_grad_(False).zero_()

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the values of the table's functions, (n, E, H, W)."""
        x = joined(self, maps)[:, self.channel]
        gain, shift = self._each(torch.exp(self.log_slope)), self._each(self.shift)
        z = x * along(gain, x) + along(shift, x)
        y: Tensor = self.neuron(z.reshape(len(x), len(self.neuron.shift), -1, x.shape[3]))
        return y.reshape(x.shape)

    def export(self, factor: Tensor) -> tuple[Node, Tensor]:
        """Return the table step as a node of the float network, with the trained gain
        and shift and a device for every channel. Also return the factor by which this
        node's result has to be multiplied to equal the trained node's result."""
        activation, divisor, after = self.neuron.exported()
        if isinstance(activation, Ndr):
            devices = len(activation.peak)
            activation = activation.of(np.arange(devices).repeat(len(self.channel) // devices))
        gain = self._each(torch.exp(self.log_slope.double())) / self._each(divisor)
        shift = self._each(self.shift.double()) / self._each(divisor)
        return Table(self.sources, self.channel.numpy(), floats_of(gain), floats_of(shift), activation), after

    def _each(self, values: Tensor) -> Tensor:
        """Return ``values`` (G,) repeated to (E,), one value for each channel: each
        value is used by E / G neighbouring channels."""
        return values.repeat_interleave(len(self.channel) // len(values))

"""The nodes of a float network, on maps (n, C, H, W) with values in 0..1;
``floats`` computes them.

A node reads maps by their numbers, as the steps of a program do
(``ndrite.emulator.spec.flow``).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import NetworkError, require
from ndrite.emulator.network.activation import Activation, Floats, Ndr
from ndrite.emulator.spec.arithmetic import Array, Ints
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.flow import AnyGate, AnyPool, AnyProduct, AnyTable, Reads, Term
from ndrite.emulator.spec.patches import Pair, Patches, Shape

Maps = Sequence[Floats] | Mapping[int, Floats]
"""Maps (n, C, H, W) by number."""


@record()
class Dense:
    """A fully connected layer ``activation(x @ weights + bias)``: weights float32 (K,
    M), bias float32 (M,). Without activation it returns logits.

    Raises NetworkError when shapes disagree or a value is not finite.
    """

    weights: Floats
    bias: Floats
    activation: Activation | None = None

    def __post_init__(self) -> None:
        weights = np.ascontiguousarray(self.weights, np.float32)
        bias = np.ascontiguousarray(self.bias, np.float32)
        if weights.ndim != 2 or weights.size == 0:
            raise NetworkError(f"weights have shape {weights.shape}; accepted: (K, M), neither 0")
        if bias.shape != weights.shape[1:]:
            raise NetworkError(f"bias has shape {bias.shape}; accepted: {weights.shape[1:]}")
        for name, array in (("weights", weights), ("bias", bias)):
            if not np.isfinite(array).all():
                raise NetworkError(f"{name} hold a value that is not finite; accepted: finite numbers")
        _check_devices(self.activation, bias.shape)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias)

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])


def _check_devices(activation: Activation | None, shape: tuple[int, ...]) -> None:
    if isinstance(activation, Ndr) and activation.peak.shape != shape:
        raise NetworkError(f"activation peak has shape {activation.peak.shape}; accepted: {shape}")


def _check_block(block: Pair) -> None:
    if len(block) != 2 or min(block) < 1:
        raise NetworkError(f"block is {block}; accepted: two numbers of at least 1")


class _Node(Reads):
    refused = NetworkError

    @property
    def width(self) -> int:
        """Number of input values of one result: the values of a patch, or one of each
        map that the node reads."""
        return len(self.reads)


@record()
class Product(AnyProduct, _Node):
    """A matrix-product node ``activation(patches(x) @ weights + bias + skip_weight *
    skip)``; without activation it returns the sums.

    ``dense`` takes one patch, (K, M), K of its group's channels; ``pad``, 0..1, fills
    the border. ``skip`` is a map of the result's shape and ``skip_weight`` float32
    (M,), from 0: the residual connection. Each patch gives ``block``, g x h
    neighbouring positions: the columns of a group are in the order (row, column,
    channel). Raises NetworkError when shapes disagree.
    """

    dense: Dense
    sources: tuple[int, ...]
    patches: Patches
    pad: float = 0.0
    skip: int | None = None
    skip_weight: Floats | None = None
    block: Pair = (1, 1)

    def __post_init__(self) -> None:
        if self.dense.inputs != self.patches.inputs:
            raise NetworkError(
                f"weights have {self.dense.inputs} rows; accepted: {self.patches.inputs}, one for each "
                f"value of a patch: kernel {self.patches.kernel} times the channels in each of "
                f"{self.patches.groups} groups of {self.patches.shape}"
            )
        _check_block(self.block)
        if self.dense.outputs % (self.patches.groups * self.copies):
            raise NetworkError(
                f"outputs are {self.dense.outputs}; accepted: a multiple of {self.patches.groups} groups"
                f"{f' times a block of {self.copies}' if self.copies > 1 else ''}"
            )
        require(0 <= self.pad <= 1, "pad", self.pad, "0..1", NetworkError)
        if self.skip is not None:
            weight = np.ascontiguousarray(self.skip_weight, np.float32)
            if weight.shape != (self.dense.outputs,) or not (np.isfinite(weight) & (weight >= 0)).all():
                raise NetworkError(
                    f"skip_weight has shape {weight.shape} and smallest value "
                    f"{weight.min(initial=np.inf):g}; accepted: shape ({self.dense.outputs},), finite values "
                    "of at least 0"
                )
            object.__setattr__(self, "skip_weight", weight)

    @property
    def activation(self) -> Activation | None:
        """Activation function of the matrix product; None if it returns sums."""
        return self.dense.activation

    @property
    def fires(self) -> bool:
        return self.activation is not None

    @property
    def width(self) -> int:
        return self.dense.inputs

    @property
    def copies(self) -> int:
        """Number of output positions in one block."""
        return self.block[0] * self.block[1]

    @property
    def channel_of(self) -> Ints:
        """For each column of the weights, the number of the output channel that
        it computes, (M,)."""
        channels = np.arange(self.dense.outputs // self.copies).reshape(self.patches.groups, 1, -1)
        return np.tile(channels, (1, self.copies, 1)).reshape(-1)

    def shape(self, maps: list[Shape]) -> Shape:
        (rows, columns), (g, h) = self.patches.grid, self.block
        return (self.dense.outputs // self.copies, rows * g, columns * h)


@record()
class Pool(AnyPool, _Node):
    """A pooling node: the ``max`` or ``average`` of windows. ``pad`` is the value
    around the map for an average that includes the border.

    ``inside``: an average is of the values inside the map only. ``gain``, from 1,
    stretches an average, held at 1: averages span less than the values do, and codes
    should not go to waste. Each result fills ``block``, g x h neighbouring positions.
    """

    activation: ClassVar[None] = None

    of: str
    sources: tuple[int, ...]
    patches: Patches
    pad: float = 0.0
    inside: bool = False
    gain: float = 1.0
    block: Pair = (1, 1)

    def __post_init__(self) -> None:
        require(self.of in ("max", "average"), "pooling", repr(self.of), "max, average", NetworkError)
        if not 1 <= self.gain < float("inf") or (self.of == "max" and self.gain != 1):
            raise NetworkError(
                f"gain is {self.gain}; accepted: finite numbers of at least 1, and only 1 for max"
            )
        _check_block(self.block)

    @property
    def is_spread(self) -> bool:
        """Whether the pool only repeats the single value of every channel, because each
        window contains that value and the border."""
        height, width = (k - 1 for k in self.patches.kernel)
        wide = self.of == "max" and (height or width) and self.patches.shape[1:] == (1, 1)
        return bool(wide) and self.patches.padding == (height, width) * 2

    @property
    def counts_border(self) -> bool:
        """Whether the pool's results depend on the values of the border around the map."""
        return self.of == "average" and not self.inside and any(self.patches.padding)

    @property
    def counts(self) -> Ints:
        """Number of values over which the average of each window is taken, (positions,)."""
        size = self.patches.kernel[0] * self.patches.kernel[1]
        if not self.inside:
            return np.full(self.patches.positions, size)
        unit_map = np.ones((1, *self.patches.shape), np.int64)[:, :1]
        return np.asarray(self.patches.windows(unit_map).sum(axis=(4, 5)).reshape(-1))


@record()
class Table(AnyTable, _Node):
    """A table node, which applies functions to single values: channel e of the result
    is ``activation(gain[e]
    * x[channel[e]] + shift[e])``.

    One input may give several outputs. Arrays (E,): ``channel`` integers,
    ``gain`` > 0, ``shift``.
    """

    sources: tuple[int, ...]
    channel: npt.NDArray[np.int32]
    gain: Floats
    shift_by: Floats
    activation: Activation

    def __post_init__(self) -> None:
        if getattr(self, "activation", None) is None:  # the network file states no activation
            raise NetworkError("activation is None; accepted: an activation")
        object.__setattr__(self, "channel", np.ascontiguousarray(self.channel, np.int32))
        for name, values in (("gain", self.gain), ("shift_by", self.shift_by)):
            array = np.ascontiguousarray(values, np.float32)
            if array.shape != self.channel.shape or array.ndim != 1 or not np.isfinite(array).all():
                raise NetworkError(f"{name} has shape {array.shape}; accepted: {self.channel.shape}, finite")
            object.__setattr__(self, name, array)
        if not (self.gain > 0).all():
            raise NetworkError(f"gain has the value {self.gain.min():g}; accepted: values above 0")
        _check_devices(self.activation, self.channel.shape)

    def fits(self, where: str, maps: list[Shape]) -> None:
        low, high, limit = (
            int(self.channel.min(initial=0)),
            int(self.channel.max(initial=0)),
            self.joined(maps)[0] - 1,
        )
        require(0 <= low <= high <= limit, f"{where}.channel", f"{low}..{high}", f"0..{limit}", NetworkError)

    def voltages(self, x: Array) -> Array:
        """Return the arguments of the table's functions, (n, H, W, E), for the joined
        source maps x (n, C, H, W)."""
        return np.moveaxis(x[:, self.channel], 1, -1) * self.gain + self.shift_by


@record()
class Gate(AnyGate, _Node):
    """A gate node: the element-wise sum of its terms plus ``zero``, clipped to 0..1."""

    activation: ClassVar[None] = None

    terms: tuple[Term, ...]
    zero: float = 0.0

    @property
    def is_sum(self) -> bool:
        """Whether no term of the gate multiplies two maps."""
        return all(term.b is None for term in self.terms)


Node = Product | Pool | Table | Gate
KINDS: dict[str, type[Node]] = {kind.kind: kind for kind in (Product, Pool, Table, Gate)}

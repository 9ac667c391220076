"""Learning: what a board needs in addition to a program to change its weights by
pulses, sample by sample.

A learning program is a chain of full layers whose weights are read from the states of
devices, and for each layer the laws by which pulses move them. ``docs/arithmetic.md``
has the numbers. Everything that is drawn is a function of (seed, update, layer, row,
column): no lane count and no order of work changes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import IntArray, Integer, clip, rshift_round
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import SpecError, require
from ndrite.emulator.spec.layer import Shift, Word, check_array, check_arrays, check_ints
from ndrite.emulator.spec.program import Program

DOMAIN_BACK = 0x6E647262
"""Third word of the cipher key for read noise of the matrix product that
propagates errors backward."""
DOMAIN_TRAIN = 0x6E647270
"""Third word of the cipher key for random pulse trains. The counter word says
what they are for."""
DOMAIN_DEVICE = 0x6E647264
"""Third word of the cipher key for differences between devices, after the die's seed."""
DOMAIN_CYCLE = 0x6E647263
"""Third word of the cipher key for random differences between pulses and for
stochastic rounding."""
READINGS = 1
"""Tile field of the counter word for read noise when fast devices are read; for tile
number ``block`` it is this plus ``block``. 0 is for the backward matrix product, whose
key has the same third word."""
ROWS, COLUMNS, NEURONS, TILES = 0, 1, 2, 3
"""Tile field of the counter word for the random pulse trains of rows, columns, and
neurons' ECRAMs; TILES and the following numbers are for the pulses by which tiles that
were read act on other tiles."""
MIX_ROUNDS = 6
"""Number of mixing rounds. They make 32 random bits for each pair of time slots of a
pulse train from a word of the row or column."""

STATE_BITS = 18
STATE_MIN, STATE_MAX = -(1 << (STATE_BITS - 1)), (1 << (STATE_BITS - 1)) - 1
STATE_ONE = 1 << 16
"""State at the nominal bound 1.0; a device's own bound may be up to twice as large."""
CODE_SHIFT = 8
"""Additional fraction bits of a device state compared with a weight code; ``STATE_ONE``
is read as code 255, the largest."""
WEIGHT_MAX = 255
SLOTS_MAX = 31
ERROR_MAX = 255
ERROR_BITS = 8
LEVELS = 16
"""Number of entries in a device table. A value is the sum of two entries, each selected
by four random bits."""
STEP_MAX = 4095
FACTOR_SHIFT = 16
"""Number of fraction bits in the factors by which the states of tiles are multiplied
before they are added."""
BOUND_SHIFT = 6
"""Bounds of device states are stored in units of 2^6 states, so that the
nominal bound is 1024."""
FACTOR_ONE, FACTOR_MAX, SLOPE_SHIFT = 256, 511, 24
SERIAL_SHIFT = 6
"""Devices whose ``step_shift`` is smaller than this apply the pulses of an update
one after the other."""
COUNT_SHIFT = 6
"""Number of fraction bits in a noisy count of pulses."""
ROOTS = np.rint(256 * np.sqrt(np.arange(SLOTS_MAX + 1))).astype(np.int64)
"""Square root of each possible count of pulses, times 256."""
STATE_PARTS, PART_SHIFT = 64, 11
"""Number of equal parts of the nominal range for which a step table has entries; each
has 2^PART_SHIFT states."""
PROBABILITY_ONE = 1 << 16
DERIVATIVE_MIN, DERIVATIVE_MAX = -(1 << 17), (1 << 17) - 1

Table = npt.NDArray[np.int16]
Slope = Annotated[int, DERIVATIVE_MIN, DERIVATIVE_MAX]
Shift63 = Annotated[int, 0, 63]


@record(kw_only=True)
class Steps:
    """Tables of a device's step size as functions of its state, int16 (64,) each: entry
    i is for the 2048 states from 2048 i - 65536 on. The first and the last entry also
    apply to the states below and above that range.

    Attributes
    ----------
    up, down:
        Mean step, in 1/256 of the device's own step that way.
    noise_up, noise_down:
        The step that the deviation of a pulse is relative to, likewise.
    """

    up: Annotated[Table, np.int16, 0, FACTOR_MAX]
    down: Annotated[Table, np.int16, 0, FACTOR_MAX]
    noise_up: Annotated[Table, np.int16, 0, FACTOR_MAX]
    noise_down: Annotated[Table, np.int16, 0, FACTOR_MAX]


@record(kw_only=True)
class Devices:
    """The law of one layer's devices: tables int16 (16,) and slopes. Each random value
    of a device is the sum of two randomly selected entries of a table.

    Attributes
    ----------
    step, asymmetry:
        A step up is ``step + asymmetry``, one down ``step - asymmetry``, cut to
        0..4095; 2^step_shift / 64 of these units are one state, so that a step reaches
        up to 262,080 states, the whole range of a state.
    upper, lower:
        Own bounds, in 64 states; cut to 0..131071 and -131072..0 states.
    cycle:
        Deviation of a pulse from its step, in 1/64 of it.
    slope_up, slope_down:
        By which a step falls with the state: factor ``256 - rshift_round(slope
        * s, 24)`` of 256.
    steps:
        A table in place of these slopes; None: the slopes.
    step_shift:
        0..16, the fraction bits of a change; they are rounded stochastically. Below
        SERIAL_SHIFT steps may be larger than a sixteenth of the nominal bound, and the
        pulses of an update are taken one after the other, each at the state that the
        one before has left, with words of its own (``pulse_constant``); from
        SERIAL_SHIFT on all at once, at the state before the update.
    """

    step: Annotated[Table, np.int16, -STEP_MAX, STEP_MAX]
    asymmetry: Annotated[Table, np.int16, -STEP_MAX, STEP_MAX]
    upper: Annotated[Table, np.int16, -2048, 2047]
    lower: Annotated[Table, np.int16, -2048, 2047]
    cycle: Annotated[Table, np.int16, -1023, 1023]
    slope_up: Slope = 0
    slope_down: Slope = 0
    step_shift: Annotated[int, 0, 16] = 10
    steps: Steps | None = None

    @property
    def serial(self) -> bool:
        """Whether the pulses of an update are applied to a device one after the other
        instead of all at once."""
        return self.step_shift < SERIAL_SHIFT


@record(kw_only=True)
class Tuned:
    """The ECRAMs that select the curves of one layer's neurons. Their states are row K
    + 1 of the layer's states.

    Attributes
    ----------
    devices:
        Their law.
    first, bits:
        The curve of neuron m is ``first[m] + (w + 256 >> 9 - bits)``, w the code that
        its state is read as: 2^bits curves of its own, or shared ones, from the lowest
        state to the highest. ``first`` is uint16 (M,).
    rate, shift:
        Probability of a pulse in a slot, as a column's.
    """

    devices: Devices
    first: npt.NDArray[np.uint16]
    bits: Annotated[int, 1, 8]
    rate: Word
    shift: Shift63

    def curves(self, states: IntArray) -> npt.NDArray[np.int64]:
        """Return the curve number of each neuron, int64 (M,), at the ECRAM
        states ``states`` (M,)."""
        return self.first.astype(np.int64) + levels_of(states, self.bits)


@record(kw_only=True)
class Transfer:
    """Learning rule Tiki-Taka 2 (Gokmen, Front. Artif. Intell. 4, 699148, 2021):
    updates pulse fast devices, one for each device of the layer. Readings of the fast
    devices are accumulated and transferred to the layer's own devices.

    After every ``every`` updates one row of fast devices is read, the rows in turn,
    against a reference of each, as a weight is; a digital sum of the readings gives the
    layer's own device a pulse for every whole ``threshold`` that it holds, and keeps
    the rest. Rows behind the others of a layer's states: the fast devices (K + 1), the
    sums (K + 1), the references (K + 1).

    Attributes
    ----------
    devices:
        The law of the fast devices.
    every, threshold:
        1..65535; the threshold in codes of a weight.
    chopped:
        0: references are states that stay. From 1 on: AGAD (Rasch, Carta, Fagbohungbe,
        Gokmen, arXiv 2303.04721), with a chopper for each row that is reversed after
        every ``chopped`` readings of the row: pulses of a reversed row go the other
        way, and its readings are subtracted. The reference is the code that was read
        last before the chopper was reversed.
    read_sigma:
        Standard deviation of the noise of a reading, in states, 0..65535.
    """

    devices: Devices
    every: Annotated[int, 1, 65535] = 1
    threshold: Annotated[int, 1, 65535] = 255
    chopped: Annotated[int, 0, 255] = 0
    read_sigma: Annotated[int, 0, 65535] = 0

    def readings(self, rows: Integer, height: int, update: int) -> Integer:
        """Return how many times a row of fast devices has been read before
        ``update``. ``rows`` is a row number or an array of them; ``height`` is the
        number of rows of fast devices."""
        return (update // self.every + height - 1 - rows) // height

    def turned(self, rows: Any, height: int, update: int) -> Any:
        """Return whether the chopper of a row is in its reversed position in
        ``update``; parameters as for ``readings``."""
        return (self.readings(rows, height, update) // max(1, self.chopped) & (self.chopped > 0)) == 1

    def turns(self, row: int, height: int, update: int) -> bool:
        """Return whether the chopper of ``row`` is reversed after the reading that
        follows ``update``."""
        return self.chopped > 0 and (self.readings(row, height, update) + 1) % self.chopped == 0

    @property
    def blocks(self) -> tuple[int, int]:
        """Two counts: how many blocks of K + 1 rows the rule adds to a layer's states,
        and how many of these blocks receive pulses."""
        return 3, 1


@record(kw_only=True)
class Tiles:
    """Residual learning (Li, Wu, Liu, Gokmen, Chen, arXiv 2510.02516): a weight is W(0)
    + gamma W(1) + .. + gamma^N W(N). W(0) are the layer's own devices; each tile W(n)
    learns the residual error of the tiles before it.

    Pulses of the samples go to W(N). After every ``every * ratio^(N - n)`` updates one
    row of W(n), the rows in turn, is read against its references, and the devices of
    that row of W(n - 1) get a train of pulses in proportion to the reading, N first.
    Rows behind the others of a layer's states: W(N), W(N - 1), .. W(1), of K + 1 rows
    each, then their references in the same order.

    Attributes
    ----------
    devices:
        The law of W(1) to W(N).
    count:
        N, 1..7.
    gamma:
        Scale of a tile relative to the one before, in 1/65536.
    every, ratio:
        Updates between two readings of W(N), and the factor of that for each tile before.
    rate, shift:
        Probability of a transfer pulse in a slot, in 1/65536: ``min(65536, |reading| *
        rate >> shift)``.
    read_sigma:
        Standard deviation of the noise of a reading, in states, 0..65535.
    """

    devices: Devices
    count: Annotated[int, 1, 7]
    gamma: Annotated[int, 1, 1 << FACTOR_SHIFT]
    every: Annotated[int, 1, 65535] = 1
    ratio: Annotated[int, 1, 255] = 1
    rate: Word
    shift: Shift63
    read_sigma: Annotated[int, 0, 65535] = 0

    @property
    def blocks(self) -> tuple[int, int]:
        """Two counts: how many blocks of K + 1 rows the rule adds to a layer's states,
        and how many of these blocks receive pulses."""
        return 2 * self.count, self.count

    def due(self, block: int, height: int, update: int) -> int | None:
        """Return the number of the row of tile ``block`` that is read after ``update``,
        or None if no row is due. ``block`` 0 is the last tile, W(N); ``height`` is the
        number of rows of a tile."""
        period = self.every * self.ratio**block
        return None if (update + 1) % period else update // period % height

    def summed(self, own: IntArray, rows: IntArray) -> npt.NDArray[np.int64]:
        """Return the combined states int64 (K + 1, M) of all tiles: the layer's ``own``
        states plus the tiles' weighted differences from their references. ``rows``
        holds the tiles' states, then the references'. The result has FACTOR_SHIFT
        additional fraction bits."""
        tiles, references = rows.astype(np.int64).reshape(2, self.count, *own.shape)
        total, factor = own.astype(np.int64) << FACTOR_SHIFT, 1 << FACTOR_SHIFT
        for block in reversed(range(self.count)):
            factor = int(rshift_round(factor * self.gamma, FACTOR_SHIFT))
            total += factor * (tiles[block] - references[block])
        return total


@record(kw_only=True)
class LearningLayer:
    """How one layer of the program learns. The rows of its states are: K rows of
    inputs, the row of biases, the row of the neurons' ECRAMs if neurons are tuned, and
    the rows that the rule ``transfer`` adds.

    Attributes
    ----------
    states:
        int32 (rows, M); 18-bit values, at the beginning.
    devices:
        The law of weights and biases.
    bias:
        int32 (M,): what ``z`` has beside the partial sums and the row of biases.
    bias_gain, bias_shift:
        The row of biases adds ``rshift_round(w[K] * bias_gain, bias_shift)`` to z.
    row_rate, row_shift, column_rate, column_shift:
        Probability of a pulse in a slot, in 1/65536: ``min(65536, x * row_rate
        >> row_shift)`` and ``min(65536, |error| * column_rate >> max(0,
        column_shift - exponent))``.
    back_gain, back_shift, back_bits, back_sigma, back_var:
        Converter and read noise of the backward product, as the forward one's; what it
        gives is the error of the layer before. Layer 0 has no use for them.
    slope_shift:
        ``rshift_round(slope * scale, slope_shift)`` is the derivative of this layer's neurons.
    tuned:
        The ECRAMs of this layer's neurons, of a hidden layer; None: curves stay.
    transfer:
        Where pulses go instead, and how they come back; None: they move the layer's
        devices themselves.
    """

    states: npt.NDArray[np.int32]
    devices: Devices
    bias: npt.NDArray[np.int32]
    bias_gain: Annotated[int, 0, (1 << 17) - 1]
    bias_shift: Shift = 0
    row_rate: Word
    row_shift: Annotated[int, 0, 31]
    column_rate: Word
    column_shift: Shift63
    back_gain: Word = 1
    back_shift: Shift = 0
    back_bits: Annotated[int, 4, 12] = 12
    back_sigma: Word = 0
    back_var: Word = 0
    slope_shift: Shift = 0
    tuned: Tuned | None = None
    transfer: Transfer | Tiles | None = None

    def codes(self, states: IntArray, inputs: int) -> npt.NDArray[np.int16]:
        """Return the weight codes int16 (K + 1, M), biases last, that ``states`` are
        read as: the own devices' states, with those of tiles added."""
        own = states[: inputs + 1]
        if not isinstance(self.transfer, Tiles):
            return weights_of(own)
        return weights_of(self.transfer.summed(own, states[self.fast_row(inputs) :]), FACTOR_SHIFT)

    def fast_row(self, inputs: int) -> int:
        """Return the first row of fast devices in a layer with ``inputs`` inputs."""
        return inputs + 1 + (self.tuned is not None)

    @property
    def tabled(self) -> bool:
        """Whether the steps of some of the layer's devices follow a step table."""
        parts = (self, self.tuned, self.transfer)
        return any(part is not None and part.devices.steps is not None for part in parts)

    @property
    def rows(self) -> int:
        """Number of rows of states, of all kinds of devices together."""
        return int(self.states.shape[0])

    @property
    def columns(self) -> int:
        return int(self.states.shape[1])


@record(kw_only=True)
class Learning:
    """A learning program: an inference program, and how each of its layers learns.

    Raises ProgramError when something does not fit.

    Attributes
    ----------
    program:
        A chain of full layers. Weights and biases are what the states say
        (``program_of``); the last layer has a scale and a curve too, which gives the
        output codes that labels are compared with.
    layers:
        One for each of them.
    slots:
        Slots of a pulse train, 1..31.
    die_seed:
        Seed of the devices' constants.
    """

    program: Program
    layers: tuple[LearningLayer, ...]
    slots: Annotated[int, 1, SLOTS_MAX] = 15
    die_seed: Annotated[int, 0, (1 << 64) - 1] = 0

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> int:
        return self.program.inputs

    @property
    def outputs(self) -> int:
        return self.program.outputs

    @property
    def carries(self) -> int:
        """Number of the first record that holds the law of a layer's own devices, when
        updates pulse fast devices instead; 0 if no layer has fast devices.

        One a layer stands before, and where neurons are tuned one of each layer's ECRAMs.
        """
        if all(layer.transfer is None for layer in self.layers):
            return 0
        return len(self.layers) * (1 + self._tuned)

    @property
    def records(self) -> int:
        """Number of records of device laws. The last layer has no ECRAMs, but a record
        is reserved for their law if further records follow."""
        depth = len(self.layers)
        return self.carries + depth if self.carries else depth + self._tuned * (depth - 1)

    @property
    def _tuned(self) -> bool:
        return any(layer.tuned is not None for layer in self.layers)


def pair_constant(pair: int) -> int:
    """Return the constant that is mixed into a random word for pair number ``pair`` of
    the time slots of a pulse train."""
    return pair * 0x9E37 & 0xFFFF


def pulse_constant(pulse: int) -> int:
    """Return the value that is XORed into the first word of the update's key for
    pulse number ``pulse``, counted from 0, when the pulses of an update are applied
    one after the other."""
    return pulse * 0x9E37 & 0xFFFF


def parts_of(states: IntArray) -> npt.NDArray[np.int64]:
    """Return for each device state the index of the step-table entry that applies to
    it, int64 in the shape of ``states``."""
    parts: npt.NDArray[np.int64] = np.clip(
        (states.astype(np.int64) + STATE_ONE) >> PART_SHIFT, 0, STATE_PARTS - 1
    )
    return parts


def round_constant(i: int) -> int:
    """Return the constant of round ``i`` of the mixing cipher: 16 bits of the golden ratio."""
    return (0x9E3779B97F4A7C15 >> (8 * i)) & 0xFFFF


def levels_of(states: IntArray, bits: int) -> npt.NDArray[np.int64]:
    """Return the level 0..2^bits - 1 that each device state is read as, int64 in the
    shape of ``states``. The levels divide the range of weight codes, which begins at
    -256, into equal parts."""
    levels: npt.NDArray[np.int64] = (weights_of(states).astype(np.int64) + WEIGHT_MAX + 1) >> (9 - bits)
    return levels


class Counts(NamedTuple):
    """Counts over several updates: the number of ``updates``, of ``right`` answers,
    each taken before its update, and of ``pulses`` on each layer's devices."""

    updates: int
    right: int
    pulses: tuple[int, ...]

    def __add__(self, other: tuple[Any, ...]) -> Counts:
        updates, right, pulses = other
        sums = tuple(a + b for a, b in zip(self.pulses, pulses, strict=True))
        return Counts(self.updates + updates, self.right + right, sums)


def check_samples(learning: Learning, x: IntArray, labels: IntArray) -> None:
    """Raise SpecError unless x is uint8 (n, inputs) and labels are integers (n,)
    in 0..outputs - 1."""
    if x.ndim != 2 or x.shape[1] != learning.inputs or x.dtype != np.uint8:
        raise SpecError(f"samples are {x.dtype} {x.shape}; accepted: uint8 (n, {learning.inputs})")
    if labels.shape != (len(x),) or not np.issubdtype(labels.dtype, np.integer):
        raise SpecError(f"labels are {labels.dtype} {labels.shape}; accepted: integers ({len(x)},)")
    if len(labels) and not (labels.min() >= 0 and labels.max() < learning.outputs):
        raise SpecError(
            f"labels are {labels.min()}..{labels.max()}; accepted: classes 0..{learning.outputs - 1}"
        )


def weights_of(states: IntArray, fraction: int = 0) -> npt.NDArray[np.int16]:
    """Return the weight codes int16 that device states (any shape) are read as:
    rounded and clipped. A state has CODE_SHIFT + ``fraction`` more fraction
    bits than a code."""
    codes = clip(rshift_round(states.astype(np.int64), CODE_SHIFT + fraction), -WEIGHT_MAX, WEIGHT_MAX)
    read: npt.NDArray[np.int16] = codes.astype(np.int16)
    return read


def program_of(learning: Learning, states: Sequence[IntArray] | None = None) -> Program:
    """Return the inference program that the devices compute when their states are
    ``states``, one array (rows, M) per layer; None stands for the initial states."""
    layer_states = [layer.states for layer in learning.layers] if states is None else states
    layers = []
    for program, layer, s in zip(learning.program.layers, learning.layers, layer_states, strict=True):
        k = program.inputs
        w = layer.codes(s, k)
        bias = layer.bias + rshift_round(w[k].astype(np.int64) * layer.bias_gain, layer.bias_shift)
        changed = dataclasses.replace(program, weights=w[:k].copy(), bias=bias.astype(np.int32))
        if layer.tuned is not None:
            changed = dataclasses.replace(changed, curve=layer.tuned.curves(s[k + 1]).astype(np.uint16))
        layers.append(changed)
    return learning.program.with_layers(layers)


def _check(learning: Learning) -> None:
    program = learning.program
    require(program.is_chain, "program", program.name, "a chain of full layers")
    require(len(program.layers) <= 256, "layers", len(program.layers), "at most 256")
    # The random-number keys of pulse trains, devices and (in the gateware) read
    # noise contain the layer's number, counted from 0. The program must therefore
    # begin at product 0.
    require(program.first_product == 0, "program.first_product", program.first_product, "0")
    require(len(learning.layers) == len(program.layers), "layers", len(learning.layers), "the program's")
    check_ints("", learning)
    for i, (layer, of) in enumerate(zip(learning.layers, program.layers, strict=True)):
        where = f"layer {i}"
        rows = layer.fast_row(of.inputs)
        blocks, pulsed = (0, 0) if layer.transfer is None else layer.transfer.blocks
        shape = (rows + blocks * (of.inputs + 1), of.outputs)
        # In random-number keys, the row number of a device that receives pulses has 16 bits.
        curve_max = ((1 << 16) - (layer.tuned is not None)) // (1 + pulsed) - 1
        require(of.inputs <= curve_max, f"{where}.inputs", of.inputs, f"at most {curve_max}")
        check_array(f"{where}.states", layer.states, shape, (np.int32, STATE_MIN, STATE_MAX))
        if layer.tuned is not None:
            require(i < len(program.layers) - 1, f"{where}.tuned", "given", "None for the last layer")
            _check_tuned(f"{where}.tuned", layer.tuned, of.outputs, len(program.curve_base))
        if layer.transfer is not None:
            _check_devices(f"{where}.transfer.devices", layer.transfer.devices)
            check_ints(f"{where}.transfer", layer.transfer)
        if isinstance(layer.transfer, Tiles):
            period = layer.transfer.every * layer.transfer.ratio ** (layer.transfer.count - 1)
            require(
                period < 1 << 32, f"{where}.transfer: updates between readings of W(1)", period, "below 2^32"
            )
        check_array(f"{where}.bias", layer.bias, shape[1:], (np.int32, -(1 << 30), 1 << 30))
        check_ints(where, layer)
        _check_devices(f"{where}.devices", layer.devices)
    last = program.layers[-1]
    curve_max = int(last.curve.max())
    require(
        curve_max < len(program.curve_base),
        "the last layer's curve",
        curve_max,
        f"0..{len(program.curve_base) - 1}",
    )
    require(bool(last.scale.all()), "the last layer's scale", 0, "1 or more, as labels need its codes")


def _check_tuned(where: str, tuned: Tuned, outputs: int, curves: int) -> None:
    _check_devices(f"{where}.devices", tuned.devices)
    check_ints(where, tuned)
    curve_limit = curves - (1 << tuned.bits)
    check_array(f"{where}.first", tuned.first, (outputs,), (np.uint16, 0, curve_limit))


def _check_devices(where: str, devices: Devices) -> None:
    check_arrays(where, devices, (LEVELS,))
    check_ints(where, devices)
    if devices.steps is not None:
        check_arrays(f"{where}.steps", devices.steps, (STATE_PARTS,))

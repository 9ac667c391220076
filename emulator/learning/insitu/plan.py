"""plan: prepares a network of random states on a chip, and the integer constants that
its updates need."""

import dataclasses
import itertools
import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.device.description import Chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep, StepTable
from ndrite.emulator.errors import CompileError, CompileWarning, require
from ndrite.emulator.learning.insitu.laws import RATE_MAX, devices_of, learning_chip, pulse_of, rate_and_shift
from ndrite.emulator.learning.insitu.neurons import BITS, at_states, law_of, with_ecrams
from ndrite.emulator.learning.insitu.rules import with_noisy_readings, with_tiles, with_transfer
from ndrite.emulator.mapping import Die, DieArray, map_network, ranges
from ndrite.emulator.mapping.curves import Curves, States, heights_at, stretch_at
from ndrite.emulator.mapping.devices import shape_of, window_of
from ndrite.emulator.mapping.network import Mapped
from ndrite.emulator.mapping.ranges import AdcRange, int32, output_noise, scale_and_shift
from ndrite.emulator.network import Dense, Named, Ndr, Network
from ndrite.emulator.spec import Layer, Program
from ndrite.emulator.spec.arithmetic import (
    INPUT_MAX,
    SHIFT_MAX,
    SIGMA_MAX,
    V_BITS,
    V_MAX,
    V_MIN,
    Array,
    Codes,
    Floats,
)
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.learning import (
    STATE_ONE,
    WEIGHT_MAX,
    Devices,
    Learning,
    LearningLayer,
    weights_of,
)
from ndrite.emulator.spec.meaning import Meaning

UNIT = WEIGHT_MAX * INPUT_MAX
"""Column sum, in accumulator units, of a weight at the nominal bound times a full input."""
LOGIT_SPAN = 8.0
"""Largest magnitude of an output neuron's pre-activation that the table of
its sigmoid covers."""
START, MISMATCH = 0x7374617274, 0x6C6561726E
GAIN_TOP = 65535


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings of learning in situ: network, initial weights, learning rule and rates.

    Attributes
    ----------
    widths:
        Inputs, hidden widths, outputs.
    rate:
        Step of gradient descent on the cross entropy of sigmoids, per sample, in
        weights and inputs of 1; for ``residual`` the step of the last tile, whatever
        its share of the weight is.
    hidden_rate:
        Factor on ``rate`` for all layers but the last.
    neuron_rate:
        Step of gradient descent for the ECRAMs of hidden NDR neurons, in states of
        -1..1; 0: no learning.
    slots:
        Number of time slots in a pulse train.
    rule:
        ``stochastic``: pulses as likely as input and error are large; ``manhattan``:
        one pulse wherever both are not 0, whatever ``rate`` and ``slots`` say;
        ``tiki-taka``: stochastic pulses move fast devices, whose readings pulse the
        weights' devices (``ndrite.emulator.spec.learning.Transfer``); ``agad``: as
        ``tiki-taka``, with choppers instead of symmetry points; ``residual``: a weight
        is a sum over tiles, each of which learns the error that the tiles before leave
        (``ndrite.emulator.spec.learning.Tiles``).
    threshold:
        For the last three rules: a reading of a device leads to one pulse for every so
        many pulses by which the device was moved; for ``residual`` on average.
    reference_error:
        Deviation of the references of ``tiki-taka`` and ``residual`` from the symmetry
        points, in nominal bounds.
    tiles, gamma:
        For ``residual``: number of tiles of a weight, and scale of each relative to
        the tile before it.
    chopper_period:
        For ``agad``: number of readings of a row after which its chopper is reversed, 1..255.
    transfer_noise:
        Whether readings of fast devices and tiles have the read noise of the chip's cells.
    bound:
        Weight that a device's nominal bound represents.
    start:
        Largest random initial weight, times the square root of the number of inputs.
    span:
        Largest magnitude of the sums that a forward converter covers, in weights of
        1 and full inputs.
    back_span:
        Largest magnitude of the errors that a backward converter covers, in weights of
        1 and full errors.
    activation:
        Activation of hidden neurons: ndr, or one with a name, such as relu.
    seed:
        Seed of the individual chip: its devices, converters, neurons and the states
        at the beginning.
    """

    widths: tuple[int, ...]
    rate: float = 0.05
    hidden_rate: float = 1.0
    neuron_rate: float = 0.0
    slots: int = 15
    rule: str = "stochastic"
    threshold: float = 25.0
    reference_error: float = 0.0
    tiles: int = 4
    gamma: float = 0.5
    chopper_period: int = 1
    transfer_noise: bool = False
    bound: float = 1.0
    start: float = 1.0
    span: float = 12.0
    back_span: float = 4.0
    activation: str = "ndr"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.neuron_rate and (self.activation != "ndr" or len(self.widths) < 3):
            raise CompileError(
                f"neuron_rate is {self.neuron_rate:g}, with {self.activation} neurons in "
                f"{len(self.widths) - 2} hidden layers; accepted: 0, or ndr neurons in at least one"
            )


class Start(NamedTuple):
    """The network of random initial weights and its mapping. They depend on no
    device, rate or rule."""

    network: Network
    mapped: Mapped


@record()
class Prepared:
    """A chip ready to learn: the learning program, the die, and the settings that made them.

    ``units``: of each layer, what an error of 1 at exponent 0 stands for, in the loss's slope.
    """

    learning: Learning
    die: Die
    plan: Plan
    law: LinearStep | StepTable
    units: tuple[float, ...]
    start: Start
    meaning: Meaning | None = None

    def again(self, plan: Plan, law: LinearStep | StepTable, spread: EcramSpread) -> "Prepared":
        """Prepare the same chip with other devices, rates or learning rule, as
        ``prepare`` but much faster. Raises CompileError as ``prepare`` does, and when
        ``plan`` has another network or start."""
        prepared = self.plan
        for name, value, kept in (
            ("widths", plan.widths, prepared.widths),
            ("activation", plan.activation, prepared.activation),
            ("start", plan.start, prepared.start),
            ("seed", plan.seed, prepared.seed),
        ):
            require(value == kept, name, value, f"{kept}, the value it was prepared with", CompileError)
        return _prepared(plan, self.start, law, spread, self.meaning)

    def network(self, states: list[Array]) -> Network:
        """Return the float network whose weights and neurons the device states
        ``states`` represent."""
        weights_of_layers = [
            weights(layer.codes(s, k), self.plan)
            for k, layer, s in zip(self.plan.widths, self.learning.layers, states, strict=False)
        ]
        neurons = [s for s in self.die_at(states).states if s is not None] if self.plan.neuron_rate else None
        return network_of(self.plan, weights_of_layers, self.meaning, self.die.chip, neurons)

    def die_at(self, states: list[Array]) -> Die:
        """Return the die with its neurons' ECRAMs at ``states``, or unchanged if
        these do not learn."""
        if not self.plan.neuron_rate:
            return self.die
        return at_states(
            self.die, [s[k + 1] for k, s in zip(self.plan.widths[:-2], states[:-1], strict=True)]
        )


def prepare(
    plan: Plan,
    chip: Chip,
    law: LinearStep | StepTable,
    spread: EcramSpread,
    samples: Codes,
    meaning: Meaning | None = None,
) -> Prepared:
    """Sample a chip, its devices and their initial states, and compute the
    constants of the updates.

    Raises CompileError when a quantity leaves the arithmetic's range. ``law``,
    ``spread``: of the weights' devices, in units of the nominal bound. ``samples``:
    typical inputs, uint8 (n, inputs), n >= 16.
    """
    require(bool(samples.any()), "largest code of the samples", 0, "1..255", CompileError)
    chip = learning_chip(chip)
    # Only neurons and noise of this mapping are used. A large bound might round all
    # its weights to 0.
    plain = dataclasses.replace(plan, bound=1.0)
    network = network_of(plan, [weights(weights_of(s), plain) for s in _starts(plain)], meaning, chip)
    # Warnings about this mapping would say nothing, because its weights are random.
    with warnings.catch_warnings(action="ignore", category=CompileWarning):
        mapped = map_network(network, chip, samples, seed=plan.seed)
    return _prepared(plan, Start(network, mapped), law, spread, meaning)


def _check_bound(plan: Plan, chip: Chip) -> None:
    """Raise CompileError if the converters' noise, at the plan's bound, exceeds
    a program's range."""
    noise = chip.readout.output_noise_lsb * chip.noise_factor * plan.span * UNIT / SIGMA_MAX
    noise_step = noise / 2.0 ** (chip.readout.adc_bits - 1)
    accepted = f"{noise_step:.2g} or more on this chip"
    require(plan.bound >= noise_step, "bound", f"{plan.bound:g}", accepted, CompileError)


def _prepared(
    plan: Plan, start: Start, law: LinearStep | StepTable, spread: EcramSpread, meaning: Meaning | None
) -> Prepared:
    """Sample the devices and compute the constants of the updates, for a network that
    is already mapped."""
    network, mapped = start
    chip = mapped.die.chip
    _check_bound(plan, chip)
    devices = devices_of(law, spread)
    layers: list[Layer] = []
    arrays = []
    rng = np.random.default_rng([plan.seed, MISMATCH])
    for i, (mapped_layer, array) in enumerate(zip(mapped.program.layers, mapped.die.arrays, strict=True)):
        gain, shift = _gain(plan.span / plan.bound, chip.readout.adc_bits)
        count = mapped_layer.outputs
        designed = AdcRange(np.full(count, gain, np.uint16), np.zeros(count, np.int16), shift, 0.0)
        built = ranges.build(designed, chip, rng.standard_normal((2, count)))
        step = np.full(count, plan.bound / UNIT * float(designed.lsb[0]))
        activation = network.products[i].dense.activation
        per_unit, origin, peaks = _place(activation, array, chip)
        scale, vshift = scale_and_shift(per_unit * step / peaks)
        layers.append(
            dataclasses.replace(
                mapped_layer,
                gain=built.gain,
                offset=built.offset,
                shift=built.shift,
                sigma_out=output_noise(chip, built),
                bias=int32("bias", origin / (scale / 2.0**vshift)),
                scale=scale.astype(np.uint16),
                vshift=vshift,
            )
        )
        arrays.append(dataclasses.replace(array, step=step, designed=designed, built=built))
    curves = Curves()
    if len(layers) > 1:
        curves.add(mapped.program.curve_base, mapped.program.curve_slope)
    v = np.arange(V_MIN, V_MAX + 1) * (LOGIT_SPAN / V_MAX)  # the outputs' curve is a sigmoid
    last, _ = curves.fit(INPUT_MAX / (1.0 + np.exp(-v))[None], each=True)
    layers[-1] = dataclasses.replace(layers[-1], curve=last.repeat(layers[-1].outputs))
    program = mapped.program.with_layers(layers, curve_base=curves.base, curve_slope=curves.slope)
    steps = [array.step for array in arrays]
    units, laws, backward = _laws(plan, program, steps, devices, law, chip)
    if plan.neuron_rate:
        rates = [_neuron_rate(plan, chip, unit) for unit in backward]
        program, laws = with_ecrams(program, mapped.die, mapped.program, laws, rates)
    pulse = pulse_of(law)
    if plan.rule in ("tiki-taka", "agad"):
        off = None if plan.rule == "agad" else plan.reference_error
        laws = with_transfer(laws, plan.seed, plan.threshold, pulse, off, plan.chopper_period)
    if plan.rule == "residual":
        chance = 1.0 / (WEIGHT_MAX * plan.threshold * plan.slots * pulse)
        laws = with_tiles(laws, plan.seed, chance, plan.reference_error, (plan.tiles, plan.gamma))
    if plan.transfer_noise:
        laws = with_noisy_readings(laws)
    learning = Learning(
        program=program, layers=laws, slots=1 if plan.rule == "manhattan" else plan.slots, die_seed=plan.seed
    )
    die = dataclasses.replace(mapped.die, arrays=tuple(arrays))
    return Prepared(learning, die, plan, law, units, start, meaning)


def network_of(
    plan: Plan, found: list[Floats], meaning: Meaning | None, chip: Chip, neurons: list[States] | None = None
) -> Network:
    """Return the float network of the weights ``found``, (K + 1, M) for each
    layer, bias row last.

    ``neurons``: the states of each hidden layer's ECRAMs; None: as they are at the beginning.
    """
    layers = []
    for i, w in enumerate(found):
        activation: Ndr | Named | None = None
        if i < len(found) - 1:
            unit_limits = np.ones(w.shape[1], np.float32)
            # Before learning, the neurons' ECRAMs are in the middle of their range.
            height, peak = chip.ecram.current(np.full(len(unit_limits), 0.5)).astype(np.float32), unit_limits
            if neurons is not None:
                height = heights_at(neurons[i], chip).astype(np.float32)
                peak = stretch_at(neurons[i], chip).astype(np.float32)
            activation = Ndr(peak, height) if plan.activation == "ndr" else Named(plan.activation)
        layers.append(Dense(w[:-1].astype(np.float32), w[-1].astype(np.float32), activation))
    return Network.chain(layers, "learned", {"learned": dataclasses.asdict(plan)}, meaning)


def weights(codes: npt.NDArray[np.int16], plan: Plan) -> Floats:
    """Return the float weights (K + 1, M) that the weight codes ``codes`` represent."""
    return np.asarray(codes * (plan.bound / WEIGHT_MAX), np.float64)


def _starts(plan: Plan) -> list[npt.NDArray[np.int32]]:
    """Return the initial device states of each layer, (K + 1, M); biases begin at 0."""
    states = []
    for i, (k, m) in enumerate(itertools.pairwise(plan.widths)):
        rng = np.random.default_rng([plan.seed, START, i])
        s = rng.uniform(-1, 1, (k + 1, m)) * (plan.start / math.sqrt(k) / plan.bound * STATE_ONE)
        s[-1] = 0
        states.append(np.clip(np.rint(s), -STATE_ONE, STATE_ONE).astype(np.int32))
    return states


def _gain(span: float, bits: int) -> tuple[int, int]:
    """Return gain and shift of ``bits``-bit converters that cover sums of
    +-``span`` * ``UNIT``."""
    exact_gain = float(1 << (bits - 1)) / (span * UNIT)
    shift = min(SHIFT_MAX, math.floor(math.log2(GAIN_TOP / exact_gain)))
    return round(exact_gain * 2**shift), shift


def _place(activation: Any, array: DieArray, chip: Chip) -> tuple[float, float, Floats | float]:
    """Return three values: voltage codes per unit of pre-activation, code of 0, and
    neurons' units (M,)."""
    if activation is None:
        return float((1 << (V_BITS - 1)) - 1) / LOGIT_SPAN, 0.0, 1.0
    if array.window is not None and array.neurons is not None:
        return array.window.per_unit, array.window.zero, array.neurons.peaks
    window = window_of(activation, shape_of(activation, chip.neuron))
    return window.per_unit, window.zero, 1.0


def _laws(
    plan: Plan,
    program: Program,
    steps: list[Floats],
    devices: Devices,
    law: LinearStep | StepTable,
    chip: Chip,
) -> tuple[tuple[float, ...], tuple[LearningLayer, ...], tuple[float, ...]]:
    """Compute what learning needs of the layers, from the last to the first; return
    three tuples. For each layer: the unit of its errors, and its learning constants.
    For each layer but the last: the unit of a converted sum times a code of y."""
    learning_layers: list[LearningLayer] = []
    units: list[float] = []
    backward: list[float] = []
    unit = 1.0 / INPUT_MAX
    back_gain, back_shift = _gain(plan.back_span / plan.bound, chip.readout.adc_bits)
    back_lsb = 2.0**back_shift / back_gain
    back_sigma = round(chip.readout.output_noise_lsb * chip.noise_factor * back_lsb)
    pulse = pulse_of(law) * plan.bound
    states = _starts(plan)
    for i, layer in reversed(list(enumerate(program.layers))):
        last = layer is program.layers[-1]
        slope_shift = 0
        if not last:
            used = np.unique(layer.curve)
            largest = int(np.abs(program.curve_slope[used]).max()) * int(layer.scale.max())
            slope_shift = max(0, largest.bit_length() - 17)
            places = layer.segment_bits + layer.table_bits + layer.vshift - slope_shift
            change = 2.0**-places / INPUT_MAX / float(steps[i].mean())
            backward.append(back_lsb * (plan.bound / WEIGHT_MAX) * unit / INPUT_MAX)
            unit = backward[-1] * INPUT_MAX * change
        units.append(unit)
        rate = plan.rate * (1.0 if last else plan.hidden_rate)
        # Manhattan rule: every row with a code above 0 gets a pulse (probability 65535
        # / 65536 for code 1).
        row_rate, row_shift, column_rate, column_shift = RATE_MAX, 0, RATE_MAX * (rate > 0), 0
        if plan.rule != "manhattan":
            probability = rate / (plan.slots * pulse)
            full = min(1.0, math.sqrt(probability)) or 1.0
            row_rate, row_shift = rate_and_shift(full / INPUT_MAX, 31)
            column_rate, column_shift = rate_and_shift(probability / full * unit, 63)
        gain = float(np.median(layer.gain)) * INPUT_MAX
        bias_shift = layer.shift
        while gain >= 1 << 17:
            gain, bias_shift = gain / 2, bias_shift - 1
        learning_layers.append(
            LearningLayer(
                states=states[i],
                devices=devices,
                bias=layer.bias,
                bias_gain=round(gain),
                bias_shift=bias_shift,
                row_rate=row_rate,
                row_shift=row_shift,
                column_rate=column_rate,
                column_shift=column_shift,
                back_gain=back_gain,
                back_shift=back_shift,
                back_bits=chip.readout.adc_bits,
                back_sigma=back_sigma,
                back_var=layer.var_cell,
                slope_shift=slope_shift,
            )
        )
    return tuple(units[::-1]), tuple(learning_layers[::-1]), tuple(backward[::-1])


def _neuron_rate(plan: Plan, chip: Chip, unit: float) -> tuple[int, int]:
    """Return rate and shift of the pulses of neurons' ECRAMs. ``unit`` is that of
    converted sums times y."""
    if plan.rule == "manhattan":
        return RATE_MAX, 0
    pulse = pulse_of(law_of(chip))
    # 2^BITS curves cover the ECRAM's states -1..1, so a state change of 1 is
    # 2^(BITS - 1) curves.
    return rate_and_shift(plan.neuron_rate * unit * 2.0 ** (BITS - 1) / (plan.slots * pulse), 63)

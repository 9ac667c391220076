"""fast: in-situ learning in compiled loops, equal to
``ndrite.emulator.golden.learn.learner`` in every state (tested)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.fast_rows import constant
from ndrite.emulator.golden.learn import learner
from ndrite.emulator.golden.noise import SIGNED_TABLE, key_schedule
from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.learning import (
    DOMAIN_BACK,
    DOMAIN_CYCLE,
    DOMAIN_TRAIN,
    STATE_PARTS,
    Counts,
    Devices,
    Learning,
    LearningLayer,
    Tiles,
    check_samples,
    program_of,
)
from ndrite.emulator.spec.noise import DOMAIN_READ
from ndrite.emulator.spec.program import Program


class FastLearner:
    """The learner in loops compiled by numba; parameters and results are
    those of ``Learner``."""

    def __init__(
        self,
        learning: Learning,
        *,
        seed: int = 0,
        states: Sequence[IntArray] | None = None,
        noise: bool = True,
    ) -> None:
        plain = learner.Learner(learning, seed=seed, states=states, noise=noise)
        self.learning, self.seed, self.noise = learning, seed, noise
        self._shapes = [s.shape for s in plain.states]
        self._states = np.concatenate([s.reshape(-1) for s in plain.states]).astype(np.int32)
        self._weights = np.concatenate(
            [
                learned.codes(s, layer.inputs)[:-1].reshape(-1)
                for s, layer, learned in zip(
                    plain.states, learning.program.layers, learning.layers, strict=True
                )
            ]
        )
        device_constants = [np.concatenate([c[i].reshape(-1) for c in plain.own]) for i in range(4)]
        up, down, low, high = device_constants
        self._own = up.astype(np.int16), down.astype(np.int16), low.astype(np.int32), high.astype(np.int32)
        self._laws = np.stack([_parameters(learning, of) for of in ("", "tuned", "transfer")])
        program = learning.program
        self._columns = np.concatenate(
            [_columns(p, x) for p, x in zip(program.layers, learning.layers, strict=True)], 1
        )
        laws = [
            [(of or layer).devices for of in (None, layer.tuned, layer.transfer)] for layer in learning.layers
        ]
        self._tables = np.array([[_tables(law) for law in three] for three in laws], np.int64)
        domains = (DOMAIN_READ, DOMAIN_BACK, DOMAIN_TRAIN, DOMAIN_CYCLE)
        self._schedules = np.stack([key_schedule(seed, domain, 0) for domain in domains])

    @property
    def states(self) -> list[npt.NDArray[np.int64]]:
        """A copy of the present states, one array int64 (K + 1, M) for each layer."""
        edges = np.cumsum([k * m for k, m in self._shapes])[:-1]
        parts = np.split(self._states.astype(np.int64), edges)
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def program(self) -> Program:
        """Return the inference program that the devices compute at their present states."""
        return program_of(self.learning, self.states)

    def learn(self, x: npt.NDArray[np.uint8], labels: IntArray, *, first_update: int = 0) -> Counts:
        """Do one update for each sample and return the counts; parameters as for
        ``Learner.learn``."""
        from ndrite.emulator.golden.learn.fast_loops import Curves, Die, Laws, Samples, Streams, learn

        check_samples(self.learning, x, labels)
        pulses = np.zeros(len(self._shapes), np.int64)
        program = self.learning.program
        streams = Streams(self._schedules, SIGNED_TABLE.astype(np.int64), self.learning.slots, self.noise)
        die = Die(self._weights, self._columns, self._states, self._own)
        curves = Curves(constant(program.curve_base), constant(program.curve_slope))
        samples = Samples(constant(x), labels.astype(np.int64), first_update)
        right = learn(samples, Laws(self._laws, self._tables), curves, die, streams, pulses)
        return Counts(len(x), int(right), tuple(int(p) for p in pulses))


def _columns(layer: Layer, learned: LearningLayer) -> npt.NDArray[np.int64]:
    """Return the parameters of all columns of a layer, int64 (6, M); the order of the
    six rows is the one that ``fast_loops`` numbers BIAS to FIRST."""
    first = layer.curve if learned.tuned is None else learned.tuned.first
    columns = (learned.bias, layer.gain, layer.offset, layer.scale, layer.curve, first)
    return np.stack([values.astype(np.int64) for values in columns])


def _tables(law: Devices) -> npt.NDArray[np.int64]:
    """Return all tables of a device law concatenated to one array, int64 (272,), in the
    order in which ``fast_loops`` reads them."""
    steps = law.steps
    if steps is None:
        return np.append(law.cycle, np.zeros(4 * STATE_PARTS, np.int64))
    return np.concatenate([law.cycle, steps.up, steps.down, steps.noise_up, steps.noise_down]).astype(
        np.int64
    )


def _parameters(learning: Learning, of: str = "") -> npt.NDArray[np.int64]:
    """Return the parameters of all layers, int64 (L, 43), in the order in which
    ``fast_loops`` numbers them. ``of`` selects the devices whose law and rates
    they contain: "" the weights' devices, "tuned" the neurons' ECRAMs, "transfer"
    the fast devices."""
    rows, state, weight, column, column_count = [], 0, 0, 0, 0
    program = learning.program
    for layer, learned in zip(program.layers, learning.layers, strict=True):
        k, m, law = layer.inputs, layer.outputs, learned.devices
        rate, down, bits = learned.column_rate, learned.column_shift, 0
        if learned.tuned is not None:
            bits = learned.tuned.bits
            if of == "tuned":
                law, rate, down = learned.tuned.devices, learned.tuned.rate, learned.tuned.shift
        every = threshold = chopped = read_sigma = 0
        tiles: tuple[int, ...] = (0,) * 5
        if (transfer := learned.transfer) is not None:
            every, law = transfer.every, transfer.devices if of == "transfer" else law
            read_sigma = transfer.read_sigma
            if isinstance(transfer, Tiles):
                tiles = transfer.count, transfer.gamma, transfer.ratio, transfer.rate, transfer.shift
            else:
                threshold, chopped = transfer.threshold, transfer.chopped
        rows.append(
            (
                *(k, m, state, weight, column, layer.readout == "analog", layer.dac_bits, layer.adc_bits),
                *(layer.shift, layer.vshift, layer.segment_bits, layer.table_bits),
                *(layer.sigma_out, layer.var_cell, learned.bias_gain, learned.bias_shift),
                *(learned.row_rate, learned.row_shift, rate, down),
                *(learned.back_gain, learned.back_shift, learned.back_bits),
                *(learned.back_sigma, learned.back_var, learned.slope_shift),
                *(
                    law.slope_up,
                    law.slope_down,
                    law.step_shift,
                    layer.tile_rows(program.rows),
                    column_count,
                    bits,
                ),
                *(every, threshold, chopped, learned.fast_row(k), law.steps is not None, *tiles, read_sigma),
            )
        )
        state, weight, column, column_count = (
            state + learned.states.size,
            weight + k * m,
            column + m,
            column_count + k + 1,
        )
    return np.array(rows, np.int64)

"""learner: one whole update of in-situ learning: forward pass, backward pass, then
every device of every layer."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.codes import Codes, Draw
from ndrite.emulator.golden.learn.devices import (
    Constants,
    Pulses,
    coincidences,
    column_thresholds,
    constants,
    key_of,
    pulsed,
    row_thresholds,
    trains,
)
from ndrite.emulator.golden.learn.errors import (
    converted,
    derivative,
    hidden_error,
    output_error,
    row_sums,
    state_change,
)
from ndrite.emulator.golden.neuron import neuron, preneuron
from ndrite.emulator.golden.noise import U16, gaussian, noise
from ndrite.emulator.spec import learning as spec
from ndrite.emulator.spec.arithmetic import INPUT_MAX, IntArray, Ints, clip
from ndrite.emulator.spec.errors import SpecError, require
from ndrite.emulator.spec.learning import (
    Counts,
    Devices,
    Learning,
    Tiles,
    Transfer,
    check_samples,
    program_of,
    weights_of,
)
from ndrite.emulator.spec.program import Program


class Forward(NamedTuple):
    """Values kept from a forward pass: the inputs ``x`` of every layer including the
    bias row, the neurons' voltage codes ``v`` of every layer, and the output codes
    ``y`` and sums ``z`` of the last layer."""

    x: list[npt.NDArray[np.uint8]]
    v: list[Ints]
    y: npt.NDArray[np.uint8]
    z: Ints


class Errors(NamedTuple):
    """Errors of one layer's columns or neurons: ``codes * 2^exponent``, codes (M,)."""

    codes: Ints
    exponent: int


class Learner:
    """Plain-NumPy model of in-situ learning: updates the devices of a learning program,
    sample by sample.

    ``seed``: of read noise, trains and pulses: update i under a seed does the same
    whatever ran before it. ``states``: one array (K + 1, M) a layer to go on with;
    None: the program's own. ``noise``: False turns read noise off, forward and
    backward; devices stay as they are.
    """

    def __init__(
        self,
        learning: Learning,
        *,
        seed: int = 0,
        states: Sequence[IntArray] | None = None,
        noise: bool = True,
    ) -> None:
        require(0 <= seed < 1 << 64, "seed", seed, "0..2^64-1", SpecError)
        self.learning, self.seed, self.noise = learning, seed, noise
        states_given = [layer.states for layer in learning.layers] if states is None else states
        self.states = [s.astype(np.int64) for s in states_given]
        self.own: list[Constants] = []
        for i, layer in enumerate(learning.layers):
            key = key_of(learning.die_seed, spec.DOMAIN_DEVICE, i, 0)
            rows, columns = np.arange(layer.rows)[:, None], np.arange(layer.columns)
            inputs = learning.program.layers[i].inputs
            # The devices' laws, each with the first row of states to which it applies:
            # the layer's own devices, the neurons' ECRAMs, then the rows that the
            # learning rule adds.
            laws = [(layer.devices, 0)]
            laws += [] if layer.tuned is None else [(layer.tuned.devices, inputs + 1)]
            laws += [] if layer.transfer is None else [(layer.transfer.devices, layer.fast_row(inputs))]
            ends = [*(first for _, first in laws[1:]), layer.rows]
            parts = [
                constants(law, key, rows[first:end], columns)
                for (law, first), end in zip(laws, ends, strict=True)
            ]
            self.own.append(Constants(*(np.vstack(same) for same in zip(*parts, strict=True))))

    def program(self) -> Program:
        """Return the inference program that the devices compute at their present states."""
        return program_of(self.learning, self.states)

    def learn(self, x: npt.NDArray[np.uint8], labels: IntArray, *, first_update: int = 0) -> Counts:
        """Do one update for each sample and return the counts of updates, right answers
        and pulses; updates are numbered from ``first_update``.

        Raises SpecError when shapes, types or classes do not fit; nothing is changed
        then. ``x``, ``labels``: codes uint8 (n, inputs), and classes (n,).
        """
        check_samples(self.learning, x, labels)
        total = Counts(0, 0, (0,) * len(self.states))
        for i, (sample, label) in enumerate(zip(x, labels, strict=True)):
            total += self._update(sample, int(label), (first_update + i) & 0xFFFFFFFF)
        return total

    def _update(self, x: npt.NDArray[np.uint8], label: int, update: int) -> Counts:
        program = self.program()
        activity = self._forward(program, x, update)
        errors, of_neurons = self._errors(program, activity, label, update)
        pulses = tuple(
            self._pulse(i, activity.x[i], errors[i], update) + self._tune(i, of_neurons[i], update)
            for i in range(len(self.states))
        )
        return Counts(1, int(int(activity.z.argmax()) == label), pulses)

    def _forward(self, program: Program, x: npt.NDArray[np.uint8], update: int) -> Forward:
        inputs, voltages, y, z = [], [], x, np.zeros(0, np.int64)
        draw = Draw(self.seed, np.array([update], np.int64), self.noise)
        codes = Codes.of(program, draw)
        for i, product in enumerate(program.products):
            layer = product.layer
            inputs.append(np.append(y, np.uint8(INPUT_MAX)))
            z = codes.sums(i, product, y[None], draw)[0]
            voltages.append(preneuron(z, layer))
            y = neuron(voltages[-1], layer, program.curve_base, program.curve_slope)
        return Forward(inputs, voltages, y, z)

    def _errors(
        self, program: Program, seen: Forward, label: int, update: int
    ) -> tuple[list[Errors], list[Errors | None]]:
        """Return the errors of every layer's columns, and those of its neurons' ECRAMs
        (None if these are not tuned)."""
        error, exponent = output_error(seen.y, label), 0
        errors = [Errors(error, exponent)]
        of_neurons: list[Errors | None] = [None]
        for i in reversed(range(1, len(self.states))):
            layer, before = self.learning.layers[i], program.layers[i - 1]
            key = key_of(self.seed, spec.DOMAIN_BACK, i, update) if self.noise else None
            c = converted(row_sums(program.layers[i].weights, error), error, layer, key)
            shift = self.learning.layers[i - 1].slope_shift
            change = derivative(seen.v[i - 1], before, program.curve_base, program.curve_slope, shift)
            tuned = self.learning.layers[i - 1].tuned
            of_neurons.append(None)
            if tuned is not None:
                moved = state_change(seen.v[i - 1], before, tuned, program.curve_base, program.curve_slope)
                its_error, its_more = hidden_error(c, moved)
                of_neurons[-1] = Errors(its_error, exponent + its_more)
            error, more = hidden_error(c, change)
            exponent += more
            errors.append(Errors(error, exponent))
        return errors[::-1], of_neurons[::-1]

    def _pulse(self, i: int, x: npt.NDArray[np.uint8], errors: Errors, update: int) -> int:
        """Apply one update to the devices of layer ``i``; return the number of pulses."""
        layer, slots = self.learning.layers[i], self.learning.slots
        rows = trains(
            row_thresholds(x, layer.row_rate, layer.row_shift),
            key_of(self.seed, spec.DOMAIN_TRAIN, i, update, spec.ROWS),
            slots,
        )
        columns = trains(
            column_thresholds(*errors, layer.column_rate, layer.column_shift),
            key_of(self.seed, spec.DOMAIN_TRAIN, i, update, spec.COLUMNS),
            slots,
        )
        count = coincidences(rows, columns)
        k, m = np.nonzero(count)
        pulses, up, transfer = count[k, m], errors.codes[m] > 0, layer.transfer
        if transfer is None:
            return self._move(i, layer.devices, Pulses(k, m, pulses, up), update)
        fast = layer.fast_row(len(x) - 1)
        if isinstance(transfer, Tiles):
            moved = self._move(i, transfer.devices, Pulses(k + fast, m, pulses, up), update)
            return moved + self._pass_on(i, transfer, fast, len(x), update)
        up ^= transfer.turned(k, len(x), update)
        moved = self._move(i, transfer.devices, Pulses(k + fast, m, pulses, up), update)
        return (
            moved if (update + 1) % transfer.every else moved + self._carry(i, transfer, fast, len(x), update)
        )

    def _pass_on(self, i: int, tiles: Tiles, fast: int, height: int, update: int) -> int:
        """Read the row of each tile whose turn it is, and pulse the same row of the
        tile before it in proportion to the reading, beginning with the last tile;
        return the number of pulses. Each tile occupies ``height`` rows of states; the
        last tile begins at row ``fast``."""
        layer, s, pulses = self.learning.layers[i], self.states[i], 0
        for block in range(tiles.count):
            row = tiles.due(block, height, update)
            if row is None:
                continue
            source = fast + block * height + row
            states = self._reading(i, source, block, tiles.read_sigma, update)
            read = weights_of(states - s[source + tiles.count * height]).astype(np.int64)
            own = block == tiles.count - 1
            law, target = (layer.devices, row) if own else (tiles.devices, source + height)
            key = key_of(self.seed, spec.DOMAIN_TRAIN, i, update, spec.TILES + block)
            drawn = self._row_pulses(target, Errors(read, 0), tiles.rate, tiles.shift, key)
            pulses += self._move(i, law, drawn, update)
        return pulses

    def _carry(self, i: int, transfer: Transfer, fast: int, height: int, update: int) -> int:
        """Read the row of fast devices whose turn it is, add the reading to that row's
        accumulators, and pulse the own devices of layer ``i`` by the accumulated
        amount; return the number of pulses. The fast devices occupy ``height`` rows of
        states from row ``fast`` on."""
        layer, s, row = self.learning.layers[i], self.states[i], update // transfer.every % height
        states = self._reading(i, fast + row, 0, transfer.read_sigma, update)
        read = weights_of(states - s[fast + 2 * height + row])
        if transfer.turns(row, height, update):
            s[fast + 2 * height + row] = weights_of(states).astype(np.int64) << spec.CODE_SHIFT
        total = s[fast + height + row] + (-read if transfer.turned(row, height, update) else read)
        pulse_counts = np.minimum(np.abs(total) // transfer.threshold, spec.SLOTS_MAX)
        s[fast + height + row] = clip(
            total - np.sign(total) * pulse_counts * transfer.threshold, spec.STATE_MIN, spec.STATE_MAX
        )
        (m,) = np.nonzero(pulse_counts)
        pulses = Pulses(np.full(len(m), row), m, pulse_counts[m], total[m] > 0)
        return self._move(i, layer.devices, pulses, update)

    def _reading(self, i: int, row: int, block: int, read_sigma: int, update: int) -> Ints:
        """Return the states (M,) of one row of layer ``i``'s fast devices or tiles,
        with read noise. ``block`` is the number of the tile, 0 for fast devices."""
        states: Ints = self.states[i][row]
        if not self.noise or not read_sigma:
            return states
        key = key_of(self.seed, spec.DOMAIN_BACK, i, update, spec.READINGS + block)
        return noise(states, np.array([read_sigma]), gaussian(key[None], np.arange(len(states)))[0])

    def _move(self, i: int, law: Devices, pulses: Pulses, update: int) -> int:
        """Apply ``pulses`` to the devices of layer ``i``; return the total number of pulses."""
        at = pulses.row, pulses.column
        s, constants = self.states[i], Constants(*(values[at] for values in self.own[i]))
        key = key_of(self.seed, spec.DOMAIN_CYCLE, i, update)
        s[at] = pulsed(s[at], pulses, constants, law, key)
        return int(pulses.number.sum())

    def _tune(self, i: int, errors: Errors | None, update: int) -> int:
        """Pulse the ECRAMs of layer ``i``'s neurons by random pulse trains in
        proportion to their ``errors``; return the number of pulses."""
        tuned = self.learning.layers[i].tuned
        if tuned is None:
            return 0
        assert errors is not None, "every layer with ECRAMs has errors of its neurons"
        row = self.learning.program.layers[i].inputs + 1
        key = key_of(self.seed, spec.DOMAIN_TRAIN, i, update, spec.NEURONS)
        pulses = self._row_pulses(row, errors, tuned.rate, tuned.shift, key)
        return self._move(i, tuned.devices, pulses, update)

    def _row_pulses(self, row: int, errors: Errors, rate: int, shift: int, key: U16) -> Pulses:
        """Draw random pulse trains in proportion to ``errors`` from the random stream
        ``key``; return their pulses as those of the devices of one row. ``rate`` and
        ``shift`` set the pulse probability."""
        train = trains(column_thresholds(*errors, rate, shift), key, self.learning.slots)
        count = np.bitwise_count(train).astype(np.int64)
        (m,) = np.nonzero(count)
        return Pulses(np.full(len(m), row), m, count[m], errors.codes[m] > 0)

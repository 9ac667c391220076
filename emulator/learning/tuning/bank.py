"""The ECRAMs of a layer's neurons: each a device of its own, moved by pulses and by nothing else."""

import numpy as np

from emulator.device.description import Ecram
from emulator.device.ecram.pulses import LinearStep
from emulator.spec.arrays import Bools, Floats, Ints


class EcramBank:
    """``len(states)`` devices of one chip description, drawn with their device-to-device spread.

    ``ecram``: the description; its model is not ``none``. ``states``: where the devices are, float64 (n,) in
    0..1 of the nominal range. ``rng``: draws the devices, then the noise of every pulse.
    """

    def __init__(self, ecram: Ecram, states: Floats, rng: np.random.Generator) -> None:
        nominal = ecram.device
        assert nominal is not None
        self.nominal, self._model, self._rng = nominal, nominal, rng
        self._span = nominal.high - nominal.low
        if isinstance(nominal, LinearStep):
            self._model = nominal.population(ecram.spread, len(states), rng)
        self._w = np.clip(self._at(np.asarray(states, np.float64)), self._model.low, self._model.high)
        self.pulses = np.zeros(len(states), np.int64)
        """Pulses every device has taken."""

    @property
    def states(self) -> Floats:
        """States as a read of the channel shows them, 0..1 of the nominal range, (n,)."""
        return np.asarray(np.clip((self._w - self.nominal.low) / self._span, 0.0, 1.0), np.float64)

    def _at(self, states: Floats) -> Floats:
        return self.nominal.low + states * self._span

    def step_sizes(self, up: Bools) -> Floats:
        """What the nominal device's next pulse does at these states, as a change of state > 0, (n,)."""
        w = self._at(self.states)
        moved = np.where(up, self.nominal.pulse(w, True), self.nominal.pulse(w, False))
        return np.asarray(np.abs(moved - w) / self._span, np.float64)

    def pulse(self, counts: Ints) -> None:
        """Apply pulses: ``counts`` int64 (n,), positive up, negative down."""
        for i in range(int(np.abs(counts).max(initial=0))):
            up = self._model.pulse(self._w, True, self._rng)
            down = self._model.pulse(self._w, False, self._rng)
            self._w = np.where(counts > i, up, np.where(-counts > i, down, self._w))
        self.pulses += np.abs(counts)

    def toward(self, change: Floats, limit: int) -> Ints:
        """Pulse counts that move the states by ``change`` (n,), by the nominal law at the present states.

        The fraction of a pulse is rounded up or down at random, so that small changes add up; no device gets
        more than ``limit``.
        """
        size = np.maximum(self.step_sizes(change > 0), 1e-9)
        wanted = np.clip(change / size, -limit, limit)
        return np.asarray(np.floor(wanted + self._rng.random(len(wanted))), np.int64).clip(-limit, limit)

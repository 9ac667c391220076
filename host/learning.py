"""learning: a device that learns, in packets like any other: an INFER is an update."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.learning import Counts
from ndrite.emulator.spec.learning_map import LAYER_WORDS, LEARNING_MAP, MAGIC_LEARNING, RUN
from ndrite.emulator.spec.memory_map import Section, address
from ndrite.host.device import Device
from ndrite.host.errors import NotProgrammedError, ProtocolError


class LearningDevice(Device):
    """A device with a learning core. Raises as ``Device``."""

    magic = MAGIC_LEARNING
    register_maps = (LEARNING_MAP, LEARNING_MAP)

    def load_learning(self, sections: list[Section], tag: int, *, seed: int, noise: bool) -> None:
        """Write a learning program, laid out in ``sections``, and verify it by CRCs made in gateware.

        Raises
        ------
        VerifyError
            A section reads back other than written.
        """
        self.write_register("program_tag", 0)
        self._write_until_equal(sections, self._channel.differing(sections), None)
        self._set_noise(seed, noise)
        self.write_register("program_tag", tag)

    def update(
        self, x: npt.NDArray[np.uint8], labels: npt.NDArray[Any], first_update: int, layers: int, tag: int
    ) -> Counts:
        """An update for each sample uint8 (n, inputs) and class (n,), from number ``first_update`` on.

        Raises
        ------
        NotProgrammedError
            The chip does not hold the program of this ``tag`` any more.
        """
        if self.read_register("program_tag") != tag:
            raise NotProgrammedError("the chip no longer holds this learning program; program it again")
        where = address("layers", self.geometry.layers * LAYER_WORDS + RUN.index("next"))
        first = np.array([first_update & 0xFFFFFFFF], np.uint32).view(np.int32)
        self._channel.write([Section("next", where, first)], lambda more: None)
        label = labels.astype("<u2").view(np.uint8).reshape(len(labels), 2)
        payload = np.ascontiguousarray(np.concatenate([label, x], axis=1))
        y = np.zeros((len(x), 1 + layers), np.int32)
        self._channel.infer(payload, first_update, y, lambda more: None)
        if (y[:, 0] < 0).any():
            raise ProtocolError("the device was asked for updates that are not its next ones")
        pulses = tuple(int(v) for v in y[:, 1:].sum(axis=0, dtype=np.int64))
        return Counts(len(x), int(y[:, 0].sum()), pulses)

    def read_lanes(self, places: Sequence[Sequence[tuple[int, int]]]) -> list[npt.NDArray[np.int64]]:
        """States (rows, lanes) of every layer, whose lanes lie at (address, words)."""
        return [
            np.stack([self.read_words(first, count) for first, count in layer], axis=1).astype(np.int64)
            for layer in places
        ]

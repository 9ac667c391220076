"""learning: a device that learns; an update is an INFER packet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.learning import Counts
from ndrite.emulator.spec.learning_map import (
    LAYER_WORDS,
    LEARNING_MAP,
    MAGIC_LEARNING,
    RUN,
    STEP_TABLES_MAP,
)
from ndrite.emulator.spec.memory_map import Section, address
from ndrite.host.device import Device
from ndrite.host.errors import InputError, ProtocolError


@dataclass(eq=False)
class Portion:
    """The updates of one call of ``update``. ``payload`` (n, codes) are their samples;
    the first has update number ``first``. The first ``answered`` rows of ``answers``
    (n, 1 + layers) are filled."""

    first: int
    payload: npt.NDArray[np.uint8]
    answers: npt.NDArray[np.int32]
    answered: int = 0

    def counts(self, updates: int) -> Counts:
        """Add up the answers to the first ``updates`` updates. Raises ProtocolError if
        the device refused one of these updates."""
        answers = self.answers[:updates]
        refused = np.flatnonzero(answers[:, 0] < 0)
        if refused.size:
            raise ProtocolError(
                f"the device refused update {self.first + refused[0]}, which is not the next one to do; load "
                "the learning program again with program_learning() and repeat the updates"
            )
        pulses = tuple(int(v) for v in answers[:, 1:].sum(axis=0))
        return Counts(updates, int(answers[:, 0].sum()), pulses)


class LearningDevice(Device):
    """A device with a learning core, driven by the host. Raises the same errors as ``Device``.

    A call of ``update`` that fails leaves its portion here. The device counts its
    updates itself and answers the latest ones again without repeating them; there are
    more of these than a window holds. So the updates after the last answer are asked
    for again, and each of them is done once.
    """

    magic = MAGIC_LEARNING
    register_maps = (LEARNING_MAP, STEP_TABLES_MAP)

    _tag = 0
    _layers = 0
    _portion: Portion | None = None

    def load_learning(
        self, sections: list[Section], tag: int, layers: int, *, seed: int, noise: bool
    ) -> None:
        """Write a learning program of ``layers`` layers, which is laid out in
        ``sections`` of memory words, and verify it by CRCs that the device computes.

        Raises
        ------
        VerifyError
            A section reads back other than written.
        """
        self._portion = None
        self.write_register("program_tag", 0)
        self._write_until_equal(sections, self._channel.differing(sections), None)
        self._set_noise(seed, noise)
        self.write_register("program_tag", tag)
        self._tag, self._layers = tag, layers

    def update(self, x: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], first_update: int) -> Counts:
        """Do one training update per sample uint8 (n, inputs) with its class (n,),
        numbered from ``first_update`` on.

        After a call that failed: the same call, which goes on, or one that begins with
        the device's next update.

        Raises
        ------
        InputError
            The call before failed, and this one is neither.
        NotProgrammedError
            The chip does not hold the learning program any more.
        """
        self._require_learning()
        label = labels.astype("<u2").view(np.uint8).reshape(len(labels), 2)
        payload = np.ascontiguousarray(np.concatenate([label, x], axis=1))
        first, before = first_update & 0xFFFFFFFF, self._portion
        if before is None or before.first != first or not np.array_equal(before.payload, payload):
            if before is not None and (following := self._next()) != first:
                raise InputError(
                    f"first_update is {first}, and {len(before.payload)} updates from update {before.first} "
                    f"on were interrupted before update {following}; accepted: the same samples from update "
                    f"{before.first} on, others from update {following} on, or program_learning() first"
                )
            number = np.array([first], np.uint32).view(np.int32)
            self._channel.write([Section("next", self._next_address, number)], lambda more: None)
            self._portion = Portion(first, payload, np.zeros((len(x), 1 + self._layers), np.int32))
        counts = self._ask(len(x)).counts(len(x))
        self._portion = None
        return counts

    def updates_done(self) -> Counts:
        """Return how many updates the last call of ``update`` did before it failed, as
        the device reports, and the counts of these updates.

        Raises
        ------
        NotProgrammedError
            The chip does not hold the learning program any more.
        """
        self._require_learning()
        if self._portion is None:
            return Counts(0, 0, (0,) * self._layers)
        following, updates = self._next(), len(self._portion.payload)
        done = (following - self._portion.first) & 0xFFFFFFFF
        if not self._portion.answered <= done <= updates:
            first = self._portion.first
            raise ProtocolError(
                f"the device's next update is {following}; accepted after an interrupted call of {updates} "
                f"updates from update {first} on: {first}..{first + updates}; load the learning program "
                "again with program_learning()"
            )
        return self._ask(done).counts(done)

    def read_lanes(self, places: Sequence[Sequence[tuple[int, int]]]) -> list[npt.NDArray[np.int64]]:
        """Read the device states (rows, lanes) of every layer. ``places`` has, for each
        lane of each layer, the address and the number of words.

        Raises
        ------
        NotProgrammedError
            The chip does not hold the learning program any more.
        """
        states = [
            np.stack([self.read_words(first, count) for first, count in layer], axis=1).astype(np.int64)
            for layer in places
        ]
        self._require_learning()  # checked after reading: a device that lost power reads as zeros
        return states

    def _ask(self, updates: int) -> Portion:
        """Request those of the portion's first ``updates`` updates that have not
        been answered yet."""
        portion = self._portion
        assert portion is not None
        begin = portion.answered

        def counted(more: int) -> None:
            portion.answered += more

        self._channel.infer(
            portion.payload[begin:updates],
            (portion.first + begin) & 0xFFFFFFFF,
            portion.answers[begin:updates],
            counted,
        )
        return portion

    def _require_learning(self) -> None:
        self._require_held(self._tag, "to learn")

    @property
    def _next_address(self) -> int:
        return address("layers", self.geometry.layers * LAYER_WORDS + RUN.index("next"))

    def _next(self) -> int:
        """Return the number of the update that the device will do next."""
        return self.read_words(self._next_address, 1).item() & 0xFFFFFFFF

"""A double of a device that learns: registers, memories and the rule of updates; its
updates are golden."""

from collections import OrderedDict
from typing import Any

import numpy as np

from ndrite.emulator.backend.learning import state_places
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.learning import Learning
from ndrite.emulator.spec.learning_map import (
    LABEL_CODES,
    LAYER_WORDS,
    LEARNING_MAP,
    MAGIC_LEARNING,
    REMEMBERED,
    RUN,
    STEP_TABLES_MAP,
)
from ndrite.emulator.spec.memory_map import address
from ndrite.emulator.spec.packets import Opcode, Status
from ndrite.host.packets import Request
from tests.host.responder import Responder
from tests.stimulus import dense


class LearningResponder(Responder):
    """INFER is an update of ``learning``, whose states, seed and number of the next
    update are as written."""

    def __init__(self, geometry: Geometry, learning: Learning) -> None:
        super().__init__(geometry)
        self.set("magic", MAGIC_LEARNING)
        self.set("register_map", STEP_TABLES_MAP if geometry.step_tables else LEARNING_MAP)
        self.learning = learning
        self.next_at = address("layers", geometry.layers * LAYER_WORDS + RUN.index("next"))
        self._places = state_places(learning, geometry)
        self._learner: Any = None
        self._answers: OrderedDict[int, bytes] = OrderedDict()
        self.updates = 0

    def _execute(self, r: Request) -> tuple[Status, bytes]:
        if r.opcode in (Opcode.INFER, Opcode.INFER_SPARSE):
            return self._update(r)
        self._put_states()
        if r.opcode in (Opcode.WRITE, Opcode.WRITE_SHORT):
            self._learner = None
        if r.opcode == Opcode.WRITE and r.address == self.next_at:
            self._answers.clear()
        return super()._execute(r)

    def _update(self, r: Request) -> tuple[Status, bytes]:
        if not self.get("program_tag"):
            return Status.NOT_PROGRAMMED, b""
        size = LABEL_CODES + self.learning.program.inputs
        payload = np.frombuffer(r.payload, np.uint8) if r.opcode == Opcode.INFER else dense(r.payload, size)
        if payload is None or len(payload) != size:
            return Status.BAD_LENGTH, b""
        if r.address == self.word(self.next_at):
            label = payload[:LABEL_CODES].copy().view("<u2").astype(np.int64)
            counts = self._learn().learn(payload[None, LABEL_CODES:], label, first_update=r.address)
            self.words[self.next_at] = (r.address + 1) & 0xFFFFFFFF
            self.updates += 1
            self._answers[r.address] = np.array([counts.right, *counts.pulses], "<i4").tobytes()
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        refusal = np.full(1 + len(self.learning.layers), -1, "<i4").tobytes()
        return Status.OK, self._answers.get(r.address, refusal)

    def _learn(self) -> Any:
        """The golden learner that goes on from the words in the memories."""
        if self._learner is None:
            states = [
                np.stack(
                    [np.array([self.word(at + k) for k in range(count)], np.uint32) for at, count in lanes],
                    1,
                )
                for lanes in self._places
            ]
            self._learner = make_learner(
                self.learning,
                seed=self.get("seed_low") | self.get("seed_high") << 32,
                states=[s.view(np.int32).astype(np.int64) for s in states],
                noise=bool(self.get("noise_enable")),
            )
        return self._learner

    def _put_states(self) -> None:
        """Let the memories hold where the pulses have moved the devices."""
        if self._learner is None:
            return
        for lanes, states in zip(self._places, self._learner.states, strict=True):
            for (at, count), lane in zip(lanes, np.asarray(states).T, strict=True):
                for k in range(count):
                    self.words[at + k] = int(lane[k]) & 0xFFFFFFFF

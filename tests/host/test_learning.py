"""The host of a device that learns: every update is done once, or the device is
programmed again."""

from typing import Any

import numpy as np
import pytest

from ndrite.boards.learning import LearningBoard
from ndrite.boards.sim.sizing import sized_learning
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.packets import Status
from ndrite.host import ProtocolError
from ndrite.host.packets import Request
from tests.host.learning_responder import LearningResponder
from tests.host.responder import ResponderLink
from tests.random_learning import random_learning
from tests.stimulus import random_inputs


class Disturbed(LearningResponder):
    """After update 5 another host sets the number of the next update to 20."""

    other_host = True

    def _update(self, r: Request) -> tuple[Status, bytes]:
        answer = super()._update(r)
        if r.address == 5 and self.other_host:
            self.words[self.next_at] = 20
        return answer


def test_updates_are_not_repeated_after_one_was_refused() -> None:
    rng = np.random.default_rng(0)
    learning = random_learning(Geometry(rows=16, lanes=16, curves=16), rng, sizes=(20, 8, 5))
    device = Disturbed(sized_learning(learning), learning)
    x, labels = random_inputs(learning.program, rng, 10), rng.integers(0, 5, 10)
    with LearningBoard(ResponderLink(device)) as board:
        board.program_learning(learning)
        board.learn(x[:4], labels[:4])
        rest: dict[str, Any] = {"x": x[4:], "labels": labels[4:], "first_update": 4}
        for _ in range(2):
            with pytest.raises(ProtocolError, match=r"refused update 6, .* again with program_learning\(\)"):
                board.learn(**rest)
        with pytest.raises(ProtocolError, match="next update is 20"):
            board.unfinished()
        assert device.updates == 6
        board.program_learning(learning)
        device.other_host = False
        assert board.learn(x, labels) == make_learner(learning).learn(x, labels)

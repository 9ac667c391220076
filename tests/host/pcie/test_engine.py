"""The driver's rings on a card of paper: indices that wrap, records of before, records half written."""

import numpy as np
import pytest

from ndrite.emulator.spec import pcie
from ndrite.emulator.spec.packets import Status
from ndrite.host import LinkTimeout
from ndrite.host.links.pcie.device import DmaMemory
from ndrite.host.links.pcie.engine import Engine, Job

NAMES = ("engine_magic", "control", "state", "ring_low", "records_low", "ring_log2", "producer")
REGISTERS = {pcie.engine_offset(name): name for name in NAMES}


class PaperCard:
    """Carries out a job with every ``wait``: its result is what ``value_of`` makes of its index.

    With ``torn`` a record comes in two halves, one a wait; with ``deaf`` none comes at all.
    """

    name = "paper card"

    def __init__(self) -> None:
        self.registers = dict.fromkeys(NAMES, 0) | {"engine_magic": pcie.ENGINE_MAGIC}
        self.consumer = 0
        self.torn = self.deaf = False
        self.half: tuple[int, bytes] | None = None
        self.memories: list[DmaMemory] = []
        self.seconds = 0.0

    def read(self, offset: int) -> int:
        return self.registers.get(REGISTERS.get(offset, ""), 0)

    def write(self, offset: int, value: int) -> None:
        name = REGISTERS.get(offset, "")
        self.registers[name] = value
        if name == "control" and value & pcie.CONTROL_RESET:
            self.consumer = self.registers["producer"] = 0

    def memory(self, size: int) -> DmaMemory:
        # Not as it came from the system: a card has been there before.
        self.memories.append(DmaMemory(np.zeros(size, np.uint8), 4096 * (1 + 100 * len(self.memories))))
        return self.memories[-1]

    def wait(self, seconds: float) -> None:
        self.seconds += 0.1
        records = self._at("records_low")
        if self.half is not None:
            place, rest = self.half
            records[place : place + len(rest)] = np.frombuffer(rest, np.uint8)
            self.half = None
        elif not self.deaf and self.consumer != self.registers["producer"]:
            entry = self.consumer % (1 << self.registers["ring_log2"])
            raw = self._at("ring_low")[32 * entry : 32 * entry + 32].tobytes()
            *_, destination, first_index, _, _ = pcie.DESCRIPTOR_LAYOUT.unpack(raw)
            result = np.array([value_of(first_index)], "<u4").view(np.uint8)
            next(m.data for m in self.memories if m.address == destination)[:4] = result
            record = pcie.RECORD_LAYOUT.pack(self.consumer, Status.OK, self.consumer)
            part = 8 if self.torn else 16
            records[16 * entry : 16 * entry + part] = np.frombuffer(record[:part], np.uint8)
            self.half = (16 * entry + 8, record[8:]) if self.torn else None
            self.consumer = (self.consumer + 1) & 0xFFFFFFFF

    def _at(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        return next(m.data for m in self.memories if m.address == self.registers[name])

    def now(self) -> float:
        return self.seconds

    def close(self) -> None:
        pass


def value_of(index: int) -> int:
    return (0x9E3779B1 * (index + 1)) & 0xFFFFFFFF


def answers(engine: Engine, first: int, count: int) -> None:
    """Jobs of inferences from ``first`` on have the card's results, in order."""
    got: list[int] = []
    jobs = (Job(1, index, b"x", 1, 1) for index in range(first, first + count))
    engine.run(jobs, lambda i, raw: got.append(int.from_bytes(raw, "little")))
    assert got == [value_of(index) for index in range(first, first + count)]


@pytest.mark.parametrize("torn", [False, True])
def test_index_counts_on_beyond_a_byte_and_records_come_in_halves(torn: bool) -> None:
    card = PaperCard()
    engine = Engine(card, timeout_s=2)
    card.torn = torn
    answers(engine, 5, 300)
    assert card.consumer == 300
    # And from one run to the next.
    answers(engine, 0, 3)


def test_records_of_before_a_reset_are_nobody_s() -> None:
    card = PaperCard()
    engine = Engine(card, timeout_s=2)
    answers(engine, 0, 3)
    engine.reset()
    answers(engine, 70, 3)
    # Nor when the card does nothing at all.
    card.deaf = True
    for _ in range(2):
        with pytest.raises(LinkTimeout, match="no progress for 2 s"):
            answers(engine, 0, 1)
    card.deaf = False
    answers(engine, 9, 2)

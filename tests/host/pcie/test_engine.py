"""The driver's rings on a card of paper: indices that wrap, records of before, records half written."""

from collections.abc import Iterator

import numpy as np
import pytest

from emulator.spec.packets import Opcode, Status
from emulator.spec.pcie import (
    CONTROL_RESET,
    DESCRIPTOR_LAYOUT,
    ENGINE_MAGIC,
    RECORD_LAYOUT,
    engine_offset,
)
from host import LinkTimeout
from host.links.pcie.device import DmaMemory
from host.links.pcie.engine import Engine, Job

NAMES = ("engine_magic", "control", "state", "ring_low", "records_low", "ring_log2", "producer")
REGISTERS = {engine_offset(name): name for name in NAMES}


class PaperCard:
    """Carries out a job with every ``wait``: its value is what ``value_of`` makes of its address.

    With ``torn`` a record comes in two halves, one a wait; with ``deaf`` none comes at all.
    """

    name = "paper card"

    def __init__(self) -> None:
        self.registers = dict.fromkeys(NAMES, 0) | {"engine_magic": ENGINE_MAGIC}
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
        if name == "control" and value & CONTROL_RESET:
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
            opcode, *_, address, _, _ = DESCRIPTOR_LAYOUT.unpack(raw)
            record = RECORD_LAYOUT.pack(self.consumer, Status.OK, opcode, 0, value_of(address), self.consumer)
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


def value_of(address: int) -> int:
    return (0x9E3779B1 * (address + 1)) & 0xFFFFFFFF


def checks(first: int, count: int) -> Iterator[Job]:
    return (Job(Opcode.CHECK, 1, address) for address in range(first, first + count))


def values(engine: Engine, jobs: Iterator[Job]) -> list[int]:
    got: list[int] = []
    engine.run(jobs, lambda i, raw, value: got.append(value))
    return got


@pytest.mark.parametrize("torn", [False, True])
def test_index_counts_on_beyond_a_byte_and_records_come_in_halves(torn: bool) -> None:
    card = PaperCard()
    engine = Engine(card, timeout_s=2)
    card.torn = torn
    assert values(engine, checks(5, 300)) == [value_of(address) for address in range(5, 305)]
    assert card.consumer == 300
    # And from one run to the next.
    assert values(engine, checks(0, 3)) == [value_of(address) for address in range(3)]


def test_records_of_before_a_reset_are_nobody_s() -> None:
    card = PaperCard()
    engine = Engine(card, timeout_s=2)
    assert values(engine, checks(0, 3)) == [value_of(address) for address in range(3)]
    engine.reset()
    assert values(engine, checks(70, 3)) == [value_of(address) for address in range(70, 73)]
    # Nor when the card does nothing at all.
    card.deaf = True
    with pytest.raises(LinkTimeout, match="no progress for 2 s"):
        values(engine, checks(0, 1))
    with pytest.raises(LinkTimeout, match="no progress for 2 s"):
        values(engine, checks(0, 1))
    card.deaf = False
    assert values(engine, checks(9, 2)) == [value_of(9), value_of(10)]

"""The driver on a card of paper: rings that wrap, records of before and half written,
jobs, words, faults."""

import numpy as np
import pytest

from ndrite.emulator.spec import PRESETS, pcie
from ndrite.emulator.spec.memory_map import Section, address
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.pcie import EngineError
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.host import DeviceError, IdentityError, LinkError, LinkTimeout, ProtocolError
from ndrite.host.links.pcie import PcieChannel
from ndrite.host.links.pcie.device import DmaMemory
from ndrite.host.links.pcie.engine import Engine, Job

NAMES = tuple(pcie.ENGINE_BY_NAME)
REGISTERS = {pcie.engine_offset(name): name for name in NAMES}


class PaperCard:
    """Carries out a job with every ``wait``: its results are what ``answer`` makes of
    samples and indices.

    With ``torn`` a record comes in two halves, one a wait; with ``deaf`` none
    comes at all. ``words`` are those of BAR0 but for the engine's; the ones from
    ``end`` on do not exist.
    """

    name = "paper card"

    def __init__(self) -> None:
        self.registers = dict.fromkeys(NAMES, 0) | {"engine_magic": pcie.ENGINE_MAGIC}
        self.consumer = 0
        self.torn = self.deaf = False
        self.half: tuple[int, bytes] | None = None
        self.memories: list[DmaMemory] = []
        self.seconds = 0.0
        self.words: dict[int, int] = {}
        self.end = 1 << 30
        self.status = Status.OK
        self.ahead = 0
        self.closed = False

    def read(self, offset: int) -> int:
        if offset >= self.end:
            self.registers["bad_nonposted"] += 1
            return 0xFFFFFFFF
        name = REGISTERS.get(offset, "")
        return self.registers[name] if name else self.words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        name = REGISTERS.get(offset, "")
        if offset >= self.end:
            self.registers["bad_posted"] += 1
        elif not name:
            self.words[offset] = value
        else:
            self.registers[name] = value
        if name == "producer":
            self.ahead = max(self.ahead, value - self.consumer)
        if name == "control" and value & pcie.CONTROL_RESET:
            self.consumer = self.registers["producer"] = 0

    def memory(self, size: int) -> DmaMemory:
        # Not as it came from the system: a card has been there before.
        place = (1 << 33) * (len(self.memories) % 2) + 4096 * (1 + 100 * len(self.memories))
        self.memories.append(DmaMemory(np.zeros(size, np.uint8), place))
        return self.memories[-1]

    def wait(self, seconds: float) -> None:
        self.seconds += 0.1
        if self.half is not None:
            place, rest = self.half
            records = self._at("records")
            records[place : place + len(rest)] = np.frombuffer(rest, np.uint8)
            self.half = None
        elif not self.deaf and self.consumer != self.registers["producer"]:
            records = self._at("records")
            entry = self.consumer % (1 << self.registers["ring_log2"])
            raw = self._at("ring")[32 * entry : 32 * entry + 32].tobytes()
            flags, count, source, target, first, inputs, outputs = pcie.DESCRIPTOR_LAYOUT.unpack(raw)
            assert flags == pcie.FLAG_INTERRUPT
            x = self._memory(source)[: count * inputs].reshape(count, inputs)
            self._memory(target)[: 4 * count * outputs] = answer(x, first, outputs).reshape(-1).view(np.uint8)
            record = pcie.RECORD_LAYOUT.pack(self.consumer, self.status, self.consumer)
            part = 8 if self.torn else 16
            records[16 * entry : 16 * entry + part] = np.frombuffer(record[:part], np.uint8)
            self.half = (16 * entry + 8, record[8:]) if self.torn else None
            self.consumer = (self.consumer + 1) & 0xFFFFFFFF

    def _at(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        return self._memory(self.registers[f"{name}_low"] | self.registers[f"{name}_high"] << 32)

    def _memory(self, place: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        return next(m.data for m in self.memories if m.address == place)

    def now(self) -> float:
        return self.seconds

    def close(self) -> None:
        self.closed = True


def answer(x: np.ndarray, first: int, outputs: int) -> np.ndarray:
    """Results u32 (n, outputs) of samples (n, inputs)."""
    index = np.arange(first, first + len(x)) & 0xFFFFFFFF
    values = 0x9E3779B1 * (index[:, None] + 1) + x.sum(axis=1, dtype=np.int64)[:, None] + np.arange(outputs)
    return (values & 0xFFFFFFFF).astype("<u4")


def answers(engine: Engine, first: int, count: int) -> None:
    """Jobs of inferences from ``first`` on have the card's results, in order."""
    got: list[tuple[int, bytes]] = []
    jobs = (Job(1, index, b"x", 1, 1) for index in range(first, first + count))
    engine.run(jobs, lambda i, raw: got.append((i, raw)))
    x = np.full((count, 1), ord("x"))
    assert got == [(i, row.tobytes()) for i, row in enumerate(answer(x, first, 1))]


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


@pytest.fixture
def card() -> PaperCard:
    return PaperCard()


@pytest.fixture
def channel(card: PaperCard) -> PcieChannel:
    channel = PcieChannel(card, timeout_s=2)
    channel.fit(PRESETS["tiny"], (1, 2))
    return channel


@pytest.mark.parametrize(
    ("count", "inputs", "outputs", "jobs"),
    # By 1024 inferences, by 2^18 bytes of samples, by as many of results; none.
    [(2500, 3, 5, 3), (600, 1000, 2, 3), (300, 4, 1000, 5), (1024, 256, 64, 1), (1, 7, 1, 1), (0, 7, 1, 0)],
)
def test_samples_go_in_as_few_jobs_as_memory_allows_one_ahead(
    card: PaperCard, channel: PcieChannel, count: int, inputs: int, outputs: int, jobs: int
) -> None:
    x = np.random.default_rng(count).integers(0, 256, (count, inputs), dtype=np.uint8)
    y, counted = np.zeros((count, outputs), np.int32), list[int]()
    channel.infer(x, (1 << 32) - 3, y, counted.append)
    np.testing.assert_array_equal(y, answer(x, (1 << 32) - 3, outputs).view(np.int32))
    assert (len(counted), sum(counted), card.consumer) == (jobs, count, jobs)
    assert card.ahead == min(jobs, 2)


def test_words_lie_where_their_region_does(
    card: PaperCard, channel: PcieChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndrite.host.links.pcie.channel.CHUNK_WORDS", 1000)
    words = np.arange(-5, 2500, dtype=np.int32)
    here, there = (Section(name, address(name), words) for name in ("weights", "bias"))
    counted: list[int] = []
    channel.write([here, there], counted.append)
    assert counted == [1000, 1000, 505] * 2
    first = pcie.region_bytes(PRESETS["tiny"])
    for section in (here, there):
        place = (section.address >> 24) * first
        assert [card.words[place + 4 * i] for i in (0, 5, 2504)] == [0xFFFFFFFB, 0, 2499]
    np.testing.assert_array_equal(channel.read(there.address + 2, 9), words[2:11])
    assert channel.differing([here, there]) == []
    card.words[place + 4] ^= 1
    assert channel.differing([here, there]) == [there]
    channel.write_register(BY_NAME["scratch"].address, 99)
    assert card.words[4 * BY_NAME["scratch"].address] == 99


def test_words_that_the_card_refuses_are_named(card: PaperCard, channel: PcieChannel) -> None:
    where = address("weights")
    card.end = pcie.region_bytes(PRESETS["tiny"]) + 8
    channel.write([Section("two", where, np.arange(2, dtype=np.int32))], lambda words: None)
    np.testing.assert_array_equal(channel.read(where, 2), [0, 1])
    for busy, why in ((0, "bad address"), (1, "busy")):
        card.words[4 * BY_NAME["campaign_busy"].address] = busy
        with pytest.raises(DeviceError, match=f"write of more at {where:#010x}: .*{why}"):
            channel.write([Section("more", where, np.arange(3, dtype=np.int32))], lambda words: None)
        with pytest.raises(DeviceError, match=f"read of 3 at {where:#010x}: .*{why}"):
            channel.read(where, 3)


FAULTS = [
    (EngineError.TIMEOUT, LinkTimeout, "infer of 1 from 7: the host's memory did not answer"),
    (EngineError.HUNG, DeviceError, "infer of 1 from 7: .*hung"),
    (EngineError.COMPLETION, LinkError, "was refused"),
    (EngineError.BUS_MASTER, LinkError, "bus mastering"),
    (EngineError.PRODUCER, LinkError, "producer"),
    (max(EngineError) + 1, LinkError, f"engine error {max(EngineError) + 1}"),
]


@pytest.mark.parametrize(("code", "error", "told"), FAULTS)
def test_a_halted_engine_says_why_and_is_reset_before_more(
    card: PaperCard, channel: PcieChannel, code: int, error: type[Exception], told: str
) -> None:
    engine = channel.engine
    answers(engine, 0, 2)
    card.deaf, card.registers["state"] = True, 0b10 | code << 8
    with pytest.raises(error, match=told):
        engine.run([Job(1, 7, b"x", 1, 1)], lambda i, raw: None)
    resets = []
    plain = card.write

    def write(offset: int, value: int) -> None:
        plain(offset, value)
        if REGISTERS.get(offset) == "control" and value & pcie.CONTROL_RESET:
            resets.append(value)
            card.registers["state"] = 0

    card.write, card.deaf = write, False  # type: ignore[method-assign]
    channel.read(0, 1)
    assert not resets
    channel.read(address("bias"), 1)  # memories are closed while work is under way
    assert len(resets) == 1
    answers(engine, 3, 5)
    answers(engine, 8, 1)
    assert len(resets) == 1
    engine.close()
    engine.close()
    assert len(resets) == 2


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [(Status.NOT_PROGRAMMED, DeviceError, "infer of 1 from 7"), (99, ProtocolError, "status 99")],
)
def test_a_refused_job_is_an_error(card: PaperCard, status: int, error: type[Exception], told: str) -> None:
    card.status = status  # type: ignore[assignment]
    with pytest.raises(error, match=told):
        Engine(card, timeout_s=2).run([Job(1, 7, b"x", 1, 1)], lambda i, raw: None)


def test_progress_in_the_count_of_inferences_keeps_a_job_alive(card: PaperCard) -> None:
    """A wait is a tenth of a second; the job of five seconds goes on while the count does."""
    engine, waits = Engine(card, timeout_s=2), []
    plain = card.wait

    def wait(seconds: float) -> None:
        waits.append(seconds)
        card.words[4 * BY_NAME["inferences"].address] = len(waits) // 15
        card.deaf = len(waits) < 50
        plain(seconds)

    card.wait = wait  # type: ignore[method-assign]
    answers(engine, 4, 1)
    assert len(waits) >= 50
    card.deaf, card.wait = True, plain  # type: ignore[method-assign]
    begun = card.now()
    with pytest.raises(LinkTimeout, match="infer of 1 from 7 made no progress for 2 s"):
        engine.run([Job(1, 7, b"x", 1, 1)], lambda i, raw: None)
    assert 2.0 < card.now() - begun < 2.5


def test_a_card_works_while_a_channel_waits(card: PaperCard, channel: PcieChannel) -> None:
    begun = card.now()
    channel.wait(0.5)
    assert card.now() > begun


def test_another_card_one_that_stays_busy_and_one_that_is_gone(card: PaperCard, channel: PcieChannel) -> None:
    card.registers["state"], card.deaf = 1, True
    with pytest.raises(LinkTimeout, match=r"did not come to rest in 1\.0 s"):
        channel.engine.reset()
    assert 1.0 < card.seconds < 1.3
    card.read = lambda offset: 0xFFFFFFFF  # type: ignore[method-assign]
    with pytest.raises(LinkError, match="card lost"):
        channel.write_register(BY_NAME["scratch"].address, 1)
    with pytest.raises(LinkError, match="every read gives all ones"):
        channel.engine.get("state")
    other = PaperCard()
    other.registers["engine_magic"] = 5
    with pytest.raises(IdentityError, match="DMA engine is 0x00000005; accepted: 0x50434932"):
        PcieChannel(other)
    assert other.closed
    channel.close()
    assert card.closed

"""The host's driver of the DMA engine: rings, jobs, deadlines, and recovery after a fault."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.pcie import (
    CONTROL_RESET,
    CONTROL_RUN,
    DESCRIPTOR_BYTES,
    DESCRIPTOR_LAYOUT,
    ENGINE_MAGIC,
    FLAG_INTERRUPT,
    RECORD_BYTES,
    RECORD_LAYOUT,
    EngineError,
    engine_offset,
)
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.host.errors import DeviceError, IdentityError, LinkError, LinkTimeout, ProtocolError
from ndrite.host.links.pcie.device import PciDevice

RING_LOG2 = 2
STAGES = 2
"""Number of jobs that the card has at a time, each with its own staging memory: one is
prepared while another runs."""
STAGE_BYTES = 1 << 18
RESET_S = 1.0
WAIT_S = 0.01
"""Longest wait for an interrupt in seconds; after it the completion records are checked
even without an interrupt."""
GONE = 0xFFFFFFFF


@dataclass(frozen=True)
class Job:
    """A job for the card, described by one descriptor: ``data`` are the samples' codes;
    the other fields are those of the descriptor."""

    count: int
    first_index: int
    data: bytes
    inputs: int
    outputs: int

    @property
    def result_bytes(self) -> int:
        """The number of bytes of results that the card returns for this job."""
        return 4 * self.count * self.outputs

    def __str__(self) -> str:
        return f"infer of {self.count} from {self.first_index}"


Answered = Callable[[int, bytes], None]


class Engine:
    """Driver of a card's DMA engine: it passes jobs to the card and collects their results.

    Parameters
    ----------
    device:
        The card; the engine does not close it.
    timeout_s:
        Longest time without progress of a job before it is given up, seconds.

    Raises
    ------
    LinkError, IdentityError
        The card is gone, or it does not have such an engine.
    """

    def __init__(self, device: PciDevice, *, timeout_s: float) -> None:
        self.device = device
        self.timeout_s = timeout_s
        self._ready = False
        self._produced = 0
        magic = self.get("engine_magic")
        if magic != ENGINE_MAGIC:
            raise IdentityError(
                f"{device.name}: not an ndrite card: the magic number of its DMA engine is {magic:#010x}; "
                f"accepted: {ENGINE_MAGIC:#010x}"
            )
        self._ring = device.memory(4096)
        self._records = device.memory(4096)
        self._sources = [device.memory(STAGE_BYTES) for _ in range(STAGES)]
        self._targets = [device.memory(STAGE_BYTES) for _ in range(STAGES)]

    def run(self, jobs: Iterable[Job], answered: Answered) -> None:
        """Carry out all jobs; ``answered(i, result)`` is called for each job in order.

        Raises
        ------
        DeviceError
            The card refused a job.
        LinkTimeout
            A job made no progress for ``timeout_s``, or the card's reads of memory
            were not answered.
        LinkError
            The card is gone or DMA failed.
        """
        flight: deque[tuple[int, Job]] = deque()
        done = 0
        try:
            self.rest()
            for job in jobs:
                if len(flight) == STAGES:
                    done = self._finish(flight, done, answered)
                flight.append((self._post(job), job))
            while flight:
                done = self._finish(flight, done, answered)
        except BaseException:
            # On any error, Ctrl-C included: transfers of this job must not reach the
            # memory of the next job.
            self._ready = False
            raise

    def rest(self) -> None:
        """Make sure that the engine has no work left from before a fault, by a
        reset if necessary; until then memories cannot be accessed. Raises the
        errors of ``reset``."""
        if not self._ready:
            self.reset()

    def reset(self) -> None:
        """Drop all jobs and start the engine again with empty rings. Raises
        ``LinkError`` if the engine does not stop."""
        self._ready = False
        self._set("control", CONTROL_RESET)
        limit = self.device.now() + RESET_S
        while self.get("state"):
            if self.device.now() > limit:
                raise LinkTimeout(
                    f"{self.device.name}: the DMA engine did not come to rest in {RESET_S} s; reset the card"
                )
            self.device.wait(WAIT_S / 100)
        self._produced = 0
        self._records.data[:] = 0xFF
        for name, memory in (("ring", self._ring), ("records", self._records)):
            self._set(f"{name}_low", memory.address & 0xFFFFFFFF)
            self._set(f"{name}_high", memory.address >> 32)
        self._set("ring_log2", RING_LOG2)
        self._set("control", CONTROL_RUN)
        self._ready = True

    def check_present(self) -> None:
        """Raise ``LinkError`` if the card is gone. When this returns, all earlier
        writes have arrived at the card."""
        if self._word(engine_offset("engine_magic")) != ENGINE_MAGIC:
            raise LinkError(f"{self.device.name}: card lost (its engine no longer answers)")

    def close(self) -> None:
        """Stop the engine if it is running."""
        if self._ready:
            self._ready = False
            self._set("control", CONTROL_RESET)
            self._word(engine_offset("state"))  # this read returns after the reset has arrived

    def _post(self, job: Job) -> int:
        index = self._produced
        source, target = self._sources[index % STAGES], self._targets[index % STAGES]
        assert len(job.data) <= STAGE_BYTES
        assert job.result_bytes <= STAGE_BYTES
        source.data[: len(job.data)] = np.frombuffer(job.data, np.uint8)
        fields = (FLAG_INTERRUPT, job.count, source.address, target.address, job.first_index & 0xFFFFFFFF)
        place = index % (1 << RING_LOG2) * DESCRIPTOR_BYTES
        descriptor = DESCRIPTOR_LAYOUT.pack(*fields, job.inputs, job.outputs)
        self._ring.data[place : place + DESCRIPTOR_BYTES] = np.frombuffer(descriptor, np.uint8)
        self._produced = (index + 1) & 0xFFFFFFFF
        self._set("producer", self._produced)
        return index

    def _finish(self, flight: deque[tuple[int, Job]], done: int, answered: Answered) -> int:
        index, job = flight[0]
        status = self._await(index, job)
        result = self._targets[index % STAGES].data[: job.result_bytes].tobytes()
        flight.popleft()
        if status != Status.OK:
            raise DeviceError(_status(status), str(job))
        answered(done, result)
        return done + 1

    def _await(self, index: int, job: Job) -> int:
        """Wait until the card has written the completion record of ``job``, and return
        the status in the record."""
        last_consumer = -1
        limit = self.device.now() + self.timeout_s
        while True:
            record = self._record(index)
            if record is not None:
                return record
            self.device.wait(WAIT_S)
            record = self._record(index)
            if record is not None:
                return record
            self._check_state(job)
            # As long as the card's counter of inferences changes, the job makes progress.
            progress = self._word(4 * BY_NAME["inferences"].address)
            if progress != last_consumer:
                last_consumer, limit = progress, self.device.now() + self.timeout_s
            elif self.device.now() > limit:
                raise LinkTimeout(f"{self.device.name}: {job} made no progress for {self.timeout_s:g} s")

    def _check_state(self, job: Job) -> None:
        state = self.get("state")
        if not state & 2:
            return
        code = state >> 8
        if code == EngineError.TIMEOUT:
            raise LinkTimeout(f"{self.device.name}: {job}: the host's memory did not answer the card's read")
        if code == EngineError.HUNG:
            raise DeviceError(Status.HUNG, str(job))
        why = {
            EngineError.COMPLETION: "the card's read of memory was refused (IOMMU mapping?)",
            EngineError.BUS_MASTER: "bus mastering was switched off",
            EngineError.PRODUCER: "its producer is outside the ring (does another process use the card?)",
        }.get(EngineError(code) if code <= max(EngineError) else EngineError.NONE, f"engine error {code}")
        raise LinkError(f"{self.device.name}: {job}: {why}")

    def _record(self, index: int) -> int | None:
        place = index % (1 << RING_LOG2) * RECORD_BYTES
        raw = self._records.data[place : place + RECORD_BYTES].tobytes()
        first, status, last = RECORD_LAYOUT.unpack(raw)
        return int(status) if first == last == index else None

    def get(self, name: str) -> int:
        """Return the value of an engine register. Raises LinkError if the card is gone."""
        value = self._word(engine_offset(name))
        if value == GONE and name != "engine_magic" and self._word(engine_offset("engine_magic")) == GONE:
            raise LinkError(f"{self.device.name}: card lost (every read gives all ones)")
        return value

    def _word(self, offset: int) -> int:
        return self.device.read(offset)

    def _set(self, name: str, value: int) -> None:
        self.device.write(engine_offset(name), value)


def words_of(raw: bytes) -> npt.NDArray[np.int32]:
    """Convert the bytes of a result to words int32 (n,)."""
    return np.frombuffer(raw, "<i4").astype(np.int32)


def _status(code: int) -> Status:
    try:
        return Status(code)
    except ValueError:
        raise ProtocolError(
            f"the card answered with status {code}, which this host does not know; rebuild the gateware from "
            "the same version as the host"
        ) from None

"""channel: a card as ``host.Device`` wants it: registers by BAR0, everything else by DMA."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from emulator.spec import Geometry
from emulator.spec.memory_map import REGION_SHIFT, Section
from emulator.spec.packets import Opcode
from emulator.spec.registers import REGISTERS
from host.links.pcie.device import PciDevice
from host.links.pcie.engine import STAGE_BYTES, Engine, Job, words_of
from host.memory import section_crc

TIMEOUT_S = 2.0
CHUNK_WORDS = 16384
"""Words of a READ or WRITE job: what a card does in a fraction of the timeout."""
BATCH = 1024
"""Most inferences of one job."""


class PcieChannel:
    """Satisfies ``host.channel.Channel``; closes the card. Raises as ``host.links.pcie.engine.Engine``."""

    def __init__(self, device: PciDevice, *, timeout_s: float = TIMEOUT_S) -> None:
        self.device = device
        try:
            self.engine = Engine(device, timeout_s=timeout_s)
        except BaseException:
            device.close()
            raise

    def fit(self, geometry: Geometry, protocol: tuple[int, int]) -> None:
        """Nothing depends on the geometry but the addresses of memories in BAR0, which stay unused."""

    def read(self, address: int, count: int) -> npt.NDArray[np.int32]:
        """Registers by BAR0, memories by DMA; int32 (count,)."""
        if address >> REGION_SHIFT == 0 and address + count <= len(REGISTERS):
            words = [self.device.read(4 * (address + i)) for i in range(count)]
            if all(word == 0xFFFFFFFF for word in words):
                self.engine.check_present()
            return np.array(words, np.uint32).view(np.int32)
        parts: list[bytes] = []

        def jobs() -> Iterator[Job]:
            for start in range(0, count, CHUNK_WORDS):
                n = min(CHUNK_WORDS, count - start)
                yield Job(Opcode.READ, n, address + start, result_bytes=4 * n)

        self.engine.run(jobs(), lambda _, raw, value: parts.append(raw))
        return words_of(b"".join(parts))

    def write_register(self, address: int, value: int) -> None:
        """Posted; the read behind it tells that it has arrived."""
        self.device.write(4 * address, value)
        self.engine.check_present()

    def write(self, sections: Sequence[Section], counted: Callable[[int], None]) -> None:
        """Sections in pieces, two bytes a word where they fit."""
        jobs = [job for section in sections for job in _write_jobs(section)]
        self.engine.run(jobs, lambda i, raw, value: counted(jobs[i].count))

    def differing(self, sections: Sequence[Section]) -> list[Section]:
        """Sections whose CRC on the card is another."""
        crcs: list[int] = []
        jobs = (Job(Opcode.CHECK, s.words.size, s.address) for s in sections)
        self.engine.run(jobs, lambda _, raw, value: crcs.append(value))
        return [s for s, crc in zip(sections, crcs, strict=True) if crc != section_crc(s)]

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        first_index: int,
        y: npt.NDArray[np.int32],
        counted: Callable[[int], None],
    ) -> None:
        """Many samples a descriptor, one descriptor ahead of the card."""
        inputs, outputs = x.shape[1], y.shape[1]
        most = max(1, min(BATCH, STAGE_BYTES // inputs, STAGE_BYTES // (4 * outputs)))
        starts = range(0, len(x), most)

        def jobs() -> Iterator[Job]:
            for start in starts:
                part = x[start : start + most]
                yield Job(
                    Opcode.INFER,
                    len(part),
                    first_index + start,
                    part.tobytes(),
                    4 * outputs * len(part),
                    inputs,
                    outputs,
                )

        def answered(i: int, raw: bytes, value: int) -> None:
            part = words_of(raw).reshape(-1, outputs)
            y[starts[i] : starts[i] + len(part)] = part
            counted(len(part))

        self.engine.run(jobs(), answered)

    def wait(self, seconds: float) -> None:
        """Let the card work."""
        self.device.wait(seconds)

    def close(self) -> None:
        """Stop the engine and release the card."""
        self.engine.close()
        self.device.close()


def _write_jobs(section: Section) -> Iterator[Job]:
    opcode, form = (Opcode.WRITE_SHORT, "<i2") if section.short else (Opcode.WRITE, "<i4")
    for start in range(0, section.words.size, CHUNK_WORDS):
        part = section.words[start : start + CHUNK_WORDS]
        yield Job(opcode, part.size, section.address + start, part.astype(form).tobytes())

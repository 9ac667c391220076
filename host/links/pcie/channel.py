"""channel: drives a PCIe card as a channel of ``host.Device``: words through
BAR0, samples by DMA."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import Geometry
from ndrite.emulator.spec.memory_map import REGION_SHIFT, Section
from ndrite.emulator.spec.packets import Status
from ndrite.emulator.spec.pcie import region_bytes
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.host.errors import DeviceError
from ndrite.host.links.pcie.device import PciDevice
from ndrite.host.links.pcie.engine import STAGE_BYTES, Engine, Job, words_of

TIMEOUT_S = 2.0
CHUNK_WORDS = 16384
"""Number of words that are written between two checks of how many words the
card has refused."""
BATCH = 1024
"""Largest number of inferences in one job."""


class PcieChannel:
    """Channel to a PCIe card, with the interface
    ``ndrite.host.packet_channel.Channel``; closing it closes the card. Raises the
    errors of ``ndrite.host.links.pcie.engine.Engine``, and DeviceError if the card
    refuses words because their addresses do not exist or a campaign runs."""

    def __init__(self, device: PciDevice, *, timeout_s: float = TIMEOUT_S) -> None:
        self.device = device
        self._region_bytes: int  # set by ``fit``
        try:
            self.engine = Engine(device, timeout_s=timeout_s)
        except BaseException:
            device.close()
            raise

    def fit(self, geometry: Geometry, protocol: tuple[int, int]) -> None:
        """Set the positions of the memories in BAR0 for ``geometry``; registers are at
        the beginning of BAR0 in every geometry."""
        self._region_bytes = region_bytes(geometry)

    def read(self, address: int, count: int) -> npt.NDArray[np.int32]:
        """Read ``count`` words from ``address`` up, int32 (count,)."""
        first = self._place(address)
        with self._accepted("bad_nonposted", f"read of {count} at {address:#010x}"):
            words = [self.device.read(first + 4 * i) for i in range(count)]
        return np.array(words, np.uint32).view(np.int32)

    def write_register(self, address: int, value: int) -> None:
        """Write a register. The card does not confirm writes, so a read follows, which
        returns only after the write has arrived."""
        self.device.write(self._place(address), value)
        self.engine.check_present()

    def write(self, sections: Sequence[Section], counted: Callable[[int], None]) -> None:
        """Write sections word by word in blocks. After each block the card is asked
        whether it dropped words."""
        for section in sections:
            first = self._place(section.address)
            for start in range(0, section.words.size, CHUNK_WORDS):
                part = section.words[start : start + CHUNK_WORDS].view(np.uint32).tolist()
                with self._accepted("bad_posted", f"write of {section.name} at {section.address:#010x}"):
                    for i, word in enumerate(part, start):
                        self.device.write(first + 4 * i, word)
                counted(len(part))

    def differing(self, sections: Sequence[Section]) -> list[Section]:
        """Return those sections whose words on the card differ from the
        words in the section."""
        return [s for s in sections if not np.array_equal(self.read(s.address, s.words.size), s.words)]

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        first_index: int,
        y: npt.NDArray[np.int32],
        counted: Callable[[int], None],
        together: int = 1,
    ) -> None:
        """Run samples in jobs of many samples each; while the card works on a job,
        the next one is already queued. A card walks through no programs:
        ``together`` is 1."""
        inputs, outputs = x.shape[1], y.shape[1]
        batch = max(1, min(BATCH, STAGE_BYTES // inputs, STAGE_BYTES // (4 * outputs)))
        starts = range(0, len(x), batch)

        def jobs() -> Iterator[Job]:
            for start in starts:
                part = x[start : start + batch]
                yield Job(len(part), first_index + start, part.tobytes(), inputs, outputs)

        def answered(i: int, raw: bytes) -> None:
            part = words_of(raw).reshape(-1, outputs)
            y[starts[i] : starts[i] + len(part)] = part
            counted(len(part))

        self.engine.run(jobs(), answered)

    def wait(self, seconds: float) -> None:
        """Let the card work for ``seconds``."""
        self.device.wait(seconds)

    def close(self) -> None:
        """Stop the engine and release the card."""
        self.engine.close()
        self.device.close()

    def _place(self, address: int) -> int:
        """Return the byte offset in BAR0 of a word of the memory map. If the word is in
        a memory and not a register, first end all jobs, since memories cannot be
        accessed during a job."""
        region, word = divmod(address, 1 << REGION_SHIFT)
        if not region:
            return 4 * word
        self.engine.rest()
        return region * self._region_bytes + 4 * word

    @contextlib.contextmanager
    def _accepted(self, counter: str, request: str) -> Iterator[None]:
        """Raise DeviceError if the card refuses part of the request that is made inside
        the ``with`` block."""
        before = self.engine.get(counter)
        yield
        if self.engine.get(counter) != before:
            busy = self.device.read(self._place(BY_NAME["campaign_busy"].address))
            raise DeviceError(Status.BUSY if busy else Status.BAD_ADDRESS, request)

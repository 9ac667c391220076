"""Linux's sysfs: finding the card, and driving it as root without an IOMMU (slower: it polls)."""

import ctypes
import mmap
import re
import struct
import time
from pathlib import Path

import numpy as np

from ndrite.emulator.spec.pcie import DEVICE_ID, VENDOR_ID
from ndrite.host.errors import LinkError
from ndrite.host.links.pcie.device import DmaMemory

DEVICES = Path("/sys/bus/pci/devices")
PAGEMAP = Path("/proc/self/pagemap")
ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]")
PAGE = 4096
HUGE = 2 << 20
COMMAND, MEMORY_SPACE, BUS_MASTER = 4, 2, 4
POLL_S = 50e-6


def check_card(address: str, devices: Path | None = None) -> Path:
    """The sysfs folder of an ndrite card. Raises LinkError naming what is wrong."""
    if not ADDRESS.fullmatch(address.lower()):
        raise LinkError(f"PCI address is {address!r}; accepted: DDDD:BB:DD.F, for example 0000:03:00.0")
    folder = (devices or DEVICES) / address.lower()
    if not folder.exists():
        raise LinkError(f"{address}: no such PCI device (see lspci -D)")
    identity = tuple(int((folder / name).read_text(), 16) for name in ("vendor", "device"))
    if identity != (VENDOR_ID, DEVICE_ID):
        raise LinkError(
            f"{address}: is {identity[0]:04x}:{identity[1]:04x}; accepted: an ndrite card, "
            f"{VENDOR_ID:04x}:{DEVICE_ID:04x}"
        )
    return folder


def driver_of(folder: Path) -> str:
    """Name of the kernel driver the card is bound to; empty where there is none."""
    link = folder / "driver"
    return link.resolve().name if link.exists() else ""


class SysfsDevice:
    """Satisfies ``PciDevice`` by mapping ``resource0``; for DMA it takes a huge page's physical address.

    Works only as root and only where no IOMMU translates the card's accesses. Never used with hardware.

    Raises
    ------
    LinkError
        A driver holds the card, an IOMMU is in the way, or permission or huge pages are missing.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._map: mmap.mmap | None = None
        self._huge: mmap.mmap | None = None
        self._taken = 0
        driver = driver_of(folder)
        if driver:
            raise LinkError(f"{self.name}: is bound to driver {driver}; bind it to vfio-pci, or unbind it")
        if (folder / "iommu_group").exists():
            raise LinkError(f"{self.name}: an IOMMU guards its memory accesses; bind it to vfio-pci")
        try:
            (folder / "enable").write_text("1")
            with (folder / "config").open("r+b") as config:
                config.seek(COMMAND)
                (command,) = struct.unpack("<H", config.read(2))
                config.seek(COMMAND)
                config.write(struct.pack("<H", command | MEMORY_SPACE | BUS_MASTER))
            with (folder / "resource0").open("r+b") as bar:
                self._map = mmap.mmap(bar.fileno(), 0)
        except PermissionError:
            raise LinkError(
                f"{self.name}: permission denied; without vfio-pci the card can be used by root only"
            ) from None
        except OSError as error:
            raise LinkError(f"{self.name}: cannot map its BAR0 ({error.strerror})") from None
        self._words = (ctypes.c_uint32 * (len(self._map) // 4)).from_buffer(self._map)

    def read(self, offset: int) -> int:
        """A word of BAR0."""
        return int(self._live()[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Write a word of BAR0."""
        self._live()[offset // 4] = value

    def memory(self, size: int) -> DmaMemory:
        """Part of one huge page, which is contiguous in physical memory."""
        if self._huge is None:
            self._huge, self._physical = self._huge_page()
        first = self._taken
        if first + size > HUGE:
            raise LinkError(f"{self.name}: a huge page holds {HUGE} bytes; {first + size} asked for")
        self._taken = -(-(first + size) // PAGE) * PAGE
        data = np.frombuffer(self._huge, np.uint8)[first : first + size]
        return DmaMemory(data, self._physical + first, self._huge)

    def wait(self, seconds: float) -> None:
        """A short sleep: there are no interrupts without a driver."""
        time.sleep(min(seconds, POLL_S))

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Forget the mapping; memory stays until nothing points to it."""
        self._map = None

    def _live(self) -> ctypes.Array[ctypes.c_uint32]:
        if self._map is None:
            raise LinkError(f"{self.name}: card is closed")
        return self._words

    def _huge_page(self) -> tuple[mmap.mmap, int]:
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | 0x40000  # MAP_HUGETLB
        try:
            page = mmap.mmap(-1, HUGE, flags=flags)
        except OSError:
            raise LinkError(
                f"{self.name}: no huge page to be had (echo 8 > /proc/sys/vm/nr_hugepages, as root)"
            ) from None
        page[0] = 0  # there is no page before something touches it
        virtual = ctypes.addressof(ctypes.c_char.from_buffer(page))
        with PAGEMAP.open("rb") as pagemap:
            pagemap.seek(virtual // PAGE * 8)
            (entry,) = struct.unpack("<Q", pagemap.read(8))
        frame = entry & ((1 << 55) - 1)
        if not entry >> 63 or not frame:
            raise LinkError(f"{self.name}: the kernel does not tell physical addresses; needs CAP_SYS_ADMIN")
        return page, frame * PAGE

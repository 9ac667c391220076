"""Linux's VFIO: find the card, map BAR0 and memory for DMA through the IOMMU, take the
MSI as an eventfd."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import re
import select
import struct
import time
from pathlib import Path

import numpy as np

from ndrite.emulator.spec.pcie import DEVICE_ID, VENDOR_ID
from ndrite.host.errors import LinkError
from ndrite.host.links.pcie.device import DmaMemory

DEVICES = Path("/sys/bus/pci/devices")
ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]")
COMMAND, MEMORY_SPACE, BUS_MASTER = 4, 2, 4
# Numbers and structure layouts from <linux/vfio.h>; every request number is _IO(';', 100 + n).
_BASE = ord(";") << 8 | 100
SET_IOMMU, GROUP_STATUS, GROUP_CONTAINER, GROUP_DEVICE = _BASE + 2, _BASE + 3, _BASE + 4, _BASE + 6
REGION_INFO, SET_IRQS, MAP_DMA = _BASE + 8, _BASE + 10, _BASE + 13
TYPE1V2_IOMMU = 3
GROUP_VIABLE = 1
MAP_READ_WRITE = 3
IRQ_EVENTFD, IRQ_TRIGGER, MSI_INDEX = 1 << 2, 1 << 5, 1
BAR0_INDEX, CONFIG_INDEX = 0, 7
REGION = struct.Struct("<IIIIQQ")
MAPPING = struct.Struct("<IIQQQ")
STATUS = struct.Struct("<II")
IRQS = struct.Struct("<IIIIIi")
FIRST_IOVA = 1 << 20
NO_IOMMU = (
    "no IOMMU guards its memory accesses; turn it on in the firmware (VT-d or AMD-Vi) and in the kernel "
    "(intel_iommu=on or amd_iommu=on)"
)


def check_card(address: str, devices: Path | None = None) -> Path:
    """Return the sysfs folder of the ndrite card at PCI ``address``, which must be
    bound to vfio-pci.

    Raises LinkError, which says what is wrong and what to do.
    """
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
    if not (folder / "iommu_group").exists():
        raise LinkError(f"{address}: {NO_IOMMU}")
    link = folder / "driver"
    driver = link.resolve().name if link.exists() else "no driver"
    if driver != "vfio-pci":
        raise LinkError(f"{address}: is bound to {driver}; bind it to vfio-pci")
    return folder


class VfioDevice:
    """A card bound to ``vfio-pci``, with the interface ``PciDevice``. It has never been
    used with hardware.

    Raises
    ------
    LinkError
        No permission, the group is shared with devices in use, or the kernel refused a step.
    """

    def __init__(self, folder: Path, dev: Path = Path("/dev/vfio")) -> None:
        self.name = folder.name
        self._open: list[int] = []
        self._map: mmap.mmap | None = None
        self._iova = FIRST_IOVA
        try:
            self._attach(dev, (folder / "iommu_group").resolve().name)
        except OSError as error:
            self.close()
            raise LinkError(f"{self.name}: VFIO refused ({error.strerror or error})") from None
        except BaseException:
            self.close()
            raise

    def _attach(self, dev: Path, group_name: str) -> None:
        container = self._file(dev / "vfio")
        group = self._file(dev / group_name)
        self._container = container
        status = bytearray(STATUS.pack(STATUS.size, 0))
        fcntl.ioctl(group, GROUP_STATUS, status)
        if not STATUS.unpack(status)[1] & GROUP_VIABLE:
            raise LinkError(
                f"{self.name}: IOMMU group {group_name} holds other devices in use; bind them to vfio-pci too"
            )
        fcntl.ioctl(group, GROUP_CONTAINER, struct.pack("<i", container))
        fcntl.ioctl(container, SET_IOMMU, TYPE1V2_IOMMU)
        # With a mutable buffer, ioctl returns the kernel's return value, which is here
        # the file descriptor of the card.
        card = fcntl.ioctl(group, GROUP_DEVICE, bytearray(self.name.encode() + b"\0"), True)
        self._open.append(card)
        size, offset = self._region(card, BAR0_INDEX)
        self._map = mmap.mmap(card, size, offset=offset)
        self._words = (ctypes.c_uint32 * (size // 4)).from_buffer(self._map)
        _, config = self._region(card, CONFIG_INDEX)
        (command,) = struct.unpack("<H", os.pread(card, 2, config + COMMAND))
        os.pwrite(card, struct.pack("<H", command | MEMORY_SPACE | BUS_MASTER), config + COMMAND)
        self._event = os.eventfd(0, os.EFD_NONBLOCK)
        self._open.append(self._event)
        flags = IRQ_EVENTFD | IRQ_TRIGGER
        fcntl.ioctl(card, SET_IRQS, IRQS.pack(IRQS.size, flags, MSI_INDEX, 0, 1, self._event))

    def read(self, offset: int) -> int:
        """Read a word of BAR0."""
        return int(self._live()[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Write a word of BAR0."""
        self._live()[offset // 4] = value

    def memory(self, size: int) -> DmaMemory:
        """Allocate pages, and map them for the card at a bus address that is not yet in use."""
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        pages = mmap.mmap(-1, size)
        virtual = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        address, self._iova = self._iova, self._iova + size
        try:
            fcntl.ioctl(
                self._container, MAP_DMA, MAPPING.pack(MAPPING.size, MAP_READ_WRITE, virtual, address, size)
            )
        except OSError as error:
            raise LinkError(
                f"{self.name}: cannot map {size} bytes for DMA ({error.strerror}); see ulimit -l"
            ) from None
        return DmaMemory(np.frombuffer(pages, np.uint8), address, pages)

    def wait(self, seconds: float) -> None:
        """Wait until the kernel's eventfd counts an MSI, at most ``seconds``."""
        if select.select([self._event], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._event)

    def now(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Close every file of the card; the kernel then resets the card and drops
        its memory mappings."""
        self._map = None
        for fd in reversed(self._open):
            os.close(fd)
        self._open.clear()

    def _live(self) -> ctypes.Array[ctypes.c_uint32]:
        if self._map is None:
            raise LinkError(f"{self.name}: card is closed")
        return self._words

    def _file(self, path: Path) -> int:
        try:
            fd = os.open(path, os.O_RDWR)
        except PermissionError:
            raise LinkError(
                f"{self.name}: no permission for {path}; give it to your user (chown, or a udev rule)"
            ) from None
        except FileNotFoundError:
            raise LinkError(f"{self.name}: {path} is missing; load the kernel module vfio-pci") from None
        self._open.append(fd)
        return fd

    def _region(self, card: int, index: int) -> tuple[int, int]:
        info = bytearray(REGION.pack(REGION.size, 0, index, 0, 0, 0))
        fcntl.ioctl(card, REGION_INFO, info)
        *_, size, offset = REGION.unpack(info)
        return size, offset

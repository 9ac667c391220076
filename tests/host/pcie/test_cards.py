"""Cards that Linux opens, of files in place of hardware: what the driver asks of sysfs and of VFIO."""

import ctypes
import mmap
import os
import struct
from pathlib import Path

import pytest

from ndrite.emulator.spec.pcie import DEVICE_ID, VENDOR_ID
from ndrite.host import LinkError
from ndrite.host.links.pcie import open_card
from ndrite.host.links.pcie.sysfs import SysfsDevice, check_card
from ndrite.host.links.pcie.vfio import VfioDevice

NAME = "0000:03:00.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The card's folder in sysfs: two pages of BAR0, and 256 bytes of configuration."""
    folder = tmp_path / NAME
    folder.mkdir()
    for name, content in (
        ("vendor", f"{VENDOR_ID:#06x}\n"),
        ("device", f"{DEVICE_ID:#06x}\n"),
        ("enable", "0"),
    ):
        (folder / name).write_text(content)
    (folder / "config").write_bytes(bytes(4) + b"\x00\x01" + bytes(250))
    (folder / "resource0").write_bytes(bytes(8192))
    return folder


def test_messages_of_cards_that_cannot_be_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("03:00.0", f"{NAME}0"):
        with pytest.raises(LinkError, match=rf"'{name}'; accepted: DDDD:BB:DD\.F"):
            open_card(name)
    with pytest.raises(LinkError, match="no such PCI device"):
        check_card("0000:04:00.0", tmp_path)
    assert check_card(NAME, tmp_path) == folder
    (folder / "vendor").write_text("0x8086\n")
    with pytest.raises(LinkError, match="is 8086:4e44; accepted: an ndrite card"):
        check_card(NAME, tmp_path)
    with pytest.raises(LinkError, match="no IOMMU; enable it"):
        VfioDevice(folder)
    (folder / "iommu_group").symlink_to(tmp_path / "7")
    (tmp_path / "7").mkdir()
    with pytest.raises(LinkError, match="vfio is missing; load the kernel module"):
        VfioDevice(folder, dev=tmp_path)
    with pytest.raises(LinkError, match="an IOMMU guards"):
        SysfsDevice(folder)
    monkeypatch.setattr("ndrite.host.links.pcie.sysfs.DEVICES", tmp_path)
    (folder / "vendor").write_text(f"{VENDOR_ID:#06x}\n")
    with pytest.raises(LinkError, match="an IOMMU guards"):
        open_card(NAME.upper())
    (tmp_path / "vfio-pci").mkdir()
    (folder / "driver").symlink_to(tmp_path / "vfio-pci")
    (folder / "iommu_group").unlink()
    with pytest.raises(LinkError, match="no IOMMU; enable it"):
        open_card(NAME)
    (folder / "driver").unlink()
    (tmp_path / "e1000").mkdir()
    (folder / "driver").symlink_to(tmp_path / "e1000")
    with pytest.raises(LinkError, match="is bound to driver e1000"):
        SysfsDevice(folder)


def command_of(config: bytes) -> int:
    """The command register: memory space on, bus master on, and what was set before."""
    return int.from_bytes(config[4:6], "little")


def test_sysfs_maps_the_cards_words_and_parts_of_a_huge_page(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "resource0").write_bytes(struct.pack("<II", 7, 0xFFFFFFFE) + bytes(8184))
    card = SysfsDevice(folder)
    assert (folder / "enable").read_text() == "1"
    assert command_of((folder / "config").read_bytes()) == 0b1_0000_0110
    assert (card.name, card.read(0), card.read(4)) == (NAME, 7, 0xFFFFFFFE)
    card.write(8188, 0x80000001)
    assert (folder / "resource0").read_bytes()[8188:] == b"\x01\x00\x00\x80"
    pagemap, pages, plain = tmp_path / "pagemap", list[mmap.mmap](), mmap.mmap

    def huge(fd: int, size: int, flags: int) -> mmap.mmap:
        """A page, which the kernel says is there, soft-dirty, and at 8 GiB."""
        assert (fd, flags) == (-1, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | 0x40000)
        pages.append(plain(fd, size))
        virtual = ctypes.addressof(ctypes.c_char.from_buffer(pages[-1]))
        with pagemap.open("wb") as file:
            file.seek(virtual // 4096 * 8)
            file.write(struct.pack("<Q", told | (1 << 33) // 4096))
        return pages[-1]

    monkeypatch.setattr("ndrite.host.links.pcie.sysfs.PAGEMAP", pagemap)
    monkeypatch.setattr("mmap.mmap", huge)
    told = 0
    with pytest.raises(LinkError, match="does not tell physical addresses"):
        card.memory(1)
    told = 1 << 63 | 1 << 55
    parts = [card.memory(size) for size in (4096, 5000, 100)]
    assert [part.address - (1 << 33) for part in parts] == [0, 4096, 12288]
    assert [part.data.size for part in parts] == [4096, 5000, 100]
    parts[1].data[:] = 9
    assert pages[-1][4095:4097] == b"\x00\x09"
    rest = card.memory((2 << 20) - 16384)
    assert rest.address == (1 << 33) + 16384
    pagemap.unlink()  # it would be large to copy
    with pytest.raises(LinkError, match="a huge page holds 2097152 bytes; 2097153 asked for"):
        card.memory(1)
    card.close()
    for use in (lambda: card.read(0), lambda: card.write(0, 1)):
        with pytest.raises(LinkError, match="card is closed"):
            use()


class Kernel:
    """Answers VFIO's requests by their numbers in <linux/vfio.h>; the card is a file: configuration, BAR0."""

    def __init__(self, card: Path) -> None:
        self.card, self.flags = card, 0b11
        self.mappings: list[tuple[int, ...]] = []
        self.interrupts: list[tuple[int, ...]] = []

    def ioctl(
        self, fd: int, request: int, argument: bytes | bytearray | int = 0, mutate: bool = False
    ) -> int:
        kind, number = divmod(request, 256)
        assert kind == ord(";")
        match number - 100, argument:
            case 2, int():
                assert argument == 3
            case 3, bytearray():
                assert struct.unpack_from("<I", argument) == (8,)
                struct.pack_into("<I", argument, 4, self.flags)
            case 4, bytes():
                assert os.fstat(struct.unpack("<i", argument)[0])
            case 6, bytearray():
                assert bytes(argument) == NAME.encode() + b"\0"
                return os.open(self.card, os.O_RDWR)
            case 8, bytearray():
                size, _, index = struct.unpack_from("<III", argument)
                assert size == 32
                struct.pack_into("<QQ", argument, 16, *{0: (8192, 4096), 7: (256, 0)}[index])
            case 10, bytes():
                self.interrupts.append(struct.unpack("<IIIIIi", argument))
            case 13, bytes():
                self.mappings.append(struct.unpack("<IIQQQ", argument))
            case _:
                raise OSError(25, "Inappropriate ioctl")
        return 0


def test_vfio_maps_the_card_and_memory_and_waits_for_its_interrupt(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "card"
    file.write_bytes(bytes(4) + b"\x00\x01" + bytes(4090) + struct.pack("<II", 7, 9) + bytes(8184))
    (tmp_path / "groups" / "7").mkdir(parents=True)
    (folder / "iommu_group").symlink_to(tmp_path / "groups" / "7")
    (tmp_path / "vfio").touch()
    (tmp_path / "7").touch()
    kernel = Kernel(file)
    monkeypatch.setattr("fcntl.ioctl", kernel.ioctl)
    kernel.flags = 0b10
    with pytest.raises(LinkError, match="IOMMU group 7 holds other devices in use"):
        VfioDevice(folder, tmp_path)
    kernel.flags = 0b01
    card = VfioDevice(folder, tmp_path)
    assert command_of(file.read_bytes()) == 0b1_0000_0110
    assert (card.read(0), card.read(4)) == (7, 9)
    card.write(8188, 0x80000001)
    assert file.read_bytes()[-4:] == b"\x01\x00\x00\x80"
    memories = [card.memory(size) for size in (4096, 5000)]
    assert [m.address for m in memories] == [1 << 20, (1 << 20) + 4096]
    assert [m.data.size for m in memories] == [4096, 8192]
    for memory, (size, flags, virtual, address, length) in zip(memories, kernel.mappings, strict=True):
        memory.data[0] = 5
        assert (size, flags, address, length) == (32, 3, memory.address, memory.data.size)
        assert ctypes.string_at(virtual, 1) == b"\x05"
    ((size, flags, index, start, count, event),) = kernel.interrupts
    assert (size, flags, index, start, count) == (24, 0b100100, 1, 0, 1)
    begun = card.now()
    os.eventfd_write(event, 1)
    card.wait(5.0)
    assert card.now() - begun < 4.0
    begun = card.now()
    card.wait(0.05)
    assert card.now() - begun >= 0.04  # the event was taken
    card.close()
    card.close()
    with pytest.raises(LinkError, match="card is closed"):
        card.read(0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(event)

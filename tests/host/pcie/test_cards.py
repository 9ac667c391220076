"""Cards that Linux opens, of files in place of hardware: what the driver asks of Linux."""

import ctypes
import os
import struct
from pathlib import Path

import pytest

from ndrite.emulator.spec.pcie import DEVICE_ID, VENDOR_ID
from ndrite.host import LinkError
from ndrite.host.links.pcie import open_card
from ndrite.host.links.pcie.vfio import VfioDevice, check_card

NAME = "0000:03:00.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The card's folder in sysfs, which no driver has."""
    folder = tmp_path / NAME
    folder.mkdir()
    for name, number in (("vendor", VENDOR_ID), ("device", DEVICE_ID)):
        (folder / name).write_text(f"{number:#06x}\n")
    return folder


def test_messages_of_cards_that_cannot_be_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("03:00.0", f"{NAME}0"):
        with pytest.raises(LinkError, match=rf"'{name}'; accepted: DDDD:BB:DD\.F"):
            open_card(name)
    with pytest.raises(LinkError, match="no such PCI device"):
        check_card("0000:04:00.0", tmp_path)
    with pytest.raises(LinkError, match=r"no IOMMU guards its memory accesses; turn it on .*intel_iommu=on"):
        check_card(NAME, tmp_path)
    (tmp_path / "7").mkdir()
    (folder / "iommu_group").symlink_to(tmp_path / "7")
    with pytest.raises(LinkError, match="is bound to no driver; bind it to vfio-pci"):
        check_card(NAME, tmp_path)
    for driver in ("e1000", "vfio-pci"):
        (tmp_path / driver).mkdir()
        (folder / "driver").unlink(missing_ok=True)
        (folder / "driver").symlink_to(tmp_path / driver)
        if driver == "e1000":
            with pytest.raises(LinkError, match="is bound to e1000; bind it to vfio-pci"):
                check_card(NAME, tmp_path)
    assert check_card(NAME, tmp_path) == folder
    monkeypatch.setattr("ndrite.host.links.pcie.vfio.DEVICES", tmp_path)
    with pytest.raises(LinkError, match="vfio is missing; load the kernel module"):
        VfioDevice(folder, dev=tmp_path)
    (folder / "vendor").write_text("0x8086\n")
    with pytest.raises(LinkError, match="is 8086:4e44; accepted: an ndrite card"):
        open_card(NAME.upper())


def command_of(config: bytes) -> int:
    """The command register: memory space on, bus master on, and what was set before."""
    return int.from_bytes(config[4:6], "little")


class Kernel:
    """Answers VFIO's requests by their numbers in <linux/vfio.h>; the card is a file:
    configuration, BAR0."""

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


def test_a_card_that_the_kernel_refuses_leaves_no_file_open(folder: Path, tmp_path: Path) -> None:
    (folder / "iommu_group").symlink_to(tmp_path / "groups" / "7")
    for name in ("vfio", "7"):
        (tmp_path / name).touch()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(LinkError, match=f"{NAME}: VFIO refused"):
        VfioDevice(folder, tmp_path)
    assert os.listdir("/proc/self/fd") == before


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

"""PCIe: the driver of the endpoint's DMA engine, over VFIO, sysfs or a simulated root complex.

``device`` is what the driver needs of a card, ``vfio`` and ``sysfs`` provide it, ``engine`` hands jobs over
and waits for them, ``channel`` makes of it what ``host.Device`` needs. Imports ndrite.emulator.spec and NumPy
only; Linux's interfaces are used without any kernel module of ours.
"""

from ndrite.host.errors import LinkError
from ndrite.host.links.pcie.channel import PcieChannel
from ndrite.host.links.pcie.device import DmaMemory, PciDevice

__all__ = ["DmaMemory", "PciDevice", "PcieChannel", "open_card"]


def open_card(address: str) -> PciDevice:
    """The card at a PCI address ``DDDD:BB:DD.F``: by VFIO where it is bound to it, else by sysfs.

    Raises
    ------
    LinkError
        No such card, another device, no permission, or no way to do DMA; the message says what to do.
    """
    try:
        from ndrite.host.links.pcie.sysfs import SysfsDevice, check_card, driver_of
        from ndrite.host.links.pcie.vfio import VfioDevice
    except ImportError:
        raise LinkError(f"{address}: PCIe cards are opened on Linux only") from None

    folder = check_card(address)
    return VfioDevice(folder) if driver_of(folder) == "vfio-pci" else SysfsDevice(folder)

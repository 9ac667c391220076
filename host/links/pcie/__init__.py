"""PCIe: the driver of the endpoint's DMA engine, over VFIO or a simulated root complex.

``device`` is the interface of a card that the driver needs, ``vfio`` implements it,
``engine`` hands jobs over and waits for them, ``channel`` wraps it as the channel of a
``host.Device``. Imports ndrite.emulator.spec and NumPy only; Linux's interfaces are
used without any kernel module of ours.
"""

from ndrite.host.errors import LinkError
from ndrite.host.links.pcie.channel import PcieChannel
from ndrite.host.links.pcie.device import DmaMemory, PciDevice

__all__ = ["DmaMemory", "PciDevice", "PcieChannel", "open_card"]


def open_card(address: str) -> PciDevice:
    """Open the card at a PCI address ``DDDD:BB:DD.F``; it must be bound to vfio-pci.

    Raises
    ------
    LinkError
        No such card, another device, another driver, no IOMMU, or no permission; the
        message says what to do.
    """
    try:
        from ndrite.host.links.pcie.vfio import VfioDevice, check_card
    except ImportError:
        raise LinkError(f"{address}: PCIe cards are opened on Linux only") from None
    return VfioDevice(check_card(address))

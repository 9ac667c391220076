"""Description of one PCIe card for the build flow."""

from dataclasses import dataclass
from typing import Literal

from ndrite.boards.fpga.target import Target
from ndrite.emulator.spec import PRESETS, Geometry


@dataclass(frozen=True, kw_only=True)
class PcieTarget:
    """Description of a PCIe card with a 7-series hard block, the counterpart of
    ``Target`` for boards on UART and Ethernet.

    Parameters
    ----------
    name:
        Its name for ``ndrite board build``.
    device, package, speed:
        Part, as openXC7 spells it; ``speed`` is the grade.
    geometry:
        Shape of the array.
    clock_mhz:
        Clock of array and endpoint.
    user_mhz:
        User clock of the hard block: 62.5 MHz at gen1 x1.
    pins:
        Port of the top, package pin, I/O standard ("" for pins of the transceiver).
    pins_from:
        Where the pins were taken from.
    """

    name: str
    device: str
    package: str
    speed: str
    geometry: Geometry = PRESETS["64-lane"]
    clock_mhz: float
    user_mhz: float
    pins: tuple[tuple[str, str, str], ...]
    pins_from: str

    family: Literal["xc7"] = "xc7"
    # Constant fields that the build flow for all boards reads.
    same_die: tuple[str, ...] = ()
    ethernet: None = None
    memory_styles: tuple[()] = ()
    soft_multipliers: tuple[()] = ()
    dsp_inference: bool = True
    small: bool = False
    learns: bool = False
    asked: float = 1
    lane_sites_from: None = None

    @property
    def part(self) -> str:
        """The name of the FPGA in prjxray's database."""
        return f"{self.device}{self.package}-{self.speed}"


Buildable = Target | PcieTarget
"""Any board or card that ``ndrite board build`` builds."""

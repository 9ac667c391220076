"""sized: components whose ports follow from the geometry."""

from typing import TypeAlias

from amaranth.lib import wiring

from emulator.spec.geometry import Geometry

Ports: TypeAlias = dict[str, wiring.Member]


class Sized(wiring.Component):
    """Has the ``ports`` that its subclass says for its ``geometry``."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(self.ports(geometry))

    def ports(self, g: Geometry) -> Ports:
        """Each port's name and direction."""
        raise NotImplementedError

"""ports: those of components sized by the geometry, and what connects only some of them."""

from typing import Any, TypeAlias

from amaranth.lib import wiring

from ndrite.emulator.spec.geometry import Geometry

Ports: TypeAlias = dict[str, wiring.Member]


class Sized(wiring.Component):
    """Has the ``ports`` that its subclass says for its ``geometry``."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(self.ports(geometry))

    def ports(self, g: Geometry) -> Ports:
        """Each port's name and direction."""
        raise NotImplementedError


def by_name(to: Any, source: Any, *names: str) -> list[Any]:
    """Each of ``to``'s signals, or fields, called ``names`` is assigned ``source``'s of that name.

    For ports of which only some are alike; where all are, ``wiring.connect`` says so.
    """
    return [getattr(to, name).eq(getattr(source, name)) for name in names]

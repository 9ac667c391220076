"""keys: of a forward pass, and of everything that a layer's backward pass and update draw."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from emulator.spec.learning import (
    COLUMNS,
    DOMAIN_BACK,
    DOMAIN_CYCLE,
    DOMAIN_DEVICE,
    DOMAIN_TRAIN,
    ROWS,
)
from emulator.spec.noise import DOMAIN_READ
from hdl.noise.pass_key import PassKey

COLUMN_KEY, BACK_KEY, ROW_KEY, DEVICE_KEY, CYCLE_KEY = range(5)
"""In the order in which they are needed."""
DOMAINS = (DOMAIN_TRAIN, DOMAIN_BACK, DOMAIN_TRAIN, DOMAIN_DEVICE, DOMAIN_CYCLE)
SIDES = (COLUMNS, 0, ROWS, 0, 0)


class Keys(wiring.Component):
    """``start_read`` works out ``read_key`` of (tile, part) of a layer; ``start_layer`` the five of a layer,
    one after the other. ``read_ready`` and ``ready`` say which are there. Not both at once.
    Latency: 30 cycles a key. Resources: a ``PassKey``, six keys.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "seed": In(64),
                "die_seed": In(64),
                "update": In(32),
                "layer": In(8),
                "tile": In(8),
                "part": In(3),
                "start_read": In(1),
                "start_layer": In(1),
                "read_key": Out(64),
                "read_ready": Out(1),
                "keys": Out(ArrayLayout(64, 5)),
                "ready": Out(5),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.cipher = cipher = PassKey()
        reading, which, begun = Signal(), Signal(range(5)), Signal()
        m.d.comb += [cipher.seed.eq(self.seed), cipher.inference.eq(self.update)]
        with m.If(reading):
            m.d.comb += [
                cipher.domain.eq(DOMAIN_READ),
                cipher.counter.eq(Cat(self.part, Const(0, 5), self.tile, Const(0, 8), self.layer)),
            ]
        with m.Else():
            with m.Switch(which):
                for i, (domain, side) in enumerate(zip(DOMAINS, SIDES, strict=True)):
                    with m.Case(i):
                        m.d.comb += cipher.domain.eq(domain)
                        m.d.comb += cipher.counter.eq(Cat(Const(side << 8, 24), self.layer))
                        if domain == DOMAIN_DEVICE:
                            m.d.comb += [cipher.seed.eq(self.die_seed), cipher.inference.eq(0)]
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start_read):
                    m.d.sync += [reading.eq(1), self.read_ready.eq(0)]
                    m.next = "BEGIN"
                with m.Elif(self.start_layer):
                    m.d.sync += [reading.eq(0), which.eq(0), self.ready.eq(0)]
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += cipher.start.eq(1)
                m.d.sync += begun.eq(0)
                m.next = "WAIT"
            with m.State("WAIT"):
                # ``done`` of the key before falls a cycle after ``start``.
                m.d.sync += begun.eq(1)
                with m.If(begun & cipher.done):
                    with m.If(reading):
                        m.d.sync += [self.read_key.eq(cipher.key), self.read_ready.eq(1)]
                        m.next = "IDLE"
                    with m.Else():
                        m.d.sync += self.keys[which].eq(cipher.key)
                        m.d.sync += self.ready.bit_select(which, 1).eq(1)
                        m.d.sync += which.eq(Mux(which == 4, 0, which + 1))
                        m.next = "BEGIN"
                        with m.If(which == 4):
                            m.next = "IDLE"
        return m

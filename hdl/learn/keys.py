"""keys: of everything that the layers draw in an update, read noise of forward passes left out."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.learning import (
    COLUMNS,
    DOMAIN_BACK,
    DOMAIN_CYCLE,
    DOMAIN_DEVICE,
    DOMAIN_TRAIN,
    NEURONS,
    ROWS,
)
from ndrite.hdl.noise.pass_key import PassKey

COUNT = 6
ROW_KEY, COLUMN_KEY, BACK_KEY, DEVICE_KEY, CYCLE_KEY, ECRAM_KEY = range(COUNT)
DOMAINS = (DOMAIN_TRAIN, DOMAIN_TRAIN, DOMAIN_BACK, DOMAIN_DEVICE, DOMAIN_CYCLE, DOMAIN_TRAIN)
SIDES = (ROWS, COLUMNS, 0, 0, 0, NEURONS)
KEY_LATENCY = 32
"""Cycles from ``start`` to ROW_KEY of the first layer."""


class Keys(wiring.Component):
    """``start`` works out COUNT keys for each of ``depth`` layers, one after the other; ``keys`` are those of
    ``layer``, two cycles later. ``ready``: its ROW_KEY was there a cycle ago; ``whole``: all keys of all
    layers are.
    Latency: 31 cycles a key. Resources: a ``PassKey``, 384 bits of LUT memory a layer.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "seed": In(64),
                "die_seed": In(64),
                "update": In(32),
                "depth": In(range(geometry.layers + 1)),
                "start": In(1),
                "layer": In(range(geometry.layers)),
                "ready": Out(1),
                "whole": Out(1),
                "keys": Out(ArrayLayout(64, COUNT)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.cipher = cipher = PassKey()
        m.submodules.memory = memory = Memory(shape=COUNT * 64, depth=g.layers, init=[])
        write, read = memory.write_port(granularity=64), memory.read_port(domain="comb")
        of, key_number = Signal(range(g.layers)), Signal(range(COUNT))
        begun, ended, key_valid = Signal(), Signal(), Signal()
        m.d.comb += [
            cipher.seed.eq(self.seed),
            cipher.inference.eq(self.update),
            read.addr.eq(self.layer),
            write.addr.eq(of),
            write.data.eq(cipher.key.replicate(COUNT)),
        ]
        row_key = (of > self.layer) | ((of == self.layer) & (key_number != ROW_KEY)) | self.whole
        m.d.sync += [Cat(*self.keys).eq(read.data), self.ready.eq(key_valid & row_key)]
        with m.Switch(key_number):
            for i, (domain, side) in enumerate(zip(DOMAINS, SIDES, strict=True)):
                with m.Case(i):
                    m.d.comb += cipher.domain.eq(domain)
                    m.d.comb += cipher.counter.eq(Cat(Const(side << 8, 24), Cat(of, Const(0, 8))[:8]))
                    if domain == DOMAIN_DEVICE:
                        m.d.comb += [cipher.seed.eq(self.die_seed), cipher.inference.eq(0)]
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [of.eq(0), key_number.eq(0), key_valid.eq(1), self.whole.eq(0)]
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += cipher.start.eq(1)
                m.d.sync += begun.eq(0)
                m.next = "WAIT"
            with m.State("WAIT"):
                # ``done`` of the key before falls a cycle after ``start``.
                m.d.sync += [begun.eq(1), ended.eq(begun & cipher.done)]
                with m.If(ended):
                    m.d.comb += write.en.eq(1 << key_number)
                    m.d.sync += [begun.eq(0), ended.eq(0)]
                    m.d.sync += key_number.eq(Mux(key_number == COUNT - 1, 0, key_number + 1))
                    m.next = "BEGIN"
                    with m.If(key_number == COUNT - 1):
                        m.d.sync += of.eq(of + 1)
                        with m.If(of == self.depth - 1):
                            m.d.sync += self.whole.eq(1)
                            m.next = "IDLE"
        return m

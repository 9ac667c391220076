"""converter: read noise and conversion of one value after the other, for columns and for rows."""

from __future__ import annotations

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.geometry import Geometry
from hdl.learn.layouts import INDEX_BITS
from hdl.noise.gaussian import GAUSSIAN_LATENCY, Gaussian
from hdl.noise.sigma import Sigma
from hdl.parts.layouts import column_shape, energy_shape
from hdl.readout.readout_pipe import GAIN_STAGE, PIPE_LATENCY, SETTINGS_STAGES, ReadoutPipe

VALUE_STAGE = GAUSSIAN_LATENCY + 1
"""Cycles after ``index`` at which ``value`` is taken."""
SETTING_STAGE = GAUSSIAN_LATENCY + GAIN_STAGE
"""The same of ``gain`` and ``offset``."""
CONVERT_LATENCY = GAUSSIAN_LATENCY + PIPE_LATENCY
"""Cycles from ``index`` to ``code``."""


class Converter(wiring.Component):
    """code = clip(rshift_round((value + noise) * gain, shift) + offset, B bits) << lshift.

    The noise of ``index`` is drawn under ``key``, its scale worked out after ``start`` from ``variance`` and
    ``var_cell`` with ``energy``; 0 unless ``noisy``. Everything but value, gain and offset holds still.
    Latency: CONVERT_LATENCY, one a cycle; the scale ``ready`` about 30 cycles after ``start``. Resources: a
    ``Gaussian``, a ``Sigma`` and a ``ReadoutPipe``.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(
            {
                "start": In(1),
                "ready": Out(1),
                "noisy": In(1),
                "variance": In(32),
                "var_cell": In(16),
                "energy": In(energy_shape(geometry)),
                "key": In(64),
                "index": In(INDEX_BITS),
                "value": In(column_shape(geometry)),
                "gain": In(16),
                "offset": In(signed(12)),
                "bits": In(4),
                "shift": In(6),
                "lshift": In(3),
                "code": Out(signed(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.scale = scale = Sigma(self.geometry)
        m.submodules.gaussian = gaussian = Gaussian()
        m.submodules.pipe = pipe = ReadoutPipe(self.geometry)
        half, top = Signal.like(pipe.half), Signal.like(pipe.top)
        m.d.sync += [
            half.eq((Const(1, len(half)) << self.shift) >> 1),
            top.eq((Const(1, 12) << (self.bits - 1)[:4]) - 1),
        ]
        m.d.comb += [
            scale.start.eq(self.start),
            scale.variance_out.eq(self.variance),
            scale.var_cell.eq(self.var_cell),
            scale.energy.eq(self.energy),
            self.ready.eq(scale.done),
            gaussian.key.eq(self.key),
            gaussian.column.eq(self.index),
            pipe.sample.eq(gaussian.sample),
            pipe.sigma.eq(Mux(self.noisy, scale.sigma, 0)),
            pipe.column.eq(self.value),
            pipe.gain.eq(self.gain),
            pipe.offset.eq(self.offset),
            pipe.half.eq(half),
            pipe.top.eq(top),
            self.code.eq(pipe.increment),
        ]
        for stage in SETTINGS_STAGES:
            settings = getattr(pipe, f"settings_{stage}")
            m.d.comb += [
                settings.adc_bits.eq(self.bits),
                settings.shift.eq(self.shift),
                settings.lshift.eq(self.lshift),
            ]
        return m

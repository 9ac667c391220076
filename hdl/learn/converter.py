"""converter: read noise and conversion of some values a cycle, for columns and for rows."""

from amaranth import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.arithmetic import SHIFT_MAX
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.learn.layouts import INDEX_BITS
from ndrite.hdl.noise.gaussian import GAUSSIAN_LATENCY, Gaussian
from ndrite.hdl.noise.sigma import Sigma
from ndrite.hdl.parts.delay import delayed
from ndrite.hdl.parts.layouts import column_shape, energy_shape
from ndrite.hdl.readout.readout_pipe import GAIN_STAGE, PIPE_LATENCY, SETTINGS_STAGES, ReadoutPipe

VALUE_STAGE = GAUSSIAN_LATENCY + 1
"""Cycles after ``index`` at which ``values`` are taken."""
SETTING_STAGE = GAUSSIAN_LATENCY + GAIN_STAGE
"""The same of ``gain`` and ``offset``."""
CONVERT_LATENCY = GAUSSIAN_LATENCY + PIPE_LATENCY
"""Cycles from ``index`` to ``codes``."""


class Converter(wiring.Component):
    """code = clip(rshift_round((value + noise) * gain, shift) + offset, B bits) << lshift.

    Values ``index``, ``index`` + 1 ... of a layer, as many as the geometry has readouts. Their noise is drawn
    under ``key``, its scale worked out after ``start`` from ``variance`` and ``var_cell`` with ``energy``,
    and 0 unless ``noisy``; it must be there when values are taken. ``key`` and ``lshift`` go with ``index``;
    what is not named here holds still. Latency: CONVERT_LATENCY, a cycle for each ``index``. Resources: a
    ``Sigma``, and a ``Gaussian`` and a ``ReadoutPipe`` for each readout.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        count = geometry.readouts
        super().__init__(
            {
                "start": In(1),
                "noisy": In(1),
                "variance": In(32),
                "var_cell": In(16),
                "energy": In(energy_shape(geometry)),
                "key": In(64),
                "index": In(INDEX_BITS),
                "values": In(ArrayLayout(column_shape(geometry), count)),
                "gain": In(ArrayLayout(16, count)),
                "offset": In(ArrayLayout(signed(12), count)),
                "bits": In(4),
                "shift": In(6),
                "lshift": In(3),
                "codes": Out(ArrayLayout(signed(32), count)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.scale = scale = Sigma(self.geometry)
        half, top = Signal(SHIFT_MAX + 1), Signal(12)
        sigma = Signal(16)
        m.d.sync += [
            half.eq((Const(1, len(half)) << self.shift) >> 1),
            top.eq((Const(1, 12) << (self.bits - 1)[:4]) - 1),
        ]
        m.d.comb += [
            scale.start.eq(self.start),
            scale.variance_out.eq(self.variance),
            scale.var_cell.eq(self.var_cell),
            scale.energy.eq(self.energy),
            sigma.eq(Mux(self.noisy, scale.sigma, 0)),
        ]
        last = SETTINGS_STAGES[-1]
        lshift = delayed(m, self.lshift, GAUSSIAN_LATENCY + last, "lshift")
        for i in range(self.geometry.readouts):
            m.submodules[f"gaussian_{i}"] = gaussian = Gaussian(follow=True)
            m.submodules[f"pipe_{i}"] = pipe = ReadoutPipe(self.geometry)
            m.d.comb += [
                gaussian.key.eq(self.key),
                gaussian.column.eq(self.index + i),
                pipe.sample.eq(gaussian.sample),
                pipe.sigma.eq(sigma),
                pipe.column.eq(self.values[i]),
                pipe.gain.eq(self.gain[i]),
                pipe.offset.eq(self.offset[i]),
                pipe.half.eq(half),
                pipe.top.eq(top),
                self.codes[i].eq(pipe.increment),
            ]
            for stage in SETTINGS_STAGES:
                settings = getattr(pipe, f"settings_{stage}")
                m.d.comb += [settings.adc_bits.eq(self.bits), settings.shift.eq(self.shift)]
            m.d.comb += getattr(pipe, f"settings_{last}").lshift.eq(lshift)
        return m

"""neuron_pipe: computes bias, scale and the piecewise-linear NDR curve of one
column per cycle."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_BITS, V_MAX, V_MIN
from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import SECOND_BITS, Ports, Sized, group_layout
from ndrite.hdl.parts.memory import RegisteredMemory, share
from ndrite.hdl.parts.multiplier import Multiplier, WideMultiplier
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import unmerged

NEURON_LATENCY = 24
"""Cycles from a column's partial sum to its activation."""
OUTPUT_STAGE = 3
"""Cycles from a column's partial sum to its sum z, the output of an output layer."""
VOLTAGE_STAGE = 12
TABLE_BITS = 18


class NeuronPipe(Sized):
    """Pipeline of one neuron: z = p + bias + second operand; voltage v =
    clip(rshift_round(z * scale, vshift)); output y by the segment of the
    piecewise-linear (PWL) table in which v lies.

    y = clip(rshift_round((base << f) + slope * r, f + h), 0, 255) with segment s = v >>
    f and remainder r. ``entry`` is the column's address in the memories, which hold
    every ``Geometry.neurons``-th column. ``layer`` must not change while columns are in
    the pipeline. Latency: OUTPUT_STAGE cycles to ``z``, NEURON_LATENCY to ``y``.
    Resources: three multipliers (two for the scale, one for the slope), 64 bits a
    column and 36 bits a table entry of memory.
    """

    def ports(self, g: Geometry) -> Ports:
        return (
            {
                "layer": In(group_layout(g)),
                "entry": In(bits_for(g.columns // g.neurons - 1)),
                "p": In(signed(32)),
                "z": Out(signed(32)),
                "y": Out(8),
            }
            | {f"{name}_window": In(WindowSignature()) for name in ("bias", "neuron", "base", "slope")}
            | ({"second": In(SECOND_BITS)} if g.map_codes else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, columns = self.layer, self.geometry.columns // self.geometry.neurons
        bias = self._memory(m, "bias", self.bias_window, self.entry, 32, columns)
        settings = self._memory(m, "settings", self.neuron_window, self.entry, 32, columns)
        p_1, p_2 = Signal(signed(32), reset_less=True), Signal(signed(32), reset_less=True)
        z_3 = Signal(signed(32), reset_less=True)
        scale, curve = (Signal(16, name=n, reset_less=True) for n in ("scale_3", "curve_3"))
        m.d.sync += p_1.eq(self.p)
        if self.geometry.map_codes:
            second_1 = Signal(SECOND_BITS, reset_less=True)
            m.d.sync += [second_1.eq(Mux(layer.second, self.second, 0)), p_2.eq(p_1 + second_1)]
        else:
            m.d.sync += p_2.eq(p_1)
        m.d.sync += [z_3.eq(p_2 + bias.as_signed()), scale.eq(settings[:16]), curve.eq(settings[16:])]
        v = self._voltage(m, platform, z_3, scale, layer)
        curve = delayed(m, curve, VOLTAGE_STAGE - OUTPUT_STAGE, "curve")
        m.d.comb += [self.z.eq(z_3), self.y.eq(self._curve(m, platform, v, curve, layer))]
        return m

    def _voltage(self, m: Module, platform: object, z_3: Signal, scale_3: Signal, layer: Signal) -> Signal:
        """Return v + 2048 as an unsigned 12-bit value at pipeline stage VOLTAGE_STAGE;
        the product of z and scale is ready at stage 8."""
        m.submodules.scaler = scaler = WideMultiplier(32, 16)
        m.d.comb += [scaler.a.eq(z_3), scaler.b.eq(scale_3)]
        rounded_9, coarse_10, fine_11 = (
            Signal(signed(50), name=n, reset_less=True) for n in ("rounded_9", "coarse_10", "fine_11")
        )
        half = Signal(48, reset_less=True)
        # A copy of the shift for each reader: a single register would drive
        # several hundred loads.
        vshift = [unmerged(m, platform, layer.vshift, f"vshift_{i}") for i in range(4)]
        m.d.sync += half.eq((Const(1, 1) << vshift[0]) >> 1)
        m.d.sync += rounded_9.eq(scaler.product + half)
        m.d.sync += fine_11.eq(coarse_10 >> vshift[1][:3])
        for number, part in enumerate((slice(0, 25), slice(25, 50))):
            with m.Switch(vshift[2 + number][3:]):
                for i in range(8):
                    with m.Case(i):
                        m.d.sync += coarse_10[part].eq((rounded_9 >> 8 * i)[part])
        v_12 = Signal(V_BITS, reset_less=True)
        # Comparing with a power of two needs only the bits above it, and no carry
        # chain of 50 bits.
        negative, low_bits = fine_11[-1], fine_11[V_BITS - 1 : -1]
        with m.If(~negative & low_bits.any()):
            m.d.sync += v_12.eq(V_MAX - V_MIN)
        with m.Elif(negative & ~low_bits.all()):
            m.d.sync += v_12.eq(0)
        with m.Else():
            m.d.sync += v_12.eq(fine_11 - V_MIN)
        return v_12

    def _curve(self, m: Module, platform: object, v_12: Signal, curve_12: Signal, layer: Signal) -> Signal:
        """Return the output y at pipeline stage 24. The table address is valid at
        stage 13, the table's words at stage 15 and the operands of the straight
        line at stage 18."""
        g = self.geometry
        index_bits = exact_log2(g.segments)
        f = [unmerged(m, platform, layer.segment_bits, f"segment_bits_{i}") for i in range(4)]
        address_13 = Signal(index_bits + exact_log2(g.curves), reset_less=True)
        offset_bits, below = (Signal(V_BITS - 1, name=n, reset_less=True) for n in ("rest_13", "below"))
        m.d.sync += [
            address_13.eq(Cat((v_12 >> f[0])[:index_bits], curve_12[: exact_log2(g.curves)])),
            below.eq(~(Const(-1, signed(V_BITS)) << f[1])[: V_BITS - 1]),
            offset_bits.eq(v_12 & below),
        ]
        base_15 = self._entries(m, "base", self.base_window, address_13)
        slope_15 = self._entries(m, "slope", self.slope_window, address_13)
        offset_bits = delayed(m, offset_bits, 2, "rest")
        m.submodules.line = line = Multiplier(signed(TABLE_BITS), unsigned(V_BITS - 1))
        m.d.comb += [line.a.eq(slope_15), line.b.eq(offset_bits)]
        base = delayed(m, base_15, 1, "base")
        wide = signed(TABLE_BITS + V_BITS + 2)
        shifted_17, base_18, rounded_20, coarse_21, y_22 = (
            Signal(wide, name=n, reset_less=True)
            for n in ("shifted_17", "base_18", "rounded_20", "coarse_21", "y_22")
        )
        # A multiplier's output register is slow: one more register before the adder.
        product_19 = delayed(m, line.product, 1, "product_19")
        base_19 = delayed(m, base_18, 1, "base_19")
        shift = Signal(5, reset_less=True)
        half = Signal(24, reset_less=True)
        high, low, y_24 = (Signal(n, reset_less=True) for n in (1, 1, 8))
        y_23 = Signal(8, reset_less=True)
        # The layer's settings are constant, so registers for values that depend only
        # on them do no harm.
        m.d.sync += [shift.eq(f[2] + layer.table_bits), half.eq((Const(1, 1) << shift) >> 1)]
        m.d.sync += shifted_17.eq(base << f[3])
        m.d.sync += base_18.eq(shifted_17 + half)
        m.d.sync += rounded_20.eq(product_19 + base_19)
        m.d.sync += y_22.eq(coarse_21 >> shift[:3])
        m.d.sync += [low.eq(y_22 < 0), high.eq(y_22 > INPUT_MAX), y_23.eq(y_22)]
        m.d.sync += y_24.eq(Mux(low, 0, Mux(high, INPUT_MAX, y_23)))
        with m.Switch(shift[3:]):
            for i in range(4):
                with m.Case(i):
                    m.d.sync += coarse_21.eq(rounded_20 >> 8 * i)
        return y_24

    def _entries(self, m: Module, name: str, window: Any, address: Signal) -> Signal:
        depth = self.geometry.curves * self.geometry.segments
        return self._memory(m, name, window, address, signed(TABLE_BITS), depth)

    @staticmethod
    def _memory(m: Module, name: str, window: Any, address: Signal, shape: ShapeLike, depth: int) -> Signal:
        """Build a memory that the bus writes. It is read at ``address``, with
        READ_LATENCY; the bus may read it while the neuron is idle."""
        m.submodules[name] = memory = RegisteredMemory(shape, depth)
        share(m, memory, window, address)
        m.d.sync += window.read_data.eq(memory.data)
        return memory.data

"""pass_noise: samples and scale of every pass, with two keys and two roots at work on passes that follow."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.data import StructLayout

from emulator.spec.noise import KEY_WORD_BITS
from hdl.noise.pass_key import PassKey
from hdl.noise.sigma import Sigma
from hdl.noise.slice_noise import SliceNoise
from hdl.parts.layouts import noise_layout
from hdl.parts.queue import Queue

UNITS = 2
"""Keys, and roots, that take turns: either takes about 30 cycles, a short pass fewer."""


def scale_layout() -> StructLayout:
    """What a pass's square root needs beside its energy."""
    return StructLayout({"noisy": 1, "variance_out": 32, "var_cell": 16})


class PassNoise(SliceNoise):
    """``hdl.noise.noise.Noise`` with the next passes' keys worked out beside the samples of the one before.

    For arrays without slices added at once. Throughput: one sample a cycle and pipe, and a pass in 16 cycles.
    Resources: as ``Noise``, another key and root, and about 350 flip-flops.
    """

    def _units(self, m: Module) -> None:
        g, now = self.geometry, self.passes.payload
        self.roots, self.keys = [Sigma(g) for _ in range(UNITS)], [PassKey() for _ in range(UNITS)]
        for j, (root, key) in enumerate(zip(self.roots, self.keys, strict=True)):
            m.submodules[f"root_{j}"], m.submodules[f"key_{j}"] = root, key
            self._key_of(m, key, Cat(now.slice, Const(0, 5), now.tile, Const(0, 6), now.layer))
            m.d.comb += root.energy.eq(self.energies.o.payload[0])

    def _schedule(self, m: Module) -> None:
        """A pass goes to a key, which ``handed`` gives to the samples, and through a queue to a root."""
        m.submodules.scales = self.scales = Queue(scale_layout(), 4)
        self._schedule_keys(m)
        self._schedule_roots(m)

    def _schedule_keys(self, m: Module) -> None:
        g, now, scales = self.geometry, self.passes.payload, self.scales
        self.handed, self.busy = Signal(), Signal()
        taking, giving, keying, key_ready = Signal(), Signal(), Signal(UNITS), Signal()
        waits = now.noisy & keying.bit_select(taking, 1)
        taken = self._late(m, self.passes.valid & scales.i.ready & ~waits)
        done = Cat(key.done for key in self.keys)
        m.d.comb += [
            self.passes.ready.eq(taken),
            scales.i.valid.eq(taken),
            *(scales.i.payload[name].eq(now[name]) for name in scale_layout().members),
            self.handed.eq(key_ready & ~self.busy),
        ]
        # A cycle late: ``busy`` bridges the one after ``handed``.
        m.d.sync += key_ready.eq((keying & done).bit_select(giving, 1))
        m.d.sync += [taking.eq(taking ^ (taken & now.noisy)), giving.eq(giving ^ self.handed)]
        keyed = [Signal(noise_layout(g), name=f"keyed_{j}", reset_less=True) for j in range(UNITS)]
        for j, key in enumerate(self.keys):
            m.d.comb += key.start.eq(taken & now.noisy & (taking == j))
            with m.If(key.start):
                m.d.sync += [keying[j].eq(1), keyed[j].eq(now)]
            with m.Elif(self.handed & (giving == j)):
                m.d.sync += keying[j].eq(0)
        self.keyed, finished = Signal(noise_layout(g), reset_less=True), Signal(2 * KEY_WORD_BITS)
        m.d.sync += [
            self.keyed.eq(Mux(giving, keyed[1], keyed[0])),
            finished.eq(Mux(giving, self.keys[1].key, self.keys[0].key)),
        ]
        self.finished = [finished]

    def _schedule_roots(self, m: Module) -> None:
        scales, energies, sigmas = self.scales, self.energies, self.sigmas
        scale = scales.o.payload
        taking, giving, rooting = Signal(), Signal(), Signal(UNITS)
        taken = self._late(m, scales.o.valid & energies.o.valid & ~rooting.bit_select(taking, 1))
        given = sigmas.i.valid & sigmas.i.ready
        m.d.comb += [
            # Of a pass without noise only its energy is consumed, so that both queues stay in step.
            scales.o.ready.eq(taken),
            energies.o.ready.eq(taken),
            sigmas.i.valid.eq((rooting & Cat(root.done for root in self.roots)).bit_select(giving, 1)),
            sigmas.i.payload.eq(Mux(giving, self.roots[1].sigma, self.roots[0].sigma)),
        ]
        m.d.sync += [taking.eq(taking ^ (taken & scale.noisy)), giving.eq(giving ^ given)]
        for j, root in enumerate(self.roots):
            rooted = Signal(scale_layout(), name=f"rooted_{j}", reset_less=True)
            m.d.comb += [
                root.start.eq(taken & scale.noisy & (taking == j)),
                root.variance_out.eq(rooted.variance_out),
                root.var_cell.eq(rooted.var_cell),
            ]
            with m.If(root.start):
                m.d.sync += [rooting[j].eq(1), rooted.eq(scale)]
            with m.Elif(given & (giving == j)):
                m.d.sync += rooting[j].eq(0)

    def _late(self, m: Module, condition: Value) -> Signal:
        """Up for one cycle, the one after ``condition``, which stays up until then.

        Keys and roots lie far apart on a full chip, and far from the queues that start them.
        """
        late = Signal()
        m.d.sync += late.eq(condition & ~late)
        return late

"""pass_noise: samples and scale of every pass, with key, root and samples each at work on another one."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib.data import StructLayout

from hdl.queue import Queue
from hdl.slice_noise import SliceNoise


def scale_layout() -> StructLayout:
    """What a pass's square root needs beside its energy."""
    return StructLayout({"noisy": 1, "variance_out": 32, "var_cell": 16})


class PassNoise(SliceNoise):
    """``hdl.noise.Noise`` with a pass's key worked out beside the samples of the one before.

    For arrays without slices added at once. Throughput: one sample a cycle and pipe, and a pass in 30 cycles.
    Resources: as ``Noise``, and about 150 flip-flops.
    """

    def _schedule(self, m: Module) -> None:
        """A pass goes to the key, which ``handed`` gives to the samples, and through a queue to the root."""
        now, energies, sigmas = self.passes.payload, self.energies, self.sigmas
        m.submodules.scales = scales = Queue(scale_layout(), 4)
        self.handed, self.busy = Signal(), Signal()
        keying, rooting, skip = Signal(), Signal(), Signal()
        taken = self.passes.valid & self.passes.ready
        m.d.comb += [
            self.passes.ready.eq(scales.i.ready & ~(now.noisy & keying)),
            scales.i.valid.eq(taken),
            *(scales.i.payload[name].eq(now[name]) for name in scale_layout().members),
            self.key_start.eq(taken & now.noisy),
            self.handed.eq(keying & self.keys[0].done & ~self.busy),
        ]
        with m.If(self.key_start):
            m.d.sync += [keying.eq(1), self.keyed.eq(now)]
        with m.Elif(self.handed):
            m.d.sync += keying.eq(0)

        waiting = scales.o.valid & energies.o.valid & ~rooting
        m.d.comb += [
            self.root_start.eq(waiting & scales.o.payload.noisy),
            # Of a pass without noise only its energy is consumed, so that both queues stay in step.
            skip.eq(waiting & ~scales.o.payload.noisy),
            scales.o.ready.eq(self.root_start | skip),
            energies.o.ready.eq(self.root_start | skip),
            sigmas.i.valid.eq(rooting & self.roots[0].done),
            sigmas.i.payload.eq(self.roots[0].sigma),
        ]
        with m.If(self.root_start):
            m.d.sync += [rooting.eq(1), self.rooted.eq(scales.o.payload)]
        with m.Elif(sigmas.i.valid & sigmas.i.ready):
            m.d.sync += rooting.eq(0)

    def _stages(self, m: Module) -> None:
        self.keyed = Signal(self.passes.payload.shape(), reset_less=True)
        self.rooted = Signal(scale_layout(), reset_less=True)

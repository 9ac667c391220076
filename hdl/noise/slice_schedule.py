"""slice_schedule: keys and roots of a tile whose slices the array adds at once, beside each other."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring

from emulator.spec.geometry import Geometry
from hdl.noise.pass_key import PassKey
from hdl.noise.sigma import Sigma
from hdl.noise.turns import draw_key, schedule_ports


class SliceSchedule(wiring.Component):
    """Passes come in groups of ``slices``, slice 0 first, all of one tile; each group is one turn.

    The slices' keys and roots are worked out from the one S of each in ``energies``, while the samples of the
    tile before are launched. Throughput: a tile in about 45 cycles. Resources: a Speck64/128 round and a
    square root for each slice.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        super().__init__(schedule_ports(geometry))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g, now, energies, sigmas, turns = (
            self.geometry,
            self.passes.payload,
            self.energies,
            self.sigmas,
            self.turns,
        )
        key_start, root_start = Signal(), Signal()
        roots, keys = [Sigma(g) for _ in range(g.slices)], [PassKey() for _ in range(g.slices)]
        for j, (root, key) in enumerate(zip(roots, keys, strict=True)):
            m.submodules[f"root_{j}"], m.submodules[f"key_{j}"] = root, key
            draw_key(m, self, key, Const(j, 3))
            m.d.comb += [
                root.start.eq(root_start),
                root.variance_out.eq(now.variance_out),
                root.var_cell.eq(now.var_cell),
                root.energy.eq(energies.payload[j]),
                key.start.eq(key_start),
                turns.payload["keys"][j].eq(key.key),
            ]
        rooting, skip, leaving, giving = Signal(), Signal(), Signal(), Signal()
        number = Signal(range(g.slices))
        m.d.comb += [
            *(turns.payload[name].eq(now[name]) for name in ("first_column", "columns")),
            sigmas.valid.eq(giving & self.passes.valid),
            sigmas.payload.eq(Cat(*(root.sigma for root in roots)).word_select(number, 16)),
            self.passes.ready.eq(leaving | (sigmas.valid & sigmas.ready)),
            energies.ready.eq(root_start | skip),
        ]
        # As soon as the tile's energies are known, beside keys and samples.
        m.d.sync += root_start.eq(
            self.passes.valid
            & now.noisy
            & energies.valid
            & ~(rooting | root_start | self.passes.ready | giving)
        )
        with m.If(root_start):
            m.d.sync += rooting.eq(1)
        m.d.sync += [key_start.eq(0), leaving.eq(0)]
        with m.FSM():
            with m.State("idle"):
                with m.If(self.passes.valid):
                    m.next = "begin"
                    with m.If(~now.noisy):
                        m.next = "noiseless"
            with m.State("noiseless"):
                # Only the passes and their energy are consumed, so that both queues stay in step.
                with m.If(energies.valid):
                    m.d.comb += skip.eq(now.slice == g.slices - 1)
                    m.d.sync += leaving.eq(1)
                    m.next = "gone"
            with m.State("gone"):
                m.next = "idle"
            with m.State("begin"):
                m.d.sync += key_start.eq(1)
                m.next = "started"
            with m.State("started"):
                m.next = "keys"
            with m.State("keys"):
                m.d.comb += turns.valid.eq(keys[0].done)
                with m.If(turns.valid & turns.ready):
                    m.next = "roots"
            with m.State("roots"):
                with m.If(rooting & roots[0].done):
                    m.d.sync += giving.eq(1)
                    m.next = "give"
            with m.State("give"):
                with m.If(self.passes.ready):
                    m.d.sync += number.eq(number + 1)
                    with m.If(number == g.slices - 1):
                        m.d.sync += [number.eq(0), giving.eq(0), rooting.eq(0)]
                        m.next = "idle"
        return m

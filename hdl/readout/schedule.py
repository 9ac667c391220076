"""schedule: what a schedule of readout hears and says, and the parts that both schedules are made of."""

from amaranth import Const, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.hdl.noise.samples import sample_depth
from ndrite.hdl.parts.layouts import group_layout, readout_layout
from ndrite.hdl.parts.ports import Ports, Sized
from ndrite.hdl.parts.waiting_sums import waiting_sums

EMITTER_CYCLES = 3
"""Cycles from ``release`` until a last row that waits for it is on the array's ``row``."""


def steps_most(geometry: Geometry) -> int:
    """Steps of a pass that reads every lane."""
    return geometry.lanes // geometry.readouts


def partial_depth(geometry: Geometry) -> int:
    """Steps' partial sums that may wait for the neuron."""
    return max(2 * steps_most(geometry), 4)


def step_layout(geometry: Geometry) -> StructLayout:
    """Columns read out in a cycle, if ``valid``: their pass, its sigma, and the ``slot`` among the lanes and
    ``entry`` among the network's columns of P columns."""
    return StructLayout(
        {
            "valid": 1,
            "now": readout_layout(geometry),
            "sigma": 16,
            "slot": range(max(steps_most(geometry), 2)),
            "entry": bits_for(geometry.columns // geometry.readouts - 1),
        }
    )


def schedule_ports(geometry: Geometry) -> dict[str, wiring.Member]:
    """Ports of a schedule; what ``Readout`` has under the same names. ``given``: a step's partial sums have
    left; ``samples_taken``: this step's noise is used."""
    return {
        "passes": In(stream.Signature(readout_layout(geometry))),
        "capture": In(geometry.lane_groups),
        "shift": Out(1),
        "release": Out(1),
        "sigma": In(stream.Signature(16)),
        "samples_level": In(bits_for(sample_depth(geometry))),
        "samples_taken": Out(1),
        "groups": Out(stream.Signature(group_layout(geometry))),
        "given": In(1),
        "step": Out(step_layout(geometry)),
        "passed": Out(1),
    } | ({"shift_next": Out(1), "close_next": Out(1)} if waiting_sums(geometry) else {})


def skipped(geometry: Geometry, now: Signal) -> Value:
    """Steps that go by before the pass's own columns come: those of lanes below its group's."""
    return now.skip if geometry.map_codes else Const(0)


class Passing(Sized):
    """``now`` while columns of other groups go by: ``skip`` of the steps that ``go`` after ``begin``.

    Latency: none. Resources: a counter where there are feature maps, else nothing.
    """

    def ports(self, g: Geometry) -> Ports:
        return {"begin": In(1), "skip": In(bits_for(steps_most(g))), "go": In(1), "now": Out(1)}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self.geometry.map_codes:
            return m
        left = Signal(range(steps_most(self.geometry)))
        with m.If(self.begin):
            m.d.sync += [left.eq(self.skip), self.now.eq(self.skip != 0)]
        with m.Elif(self.go):
            m.d.sync += [left.eq(left - 1), self.now.eq(self.now & (left != 1))]
        return m


class Credit(Sized):
    """Room for partial sums: what a group's last pass will put into their queue is taken begins (``begin``).

    Latency: two cycles from ``begin`` to ``credit``. Resources: a counter.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "begin": In(1),
            "steps": In(bits_for(steps_most(g))),
            "given": In(1),
            "credit": Out(range(partial_depth(g) + 1), init=partial_depth(g)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots_taken, slots_returned = Signal.like(self.steps), Signal()
        m.d.sync += [
            slots_taken.eq(self.steps & self.begin.replicate(len(self.steps))),
            slots_returned.eq(self.given),
            self.credit.eq(self.credit - slots_taken + slots_returned),
        ]
        return m

"""ports: the ports that every core has, whatever its architecture, and the signal that
says that an inference starts."""

from amaranth import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import campaign_words, map_words, region_words
from ndrite.hdl.neuron.neuron import logit_layout
from ndrite.hdl.parts.bus import WindowSignature, load_members
from ndrite.hdl.parts.layouts import (
    Ports,
    Sized,
    activation_layout,
    bank_bits,
    column_shape,
    feed_layout,
    second_layout,
    start_layout,
)

EVENT_LAYOUT = StructLayout({"emit": 1, "passed": 1, "started": 1, "done": 1})
"""One-cycle pulses for the performance counters."""


def probe_layout(g: Geometry) -> StructLayout:
    """Layout of internal signals for test benches to observe; unconnected, they
    use no resources.

    ``step``: P columns leave the array, with their noise; ``added``: their increments
    of p. Where inferences overlap, ``opened``: a layer's first pass is issued, an
    inference's ``input_layer`` or its next one.
    """
    return StructLayout(
        {
            "step": 1,
            "columns": ArrayLayout(column_shape(g), g.readouts),
            "sigma": 16,
            "samples": ArrayLayout(signed(12), g.readouts),
            "added": 1,
            "increments": ArrayLayout(signed(32), g.readouts),
            "activation": 1,
            "y": 8,
            "logit": 1,
            "z": signed(32),
        }
        | ({"opened": 1, "input_layer": 1} if g.overlap else {})
    )


def redraw_signature() -> wiring.Signature:
    """Interface to the block that samples virtual chips, from the side of the
    requester (flipped on the core's side). The core's port ``stream`` carries the
    number of the virtual chip."""
    return wiring.Signature(
        {
            "start": Out(1),
            "nominal": Out(1),
            "stuck_low": Out(16),
            "stuck_high": Out(16),
            "stuck_codes": Out(24),
            "busy": In(1),
        }
    )


def core_regions(geometry: Geometry) -> tuple[str, ...]:
    """Return the names of the memory regions whose memories are inside the core."""
    shared = set(campaign_words(geometry) | map_words(geometry)) - {"variation"}
    return tuple(name for name in region_words(geometry) if name not in shared)


def core_ports(geometry: Geometry) -> dict[str, wiring.Member]:
    """Ports that every core has, whatever its architecture."""
    return (
        {
            **load_members(geometry, In),
            "start": In(stream.Signature(start_layout(geometry))),
            "input_done": Out(1),
            "done": Out(1),
            "result_address": In(bits_for(geometry.banks * geometry.max_outputs - 1)),
            "result_data": Out(signed(32)),
            "inputs": Out(16),
            "outputs": Out(16),
            "logit": Out(logit_layout(geometry)),
            "noise_enable": In(1),
            "seed": In(64),
            "stream": In(32),
            "events": Out(EVENT_LAYOUT),
            "probe": Out(probe_layout(geometry)),
        }
        | {name: In(WindowSignature()) for name in core_regions(geometry)}
        | ({"redraw": In(redraw_signature())} if geometry.redraw else {})
        | (
            {
                "activation": Out(activation_layout(geometry)),
                "second": In(stream.Signature(second_layout(geometry))),
                "walking": In(1),
                "walk_begins": In(1),
                "walk_bank": In(bank_bits(geometry)),
            }
            if geometry.map_codes
            else {}
        )
        | ({"turn": In(range(geometry.neurons + 1))} if geometry.map_codes and geometry.neurons > 1 else {})
    )


class Starts(Sized):
    """Pulses ``started`` when the first pass of an inference is ``issued``; ``feed``
    has the settings of the issued pass.

    One by one an inference's first pass is the next one after its ``start`` was taken.
    Where inferences overlap passes say so themselves: ``opened`` with a layer's first,
    ``input_layer`` if of a sample's codes. Latency: none. Resources: a flip-flop.
    """

    def ports(self, g: Geometry) -> Ports:
        return {"start": In(1), "issued": In(1), "feed": In(feed_layout(g)), "started": Out(1)} | (
            {"opened": Out(1), "input_layer": Out(1)} if g.overlap else {}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.geometry.overlap:
            m.d.comb += [
                self.opened.eq(self.issued & self.feed.layer_first),
                self.input_layer.eq(self.feed.from_input),
                self.started.eq(self.opened & self.input_layer),
            ]
            return m
        first = Signal(init=1)
        with m.If(self.start):
            m.d.sync += first.eq(1)
        with m.If(self.issued):
            m.d.sync += first.eq(0)
            m.d.comb += self.started.eq(first)
        return m

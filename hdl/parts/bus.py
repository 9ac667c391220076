"""bus: one master and one window per memory region; and the interface between a
host's link and a core.

Windows see no wait states. A window sees a stable ``address`` while ``select`` is up.
Reads: the master samples ``read_data`` ``READ_WAIT`` cycles after ``select`` rose, so a
window may register its path up to ``READ_WAIT - 3`` times. Writes: ``write`` is up for
one cycle; ``WRITE_WAIT`` cycles later the next access may begin. The master starts an
access only while no inference is under way, so windows may share the datapath's memory
ports. Accesses to the window ``STREAMED`` may follow each other in every cycle:
``step`` for one cycle each.
"""

import functools
import operator
from typing import Any

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Flow, In, Member, Out
from amaranth.utils import bits_for, exact_log2

from ndrite.emulator.spec.geometry import WORD_ROWS, Geometry
from ndrite.emulator.spec.memory_map import REGION_SHIFT, REGIONS, region_words
from ndrite.emulator.spec.registers import REGISTERS
from ndrite.hdl.parts.layouts import bank_bits, by_name, members, start_layout
from ndrite.hdl.parts.pipeline import delayed
from ndrite.hdl.parts.target import is_small

READ_WAIT = 14
WRITE_WAIT = 7
STREAMED = "weights"
"""The memory region that accepts an access in every cycle: nearly all words of a
program are in it."""
STREAM_LATENCY = 10
"""Cycles from an address at the streamed window to its data, as
``ndrite.hdl.array.array`` provides it."""
STEP_LATENCY = STREAM_LATENCY + 7
"""Cycles from ``step`` to ``done``."""
OFFSET_BITS = REGION_SHIFT


class WindowSignature(wiring.Signature):
    """Port through which the bus accesses one memory region, from the bus's side; the
    block that owns the region flips it."""

    def __init__(self) -> None:
        super().__init__(
            {
                "select": Out(1),
                "write": Out(1),
                "address": Out(OFFSET_BITS),
                "write_data": Out(32),
                "read_data": In(32),
            }
        )


class BusSignature(wiring.Signature):
    """Port of the bus master: the master holds ``request`` and the other fields until
    ``done``; ``error`` and the read data are valid together with ``done``.

    Or ``step`` with the fields, for a cycle each, as long as nothing is
    requested: each is answered by its own ``done``, in order. Only a platform
    that is not small heeds it.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "request": Out(1),
                "step": Out(1),
                "write": Out(1),
                "address": Out(32),
                "write_data": Out(32),
                "done": In(1),
                "error": In(1),
                "read_data": In(32),
            }
        )


class Decoder(wiring.Component):
    """Routes bus accesses to the windows of the memory regions, and answers
    out-of-range addresses with ``error``.

    A write to word 2 of the biases::

        { "signal": [
          {"name": "bus.request",     "wave": "01.........0...."},
          {"name": "bus.write",       "wave": "01.............."},
          {"name": "bus.address",     "wave": "=...............", "data": "3000002"},
          {"name": "bus.write_data",  "wave": "=...............", "data": "9"},
          {"name": "bias.select",     "wave": "0...1........0.."},
          {"name": "bias.write",      "wave": "0.....10........"},
          {"name": "bias.address",    "wave": "x...=...........", "data": "2"},
          {"name": "bias.write_data", "wave": "x...=...........", "data": "9"},
          {"name": "bus.done",        "wave": "0..........10..."},
          {"name": "bus.error",       "wave": "xxxxxxxxxxx0xxxx"}
        ] }

    Two weights are read in steps; ``done`` comes STEP_LATENCY cycles after each::

        { "signal": [
          {"name": "bus.step",          "wave": "01.0...................."},
          {"name": "bus.write",         "wave": "0......................."},
          {"name": "bus.address",       "wave": "x==xxxxxxxxxxxxxxxxxxxxx", "data": "1000005 1000006"},
          {"name": "weights.select",    "wave": "0....1.0................"},
          {"name": "weights.address",   "wave": "xxxxx==xxxxxxxxxxxxxxxxx", "data": "5 6"},
          {"name": "weights.read_data", "wave": "xxxxxxxxxxxxxxx==xxxxxxx", "data": "55 66"},
          {"name": "bus.done",          "wave": "0.................1.0..."},
          {"name": "bus.read_data",     "wave": "xxxxxxxxxxxxxxxxxx==xxxx", "data": "55 66"}
        ] }

    ``regions``: the words of each, where they are not the geometry's own. Latency: a
    read takes READ_WAIT + 4 cycles, a write WRITE_WAIT + 4, a step STEP_LATENCY.
    Resources: about 400 LUTs and 90 flip-flops a window, on a small platform two.
    """

    def __init__(self, geometry: Geometry, regions: dict[str, int] | None = None) -> None:
        sizes = {"registers": len(REGISTERS)} | (region_words(geometry) if regions is None else regions)
        for name, words in sizes.items():
            if words > 1 << OFFSET_BITS:
                raise ValueError(f"region {name} has {words} words; accepted: at most 2^{OFFSET_BITS}")
        self.sizes = sizes
        super().__init__({"bus": In(BusSignature())} | {name: Out(WindowSignature()) for name in sizes})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, small = self.bus, is_small(platform)
        # An access is registered once before the windows and once after them, since the
        # windows are spread over the chip.
        address = Signal(32)
        data = Signal(32)
        write = Signal()
        in_range = Signal()
        count = Signal(range(max(READ_WAIT, WRITE_WAIT) + 2))
        active = Signal()
        if small:
            # On a small platform the master itself keeps address and data constant, so
            # no registers are needed here.
            m.d.comb += [address.eq(bus.address), data.eq(bus.write_data)]
        with m.If(~active):
            bus_registers = [] if small else [address.eq(bus.address), data.eq(bus.write_data)]
            m.d.sync += [*bus_registers, write.eq(bus.write), count.eq(0)]
            m.d.sync += active.eq(bus.request & ~bus.done)
        with m.Else():
            m.d.sync += count.eq(count + 1)

        self.returned, self.astray = Signal(), Signal()
        # The address of a ``step`` is registered for a cycle before it is used.
        stepped = Signal()
        if not small:
            m.d.sync += stepped.eq(bus.step)
        # One pipeline stage per cycle: region number and range check together, then
        # the access itself.
        inside, strobe, end = [], Signal(), Signal()
        m.d.sync += strobe.eq(active & write & (count == 2))
        answers = []
        windows = members(self, self.sizes)
        for name, size in self.sizes.items():
            window = windows[name]
            chosen, below, hit = (Signal(name=f"{n}_{name}") for n in ("chosen", "below", "hit"))
            answer = Signal(32, name=f"answer_{name}")
            # ``chosen`` is cleared by synchronous reset, which saves the comparison an input.
            m.d.sync += chosen.eq(0)
            streamed = name == STREAMED and not small
            with m.If(active | stepped if streamed else active):
                m.d.sync += chosen.eq(address[REGION_SHIFT:] == REGIONS[name])
            m.d.sync += [
                below.eq(_below(address[:REGION_SHIFT], size) if small else address[:REGION_SHIFT] < size),
                hit.eq(chosen & below),
            ]
            inside.append(hit)
            answers.append(answer)
            if streamed:
                # Select and write strobe of the streamed window are derived as for the
                # other windows, but one cycle later and from the address of the step.
                at_hit = delayed(m, stepped, 2, "stepped")
                steps = delayed(m, Cat(address[:REGION_SHIFT], data, stepped & write), 2, "step")
                m.d.sync += [
                    window.select.eq((active & chosen) | at_hit),
                    window.write.eq((strobe | steps[-1]) & hit),
                    Cat(window.address, window.write_data).eq(steps[:-1]),
                ]
                behind = delayed(m, at_hit, STREAM_LATENCY + 1, "behind")
                m.d.sync += answer.eq(window.read_data & (chosen | behind).replicate(32))
                m.d.comb += self.returned.eq(delayed(m, behind, 2, "returned"))
                m.d.comb += self.astray.eq(delayed(m, ~hit, STREAM_LATENCY + 3, "astray"))
                continue
            m.d.sync += [window.select.eq(active & chosen), window.write.eq(strobe & hit)]
            m.d["comb" if small else "sync"] += answer.eq(window.read_data & chosen.replicate(32))
            # The windows are spread over the chip, so each has its own address and data
            # registers. The registers differ in their load signals, since the
            # synthesiser would merge equal registers.
            if small:
                m.d.comb += [window.address.eq(address[:REGION_SHIFT]), window.write_data.eq(data)]
            else:
                with m.If(chosen):
                    m.d.sync += [window.address.eq(address[:REGION_SHIFT]), window.write_data.eq(data)]
        read_data = Signal(32)
        m.d.sync += in_range.eq(Cat(*inside).any())
        m.d["comb" if small else "sync"] += read_data.eq(functools.reduce(operator.or_, answers))
        m.d.sync += [
            end.eq(count == Mux(write, WRITE_WAIT, READ_WAIT)),
            bus.done.eq((active & end & ~bus.done) | self.returned),
            bus.error.eq(Mux(self.returned, self.astray, ~in_range)),
            bus.read_data.eq(read_data),
        ]
        with m.If(bus.done):
            m.d.sync += active.eq(0)
        return m


def connect_bus(m: Module, master: Any, bus: Any, reset: Value) -> None:
    """Connect the bus port of ``master`` to ``bus``; requests wait while ``reset``
    holds the owners of the memory regions in reset.

    A link begins no steps meanwhile.
    """
    m.d.comb += [
        bus.request.eq(master.request & ~reset),
        *by_name(bus, master, "step", "write", "address", "write_data"),
        *by_name(master, bus, "done", "error", "read_data"),
    ]


def _below(address: Value, size: int) -> Value:
    """Return whether an address is inside a region of ``size`` words; no adder is
    needed if ``size`` is a power of two."""
    return address < size if size & (size - 1) else ~address[exact_log2(size) :].any()


def load_members(g: Geometry, flow: Flow) -> dict[str, Member]:
    """Ports through which input codes are loaded. ``load`` has one bit for each code of
    the word at ``load_address``; the codes whose bit is set are taken from
    ``load_data``. A word has as many codes as the geometry loads per cycle; the upper
    bits of the address are the bank."""
    return {
        "load": flow(g.load_codes),
        "load_address": flow(bits_for(g.banks * g.max_inputs // g.load_codes - 1)),
        "load_data": flow(8 * g.load_codes),
    }


def load_one(
    g: Geometry, *, valid: Value, index: Value, bank: Value, code: Value
) -> tuple[Value, Value, Value]:
    """Return the values of ``load``, ``load_address`` and ``load_data`` that load a
    single ``code`` as input ``index`` of ``bank``."""
    low = exact_log2(g.load_codes)
    where = Cat(index[low : exact_log2(g.max_inputs)], bank)
    if low == 0:
        return valid, where, code
    return valid << index[:low], where, code.replicate(g.load_codes)


def host_interface(geometry: Geometry) -> wiring.Signature:
    """Interface between a link and the accelerator, from the link's side (the
    accelerator flips it); both sides call it ``master``.

    - The link is the master of ``bus``, loads input codes, starts inferences, and reads
      results as from any core.
    - ``campaign_busy``: the core runs a campaign and takes no start.
    - ``bank`` is the bank of the link's next inference. Every inference uses the next
      bank, the link's and the campaign's (``campaign_started``).
    - ``done`` ends an inference of the link, ``campaign_done`` one of the campaign. If
      inferences overlap, ``input_done`` says that the bank of the link's oldest
      inference may be loaded again.
    - ``programmed``: the program tag is not 0.
    - ``hung``: the core is in reset, by the watchdog or by a reset of the whole.
      Every inference under way is lost, the next bank is 0 again, and no
      inference may be started.
    - ``walking``: the program has feature maps. The codes of up to ``samples_max``
      samples then go to ``sample_*`` (``load`` marks the codes of a word of eight that
      are valid), but not while samples are ``copying``; ``samples`` says how many
      ``start`` runs together. They count as one inference: one at a time is under way,
      ``done`` ends all of them, and their results follow each other in half of the
      result banks, which the lowest bit of the bank numbers.
    """
    return wiring.Signature(
        {
            "bus": Out(BusSignature()),
            **load_members(geometry, Out),
            "start": Out(stream.Signature(start_layout(geometry))),
            "bank": Out(bank_bits(geometry)),
            "done": In(1),
            "inputs": In(16),
            "outputs": In(16),
            "result_address": Out(bits_for(geometry.banks * geometry.max_outputs - 1)),
            "result_data": In(signed(32)),
            "programmed": In(1),
            "campaign_busy": In(1),
            "campaign_started": In(1),
            "campaign_done": In(1),
            "hung": In(1),
        }
        | ({"input_done": In(1)} if geometry.overlap else {})
        | (
            {
                "walking": In(1),
                "copying": In(1),
                "samples_max": In(16),
                "samples": Out(16),
                "sample_load": Out(WORD_ROWS),
                "sample_word": Out(bits_for(geometry.packet_bytes)),
                "sample_code": Out(8),
            }
            if geometry.map_codes
            else {}
        )
    )

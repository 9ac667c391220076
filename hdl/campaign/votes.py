"""votes: counts the winning classes of a campaign's inferences by sample and class, and
each chip's correct answers."""

from typing import Any

from amaranth import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.memory_map import CAMPAIGN_CHIPS
from ndrite.hdl.neuron.neuron import logit_layout
from ndrite.hdl.parts.bus import WindowSignature
from ndrite.hdl.parts.layouts import Ports, Sized
from ndrite.hdl.parts.memory import READ_LATENCY, RegisteredMemory
from ndrite.hdl.parts.pipeline import Queue, delayed

BUFFER_LATENCY = READ_LATENCY + 1
"""Cycles from an address to the word of the sample buffer, or to the label, at that address."""
WINNERS = 4
"""Number of votes that may wait to be counted."""
VOTE_LATENCY = BUFFER_LATENCY + 2
"""Cycles that counting a vote takes: the counter and the label are read,
compared and counted up."""


def windowed(m: Module, memory: RegisteredMemory, window: Any, address: Signal) -> None:
    """Connect ``memory`` to a bus window: the bus writes the memory and reads it on
    request; in all other cycles the word at ``address`` is read."""
    # The memory's block RAMs are spread over the chip: a register in front of them
    # shortens the wires.
    m.d.sync += [
        memory.address.eq(Mux(window.select, window.address, address)),
        memory.write.eq(window.write),
        memory.write_address.eq(window.address),
        memory.write_data.eq(window.write_data),
    ]
    m.d.sync += window.read_data.eq(memory.data)


class Votes(Sized):
    """Counts a vote for the largest logit of each inference (the first of equal
    logits); ``voted`` pulses when a vote has been counted.

    ``launch`` begins a chip, whose correct ones go to its place when ``keep`` says so.
    While ``clear`` is up the counter at ``clear_address`` is set to 0. Inferences come
    sample by sample, ``samples`` a trial. Latency: VOTE_LATENCY a vote, one after the
    other. Resources: three memories, two counters.
    """

    def ports(self, g: Geometry) -> Ports:
        return {
            "running": In(1),
            "launch": In(1),
            "samples": In(bits_for(g.campaign_samples)),
            "clear": In(1),
            "clear_address": In(range(g.campaign_votes)),
            "chip": In(range(CAMPAIGN_CHIPS + 1)),
            "keep": In(1),
            "logit": In(logit_layout(g)),
            "voted": Out(1),
            "label_window": In(WindowSignature()),
            "vote_window": In(WindowSignature()),
            "correct_window": In(WindowSignature()),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        g = self.geometry
        m.submodules.counts = counts = RegisteredMemory(32, g.campaign_votes)
        m.submodules.labels = labels = RegisteredMemory(16, g.campaign_samples)
        m.submodules.correct = correct_counts = RegisteredMemory(32, CAMPAIGN_CHIPS)
        m.submodules.winners = winners = Queue(16, WINNERS)
        logit = delayed(m, self.logit, 1, "logit")
        best, winner, size = Signal(signed(32)), Signal(16), Signal(16)
        base, sample, correct = Signal(range(g.campaign_votes)), Signal.like(self.samples), Signal(32)
        finished, first = Signal(), Signal()
        m.d.sync += first.eq(self.logit.column == 0)
        with m.If(logit.valid & (first | (logit.z > best))):
            m.d.sync += [best.eq(logit.z), winner.eq(logit.column)]
        m.d.sync += finished.eq(self.running & logit.valid & logit.final)
        with m.If(logit.valid):
            m.d.sync += size.eq(logit.column + 1)
        # Votes are counted one at a time, VOTE_LATENCY cycles each. The queue holds at
        # most as many winners as inferences are under way.
        age = Signal(range(VOTE_LATENCY + 1))
        m.d.comb += [
            winners.i.valid.eq(finished),
            winners.i.payload.eq(winner),
            self.voted.eq(winners.o.valid & (age == VOTE_LATENCY)),
            winners.o.ready.eq(self.voted),
        ]
        m.d.sync += age.eq(Mux(winners.o.valid & ~self.voted, age + 1, 0))
        address, last_sample, right = Signal(range(g.campaign_votes)), Signal(), Signal()
        more = Signal(32)
        m.d.sync += [
            address.eq(base + winners.o.payload),
            last_sample.eq(sample + 1 == self.samples),
            right.eq(labels.data == winners.o.payload),
            more.eq(counts.data + 1),
        ]
        windowed(m, labels, self.label_window, sample)
        m.d.comb += [
            counts.address.eq(Mux(self.vote_window.select, self.vote_window.address, address)),
            counts.write.eq(self.clear | self.voted),
            counts.write_address.eq(Mux(self.clear, self.clear_address, address)),
            counts.write_data.eq(Mux(self.clear, 0, more)),
            correct_counts.address.eq(self.correct_window.address),
            correct_counts.write.eq(self.keep),
            correct_counts.write_address.eq(self.chip),
            correct_counts.write_data.eq(correct),
        ]
        m.d.sync += [
            self.vote_window.read_data.eq(counts.data),
            self.correct_window.read_data.eq(correct_counts.data),
        ]
        with m.If(self.launch):
            m.d.sync += [base.eq(0), sample.eq(0), correct.eq(0)]
        with m.If(self.voted):
            m.d.sync += [correct.eq(correct + right), base.eq(base + size), sample.eq(sample + 1)]
            with m.If(last_sample):
                m.d.sync += [base.eq(0), sample.eq(0)]
        return m

"""votes: the winners of a campaign's inferences, counted per sample and class, and a chip's correct ones."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal, signed

from emulator.spec.memory_map import CAMPAIGN_CHIPS
from hdl.parts.delay import delayed
from hdl.parts.memory import READ_LATENCY, RegisteredMemory
from hdl.parts.queue import Queue

BUFFER_LATENCY = READ_LATENCY + 1
"""Cycles from an address to the word of the sample buffer or a label."""
WINNERS = 4
"""Votes that may wait."""
VOTE_LATENCY = BUFFER_LATENCY + 2
"""Cycles a vote takes: address, counter and label read, compared and counted up."""


def windowed(m: Module, memory: RegisteredMemory, window: Any, address: Signal) -> None:
    """``memory`` written by the bus; read by it when it asks, at ``address`` otherwise."""
    # Its blocks lie all over the chip: registers in front of them.
    m.d.sync += [
        memory.address.eq(Mux(window.select, window.address, address)),
        memory.write.eq(window.write),
        memory.write_address.eq(window.address),
        memory.write_data.eq(window.write_data),
    ]
    m.d.sync += window.read_data.eq(memory.data)


def count_votes(m: Module, campaign: Any, launch: Signal, clear_address: Signal, correct: Signal) -> None:
    """The winner of each inference into its counter, some cycles after its last logit."""
    g = campaign.geometry
    m.submodules.votes = votes = RegisteredMemory(32, g.campaign_votes)
    m.submodules.labels = labels = RegisteredMemory(16, g.campaign_samples)
    logit = delayed(m, campaign.logit, 1, "logit")
    best = Signal(signed(32))
    winner = Signal(16)
    base = Signal(range(g.campaign_votes))
    size = Signal(16)
    sample = Signal.like(campaign.samples)
    finished = Signal()
    first = Signal()
    m.d.sync += first.eq(campaign.logit.column == 0)
    better = first | (logit.z > best)
    with m.If(logit.valid & better):
        m.d.sync += [best.eq(logit.z), winner.eq(logit.column)]
    m.d.sync += finished.eq(campaign.running & logit.valid & logit.final)
    with m.If(logit.valid):
        m.d.sync += size.eq(logit.column + 1)
    # One vote after the other, each with all the time it takes; no more wait than there are inferences.
    m.submodules.winners = winners = Queue(16, WINNERS)
    age = Signal(range(VOTE_LATENCY + 1))
    m.d.comb += [
        winners.i.valid.eq(finished),
        winners.i.payload.eq(winner),
        campaign.voted.eq(winners.o.valid & (age == VOTE_LATENCY)),
        winners.o.ready.eq(campaign.voted),
    ]
    m.d.sync += age.eq(Mux(winners.o.valid & ~campaign.voted, age + 1, 0))
    address, last_sample, right = Signal(range(g.campaign_votes)), Signal(), Signal()
    more = Signal(32)
    m.d.sync += [
        address.eq(base + winners.o.payload),
        last_sample.eq(sample + 1 == campaign.samples),
        right.eq(labels.data == winners.o.payload),
        more.eq(votes.data + 1),
    ]
    windowed(m, labels, campaign.label_window, sample)
    m.d.comb += [
        votes.address.eq(Mux(campaign.vote_window.select, campaign.vote_window.address, address)),
        votes.write.eq(campaign.clearing | campaign.voted),
        votes.write_address.eq(Mux(campaign.clearing, clear_address, address)),
        votes.write_data.eq(Mux(campaign.clearing, 0, more)),
    ]
    m.d.sync += campaign.vote_window.read_data.eq(votes.data)
    with m.If(launch):
        m.d.sync += [base.eq(0), sample.eq(0), correct.eq(0)]
    with m.If(campaign.voted):
        m.d.sync += [
            correct.eq(correct + right),
            base.eq(base + size),
            sample.eq(sample + 1),
        ]
        with m.If(last_sample):
            m.d.sync += [base.eq(0), sample.eq(0)]


def keep_correct(m: Module, campaign: Any, chip: Signal, correct: Signal) -> None:
    """A chip's ``correct`` into its place, from where the bus reads it."""
    m.submodules.correct = memory = RegisteredMemory(32, CAMPAIGN_CHIPS)
    window = campaign.correct_window
    m.d.comb += [
        memory.address.eq(window.address),
        memory.write.eq(campaign.correct_write),
        memory.write_address.eq(chip),
        memory.write_data.eq(correct),
    ]
    m.d.sync += window.read_data.eq(memory.data)

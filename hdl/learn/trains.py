"""trains: which slots of a row's or a column's train have a pulse."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from emulator.spec.learning import SLOTS_MAX
from hdl.learn.layouts import INDEX_BITS, THRESHOLD_BITS, TRAIN_BITS
from hdl.learn.words import SLOTS_LATENCY, WORDS_LATENCY, Words, slot_numbers
from hdl.parts.delay import delayed
from hdl.parts.unmerged import unmerged

TRAIN_LATENCY = WORDS_LATENCY + SLOTS_LATENCY + 1
"""Cycles from ``number`` and ``threshold`` to ``train``."""
COPIES = 4
"""Of a threshold, which all slots' numbers are compared with."""


class Trains(wiring.Component):
    """Bit t of ``train`` is (number of slot t < threshold), of the first ``slots`` slots.

    Latency: TRAIN_LATENCY cycles, a train a cycle. Resources: a ``Words``, 16 mixers, 31 comparators of 17
    bits: about 2,500 LUTs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "key": In(64),
                "slots": In(range(SLOTS_MAX + 1)),
                "number": In(INDEX_BITS),
                "threshold": In(THRESHOLD_BITS),
                "train": Out(TRAIN_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Words()
        m.d.comb += [words.key.eq(self.key), words.column.eq(self.number)]
        early = delayed(m, self.threshold, TRAIN_LATENCY - 2, "threshold")
        thresholds = [unmerged(m, platform, early, f"threshold_{i}") for i in range(COPIES)]
        wanted = Signal(TRAIN_BITS, reset_less=True)
        m.d.sync += wanted.eq((Const(1, TRAIN_BITS + 1) << self.slots) - 1)
        train = Signal(TRAIN_BITS, reset_less=True)
        numbers = slot_numbers(m, words.x, words.y)[:TRAIN_BITS]
        m.d.sync += train.eq(Cat(n < thresholds[i % COPIES] for i, n in enumerate(numbers)) & wanted)
        m.d.comb += self.train.eq(train)
        return m

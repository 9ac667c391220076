"""words: 32 random bits of a row and a column, and more of them for the slots of a train."""

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ndrite.emulator.spec.learning import MIX_ROUNDS, SLOTS_MAX, pair_constant, round_constant
from ndrite.emulator.spec.noise import SAMPLE_ROTATE_X, SAMPLE_ROTATE_Y, SAMPLE_ROUNDS, SAMPLE_WORD_BITS

WORDS_LATENCY = SAMPLE_ROUNDS
"""Cycles from ``row`` and ``column`` to ``x`` and ``y``."""
ROUNDS_A_STAGE = 2
SLOTS_LATENCY = MIX_ROUNDS // ROUNDS_A_STAGE
"""Cycles from a word to its slots' numbers."""


class Words(wiring.Component):
    """x, y = the cipher text of (column, row ^ key[3]) by the sample rounds of
    ``ndrite.emulator.spec.noise``.

    ``key`` must hold still while words are on their way. Latency: WORDS_LATENCY cycles, a word a cycle.
    Resources: seven 16-bit adders (about 48 LUTs and 32 flip-flops each).
    """

    def __init__(self) -> None:
        bits = SAMPLE_WORD_BITS
        super().__init__({"key": In(64), "row": In(bits), "column": In(bits), "x": Out(bits), "y": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [self.key.word_select(i, SAMPLE_WORD_BITS) for i in range(4)]
        x: Any = self.column
        y: Any = self.row ^ words[3]
        for i in range(SAMPLE_ROUNDS):
            next_x, next_y = (
                Signal(SAMPLE_WORD_BITS, name=f"{n}_{i + 1}", reset_less=True) for n in ("x", "y")
            )
            mixed = (x.rotate_right(SAMPLE_ROTATE_X) + y)[:SAMPLE_WORD_BITS] ^ words[i % 4] ^ i
            m.d.sync += [next_x.eq(mixed), next_y.eq(y.rotate_left(SAMPLE_ROTATE_Y) ^ mixed)]
            x, y = next_x, next_y
        m.d.comb += [self.x.eq(x), self.y.eq(y)]
        return m


def slot_numbers(m: Module, x: Value, y: Value) -> list[Value]:
    """Numbers of all slots of a train, SLOTS_LATENCY cycles after its word.

    Six rounds of Simon32 without key for every two slots: 96 LUTs and 96 flip-flops a pair.
    """
    numbers: list[Value] = []
    for pair in range((SLOTS_MAX + 1) // 2):
        a: Any = x ^ pair_constant(pair)
        b: Any = y
        for i in range(MIX_ROUNDS):
            f = (a.rotate_left(1) & a.rotate_left(8)) ^ a.rotate_left(2)
            a, b = b ^ f ^ round_constant(i), a
            if i % ROUNDS_A_STAGE == ROUNDS_A_STAGE - 1:
                held = [Signal(SAMPLE_WORD_BITS, name=f"mix_{pair}_{i}_{n}", reset_less=True) for n in "ab"]
                m.d.sync += [held[0].eq(a), held[1].eq(b)]
                a, b = held
        numbers += [a, b]
    return numbers

"""Parts by themselves: bits set, tables, queues of parts, products of carry chains."""

from typing import Any

import numpy as np
import pytest
from amaranth import Module, Shape, Signal, signed, unsigned

from hdl.parts.carry_chain import CarryMultiplier
from hdl.parts.delay import delayed, delayed_in_memory
from hdl.parts.memory import READ_LATENCY
from hdl.parts.multiplier import MULTIPLY_LATENCY
from hdl.parts.queue import Queue
from hdl.parts.set_bits import at_most_set, first_set, inner_two, outer_two, second_last_set, second_set
from hdl.parts.table import Table
from tests.hdl.interpreted import answers, simulated


def test_set_bits_of_every_byte() -> None:
    m = Module()
    bits, most = Signal(8), Signal(5)
    found = [Signal(8, name=f"found_{i}") for i in range(7)]
    of_byte = (first_set(bits), second_set(bits), *outer_two(bits), second_last_set(bits), *inner_two(bits))
    m.d.comb += [signal.eq(value) for signal, value in zip(found, of_byte, strict=True)]
    m.d.comb += [most[n].eq(at_most_set(bits, n)) for n in (1, 2, 3, 4)]

    async def bench(ctx: Any) -> None:
        for value in range(256):
            ctx.set(bits, value)
            ones = [1 << i for i in range(8) if value >> i & 1]
            wanted = [sum(ones[:1]), sum(ones[1:2]), sum(ones[:1]), sum(ones[1:][-1:]), sum(ones[1:-1][-1:])]
            assert [ctx.get(s) for s in found[:5]] == wanted, value
            # Of no more than two bits none are left.
            if len(ones) > 2:
                inner = ones[1:-1]
                assert [ctx.get(s) for s in found[5:]] == [inner[0], sum(inner[1:][-1:])], value
            few = [ctx.get(most) >> n & 1 for n in (1, 2, 3, 4)]
            assert few == [len(ones) <= n for n in (1, 2, 3, 4)], value

    simulated(m, bench)


def test_table_answers_both_readers() -> None:
    values = [(37 * i + 5) % 1000 for i in range(300)]
    table = Table(values)

    async def bench(ctx: Any) -> None:
        for i in range(len(values)):
            other = len(values) - 1 - i
            ctx.set(table.address[0], i)
            ctx.set(table.address[1], other)
            await ctx.tick().repeat(READ_LATENCY)
            assert (ctx.get(table.data[0]), ctx.get(table.data[1])) == (values[i], values[other])

    simulated(table, bench)


def test_queue_in_parts_keeps_order() -> None:
    queue = Queue(24, 5, parts=3)
    sent = [(0x010203 * i) & 0xFFFFFF for i in range(40)]
    came: list[int] = []

    async def source(ctx: Any) -> None:
        for i, word in enumerate(sent):
            ctx.set(queue.i.valid, 0)
            for _ in range(i % 3):
                await ctx.tick()
            ctx.set(queue.i.payload, word)
            ctx.set(queue.i.valid, 1)
            await ctx.tick().until(queue.i.ready)
        ctx.set(queue.i.valid, 0)

    async def sink(ctx: Any) -> None:
        for i in range(len(sent)):
            ctx.set(queue.o.ready, 0)
            for _ in range(i // 8 % 4):
                await ctx.tick()
            ctx.set(queue.o.ready, 1)
            (word,) = await ctx.tick().sample(queue.o.payload).until(queue.o.valid)
            came.append(word)

    simulated(queue, source, sink)
    assert came == sent


@pytest.mark.parametrize("shape", [signed(9), signed(8), unsigned(16)])
def test_carry_multiplier_at_corners_and_at_random(shape: Shape) -> None:
    rng = np.random.default_rng(1)
    low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
    pairs = [(a, b) for a in (low, -1, 0, 1, high - 1) if a >= low for b in (0, 1, 2, 128, 170, 255)]
    pairs += [(int(rng.integers(low, high)), int(rng.integers(0, 256))) for _ in range(500)]
    given = [{"a": a, "b": b} for a, b in pairs]
    found = answers(CarryMultiplier(shape), given, MULTIPLY_LATENCY, "product")
    assert found == [(a * b,) for a, b in pairs]


@pytest.mark.parametrize("cycles", [2, 3, 4, 13, 30])
def test_a_delay_in_memory_is_one_in_registers(cycles: int) -> None:
    m, given, same = Module(), Signal(signed(9)), Signal()
    late = [delay(m, given, cycles, delay.__name__) for delay in (delayed, delayed_in_memory)]
    m.d.comb += same.eq(late[0] == late[1])

    async def bench(ctx: Any) -> None:
        for i, value in enumerate(np.random.default_rng(cycles).integers(-256, 256, 100).tolist()):
            ctx.set(given, value)
            assert i <= cycles or ctx.get(same), i
            await ctx.tick()

    simulated(m, bench)

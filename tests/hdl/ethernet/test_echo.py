"""An echo and a board's own datagrams share the slots to send: neither gets into the other."""

from typing import Any

from hdl.ethernet.echo import Echo
from tests.hdl.interpreted import simulated


def test_an_echo_waits_for_a_datagram_under_way_and_a_datagram_for_an_echo() -> None:
    dut = Echo()
    kept: list[tuple[bytes, bool, int]] = []
    rest, own = b"echo me!", [b"one", b"second"]

    async def bench(ctx: Any) -> None:
        slot = bytearray()
        ctx.set(dut.room, 1)
        ctx.set(dut.received.valid, 1)
        ctx.set(dut.sender.echo, 1)
        ctx.set(dut.sender.address, 0x0A000001)
        ctx.set(dut.receiver.address, 0x0A000002)
        ahead, said, at = 0, [list(d) for d in own], 0
        commit = False
        for cycle in range(80):
            # The board begins before the echo and pauses within each datagram.
            say = bool(said) and not commit and cycle % 3 == 0
            ctx.set(dut.tx.valid, say)
            ctx.set(dut.tx.payload, said[0][at] if say else 0)
            ctx.set(dut.commit, commit)
            ctx.set(dut.received.valid, cycle > 0 and ahead < len(rest))
            ctx.set(dut.received.payload, rest[ahead] if ahead < len(rest) else 0)
            ctx.set(dut.received_last, ahead == len(rest) - 1)
            if ctx.get(dut.put):
                slot.append(ctx.get(dut.data))
            if ctx.get(dut.keep):
                assert ctx.get(dut.kept.length) == len(slot)
                kept.append((bytes(slot), bool(ctx.get(dut.kept.echo)), ctx.get(dut.kept.address)))
                slot.clear()
            given = say and ctx.get(dut.tx.ready)
            echoed = ctx.get(dut.received.valid) and ctx.get(dut.received.ready)
            await ctx.tick()
            ahead += bool(echoed)
            if commit:
                commit, at = False, 0
                said.pop(0)
            elif given:
                at += 1
                commit = at == len(said[0])

    simulated(dut, bench)
    assert kept == [(own[0], False, 0x0A000002), (rest, True, 0x0A000001), (own[1], False, 0x0A000002)]

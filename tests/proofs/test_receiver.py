"""Packet acceptance: no byte touches an unread packet, and only whole, undamaged frames become packets."""

import types
from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Assert, Cover

from emulator.spec import PRESETS
from emulator.spec.packets import CRC_BYTES, CRC_RESIDUE, HEADER_BYTES
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.cut import cut
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401

GEOMETRY = PRESETS["tiny"]
ANCHOR = "        with m.If(ended):\n"
SHOWN = ((ANCHOR, "        self.claim(m, locals())\n" + ANCHOR),)
OVERHEAD = HEADER_BYTES + CRC_BYTES


def claim(self: Any, m: Module, inside: dict[str, Any]) -> None:
    """What holds in every cycle, told of the receiver's own signals."""
    used, count, first = inside["used"], inside["count"], inside["first"]
    write_base, read_base = inside["write_base"], inside["read_base"]
    memory, good, length = inside["memory"], inside["good"], inside["length"]
    window, slot = self.window, self.slot_bytes

    def always(condition: Any) -> None:
        m.d.comb += Assert(condition)

    # The slot that is written holds no unread packet, and no byte falls outside of it.
    always(~memory.write | (used != window))
    always(~memory.write | (memory.write_address >= write_base))
    always(~memory.write | (memory.write_address < write_base + slot))
    # What is taken for a packet came whole, undamaged and as long as its header says, and there was room.
    # The verdict comes a cycle after the frame's end.
    spoiled = inside["bad"] | inside["damaged"] | inside["too_long"] | inside["no_room"]
    sound = ~spoiled & (inside["crc"] == CRC_RESIDUE) & (count == length + OVERHEAD)
    was_sound, had_ended = Signal(), Signal()
    m.d.sync += [was_sound.eq(sound), had_ended.eq(inside["end"])]
    always(~good | (was_sound & had_ended))
    always(~good | (used != window))
    # What makes it inductive: where the unread slots are, and that a frame under way has a free one.
    always(used <= window)
    always(count <= OVERHEAD + self.packet_bytes)
    always(inside["brim"] == (count == OVERHEAD + self.packet_bytes))
    always(first == (count == 0))
    always((count == 0) | inside["no_room"] | (used != window))
    for i in range(window):
        for n in range(window + 1):
            here = (read_base == i * slot) & (used == n)
            always(~here | (write_base == (i + n) % window * slot))
    bases = [read_base == i * slot for i in range(window)]
    always(sum(bases) == 1)
    m.d.comb += Cover(memory.write & (count == 2))


@proof("hdl.link.receiver", shown=SHOWN)
def accepts(module: types.ModuleType) -> Verdict:
    """No byte touches an unread packet; only whole frames of right CRC and length become packets."""
    run = Run()
    cut(module, run.free)
    module.Receiver.claim = claim  # type: ignore[attr-defined]
    run.module.submodules.receiver = receiver = module.Receiver(GEOMETRY)
    run.let(receiver, "valid", "data_in", "line_error", "address", "release")
    run.given(receiver.ready | ~receiver.release)
    return check(run, depth=9, induction=9)


BUGS = [
    (accepts, "m.d.sync += used.eq(used + good - self.release)", "m.d.sync += used.eq(used + good)"),
    (accepts, "brim.eq(count == most - 1)", "brim.eq(count == most)"),
    long(accepts, "(no_room | (first & (used == self.window)))", "no_room"),
    long(accepts, "right.eq(crc == CRC_RESIDUE)", "right.eq(crc[1:] == CRC_RESIDUE >> 1)"),
    long(accepts, "whole.eq(count == wanted)", "whole.eq(count >= wanted - CRC_BYTES)"),
    long(accepts, "lost.eq(too_long | no_room)", "lost.eq(no_room)"),
    long(accepts, "broken.eq(bad | damaged)", "broken.eq(bad)"),
]

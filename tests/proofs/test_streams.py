"""Queues lose, double and reorder nothing, and streams hold what they offer until it is
taken; registers hold what was last written to their own address; no byte touches an
unread packet, and only whole, undamaged frames become packets.
"""

import types
from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Assert, Cover

from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.packets import CRC_BYTES, CRC_RESIDUE, HEADER_BYTES
from ndrite.emulator.spec.registers import BY_NAME, REGISTERS
from ndrite.hdl.device.registers import READ_LATENCY
from tests.proofs.checker import Run, Verdict, check
from tests.proofs.cut import cut
from tests.proofs.proof import long, proof, test_holds, test_injected_bug_is_found  # noqa: F401

DEPTH, WIDTH = 4, 1
QUEUE_CYCLES = 12


@proof("ndrite.hdl.parts.pipeline", long=True)
def queue(module: types.ModuleType) -> Verdict:
    """The n-th payload out is the n-th in, for every n; the level is what went in
    less what came out."""
    run = Run()
    m = run.module
    m.submodules.queue = q = module.Queue(WIDTH, DEPTH)
    run.let(q, "i.valid", "i.payload", "o.ready")
    run.stable(q.o, "o")
    nth = run.constant(4, "nth")
    entered, left = Signal(4), Signal(4)
    marked, held = Signal(WIDTH), Signal()
    put, take = q.i.valid & q.i.ready, q.o.valid & q.o.ready
    m.d.sync += [entered.eq(entered + put), left.eq(left + take)]
    with m.If(put & (entered == nth) & ~held):
        m.d.sync += [marked.eq(q.i.payload), held.eq(1)]
    run.always(~(take & (left == nth)) | (held & (q.o.payload == marked)))
    run.always((q.level <= DEPTH) & (q.level == (entered - left)[:4]))
    run.reachable(take & (left == 3) & (q.level == DEPTH))
    return check(run, depth=QUEUE_CYCLES)


@proof("ndrite.hdl.link.cobs")
def sender(module: types.ModuleType) -> Verdict:
    """The frame's bytes stay on offer until taken, whatever the memory holds
    that keeps its word."""
    run = Run()
    m = run.module
    m.submodules.sender = s = module.CobsSender(3)
    run.let(s, "start", "data", "o.ready")
    # The memory: what it answers two cycles after an address does not change while
    # the address stands.
    before = run.past(s.address, "address_before")
    longer = run.past(before == s.address, "address_stands")
    run.given(~(longer & (before == s.address)) | (s.data == run.past(s.data, "data_before")))
    m.d.comb += s.length.eq(run.constant(2, "length"))
    run.stable(s.o, "o")
    run.reachable(s.o.valid & (s.o.payload == 0))
    return check(run, depth=18)


WRITABLE = [r for r in REGISTERS if r.access == "rw" and r.name != "scratch"]
CONSTANT = ("magic", "protocol", "register_map")


def _run(module: types.ModuleType) -> tuple[Run, Any]:
    run = Run()
    run.module.submodules.registers = registers = module.Registers(PRESETS["tiny"], 0x1234)
    window = registers.window
    run.let(window, "write", "address", "write_data")
    # The decoder lets nothing beyond the last register through; data and address
    # stand a cycle longer.
    run.given(window.address < len(REGISTERS))
    address_stands = window.address == run.past(window.address, "wrote_address")
    data_stands = window.write_data == run.past(window.write_data, "wrote_data")
    run.given(~run.past(window.write, "wrote") | (address_stands & data_stands & ~window.write))
    return run, registers


@proof("ndrite.hdl.device.registers")
def separate(module: types.ModuleType) -> Verdict:
    """No two registers share a bit: each output is what was last written to its own address."""
    run, registers = _run(module)
    window = registers.window
    m = run.module
    for register in WRITABLE:
        hit = Signal(name=f"hit_{register.name}")
        kept = Signal(32, name=f"kept_{register.name}")
        m.d.sync += hit.eq(window.write & (window.address == register.address))
        with m.If(hit):
            m.d.sync += kept.eq(window.write_data)
        run.always(getattr(registers, register.name) == kept)
        run.reachable(kept == 0xFFFFFFFF)
    return check(run, depth=4, induction=4)


@proof("ndrite.hdl.device.registers", long=True)
def reads(module: types.ModuleType) -> Verdict:
    """A read gives the register of its address: control registers as held,
    constants as built in."""
    run, registers = _run(module)
    window = registers.window
    still = run.free(1, "still")
    nth = run.constant(len(window.address), "nth")
    # While ``still``, the bus reads address ``nth`` and nothing is written.
    run.given(~still | ((window.address == nth) & ~window.write))
    cycles = Signal(range(READ_LATENCY + 3))
    with run.module.If(~still):
        run.module.d.sync += cycles.eq(0)
    with run.module.Elif(cycles != READ_LATENCY + 2):
        run.module.d.sync += cycles.eq(cycles + 1)
    settled = cycles >= READ_LATENCY + 1
    values = {register.address: getattr(registers, register.name) for register in WRITABLE}
    values |= {BY_NAME[name].address: registers.constants[name] for name in CONSTANT}
    for address, value in values.items():
        run.always(~(settled & (nth == address)) | (window.read_data == value))
    run.reachable(settled)
    return check(run, depth=READ_LATENCY + 5, induction=READ_LATENCY + 5)


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
    # What is taken for a packet came whole, undamaged and as long as its header says,
    # and there was room. The verdict comes a cycle after the frame's end.
    spoiled = inside["bad"] | inside["damaged"] | inside["too_long"] | inside["no_room"]
    sound = ~spoiled & (inside["crc"] == CRC_RESIDUE) & (count == length + OVERHEAD)
    was_sound, had_ended = Signal(), Signal()
    m.d.sync += [was_sound.eq(sound), had_ended.eq(inside["end"])]
    always(~good | (was_sound & had_ended))
    always(~good | (used != window))
    # What makes it inductive: where the unread slots are, and that a frame under
    # way has a free one.
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


@proof("ndrite.hdl.link.receiver", shown=SHOWN)
def accepts(module: types.ModuleType) -> Verdict:
    """No byte touches an unread packet; only whole frames of right CRC and
    length become packets."""
    run = Run()
    cut(module, run.free)
    module.Receiver.claim = claim  # type: ignore[attr-defined]
    run.module.submodules.receiver = receiver = module.Receiver(GEOMETRY)
    run.let(receiver, "valid", "data_in", "line_error", "address", "release")
    run.given(receiver.ready | ~receiver.release)
    return check(run, depth=9, induction=9)


BUGS = [
    (queue, "write.en.eq(put)", "write.en.eq(put & (level != 3))"),
    (queue, "(~valid | self.o.ready)", "(~valid | 1)"),
    (queue, "with m.If(take & ~put):", "with m.If(self.o.ready & ~put):"),
    (queue, "level == 2, level == 1", "level == 1, level == 1"),
    (queue, "level != depth - 1", "level != depth"),
    (sender, "self.o.payload.eq(payload)", "self.o.payload.eq(payload ^ self.o.ready)"),
    (sender, "accepted = offered & self.o.ready", "accepted = offered"),
    (
        separate,
        "chosen.eq(address == register.address)",
        "chosen.eq((address | 4) == (register.address | 4))",
    ),
    (separate, "m.d.sync += held.eq(window.write_data)", "m.d.sync += held.eq(window.write_data[1:])"),
    (reads, "chosen.eq(address == register.address)", "chosen.eq(address == register.address ^ 1)"),
    (reads, "window.read_data.eq(_any(merged))", "window.read_data.eq(_any(merged[:-1]))"),
    (reads, "word.eq(_any(group))", "word.eq(_any(group)[:31])"),
    (accepts, "m.d.sync += used.eq(used + good - self.release)", "m.d.sync += used.eq(used + good)"),
    (accepts, "brim.eq(count == body_max - 1)", "brim.eq(count == body_max)"),
    long(accepts, "(no_room | (first & (used == self.window)))", "no_room"),
    long(accepts, "right.eq(crc == CRC_RESIDUE)", "right.eq(crc[1:] == CRC_RESIDUE >> 1)"),
    long(
        accepts,
        "is_whole.eq(count == expected_length)",
        "is_whole.eq(count >= expected_length - CRC_BYTES)",
    ),
    long(accepts, "lost.eq(too_long | no_room)", "lost.eq(no_room)"),
    long(accepts, "broken.eq(bad | damaged)", "broken.eq(bad)"),
]

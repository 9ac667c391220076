"""signature: the signals between a PCIe hard block and the endpoint, the signals within
the endpoint, and packet headers."""

from amaranth import Cat, Const, Mux
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

TYPE_MEMORY, TYPE_MEMORY_LOCKED, TYPE_IO = 0b00000, 0b00001, 0b00010
TYPE_COMPLETION = 0b01010
"""TLP type of a completion; bit 0 marks the answer to a locked request."""
STATUS_SUCCESS, STATUS_UNSUPPORTED, STATUS_ABORT = 0b000, 0b001, 0b100
BEAT_LAYOUT = StructLayout({"data": 64, "half": 1, "last": 1})
"""Two double words of a TLP, the first in the low half; ``half``: the last one is alone.

Header double words are numbers as the specification draws them (byte 0 in bits
31..24); payload double words are ordered the same way, so that byte 0 of memory
is in bits 31..24.
"""
CONFIG_LAYOUT = StructLayout(
    {"requester_id": 16, "max_payload": 3, "max_read": 3, "bus_master": 1, "msi_enable": 1}
)
"""Fields of the configuration space: the card's own id, size codes (128 << code bytes),
and what software has enabled."""
PACKET_LAYOUT = StructLayout({"header": 128, "four": 1, "payload": 11})
"""A TLP to send: its header, whether the header has a fourth double word, and the
number of payload double words (0: none)."""
TRANSFER_LAYOUT = StructLayout({"address": 64, "length": 32})
"""A DMA transfer: bus address (a multiple of 8) and number of bytes, at least 1."""
TLP_SIGNATURE = wiring.Signature(
    {
        "rx": In(stream.Signature(BEAT_LAYOUT)),
        "tx": Out(stream.Signature(BEAT_LAYOUT)),
        "config": In(CONFIG_LAYOUT),
        "interrupt": Out(1),
        "interrupt_taken": In(1),
    }
)
"""The endpoint's side of a hard block: raw TLPs both ways, sideband, and the MSI handshake.

``interrupt`` stays up until ``interrupt_taken``, or a reset of the engine; every TLP
sent before it rose goes out before the MSI. The hard block delivers memory requests
that hit BAR0, completions, and may deliver anything else.
"""
PACKET_SIGNATURE = wiring.Signature(
    {"packet": Out(stream.Signature(PACKET_LAYOUT)), "words": Out(stream.Signature(64))}
)
"""A sender's port to the framer: ``packet`` is taken with the TLP's last beat.

``words`` are payload as it lies in memory (byte 0 in bits 7..0), two double words each;
they must be there by the time the packet is offered, since the framer serves no one
else until the TLP is out.
"""
JOB_LAYOUT = StructLayout(
    {
        "flags": 8,
        "reserved": 24,
        "count": 32,
        "source": 64,
        "destination": 64,
        "first_index": 32,
        "inputs": 16,
        "outputs": 16,
    }
)
"""A descriptor (``ndrite.emulator.spec.pcie``), bit for bit as it lies in memory."""
JOB_SIGNATURE = wiring.Signature(
    {
        "job": Out(JOB_LAYOUT),
        "run": Out(1),
        "cancel": Out(1),
        "idle": In(1),
        "done": In(1),
        "status": In(8),
    }
)
"""The ring's side: ``job`` stands while ``run`` is up; ``done`` for one cycle,
with its ``status``.

``cancel`` (one cycle) ends the job without results; the runner is ``idle`` once
nothing of it is left.
"""


def swapped(word: Value) -> Value:
    """Return a double word with its bytes in reverse order."""
    return Cat(word[24:32], word[16:24], word[8:16], word[0:8])


def double_words(length: Value) -> Value:
    """Return the number of double words that ``length`` bytes from a
    double-word-aligned address occupy."""
    return (length + 3)[2:]


def last_enables(length: Value) -> Value:
    """Return the byte enables of the last double word of a request for ``length`` bytes."""
    low = length[:2]
    return Cat(Const(1, 1), low != 1, (low == 0) | (low == 3), low == 0)


def memory_request(
    *, write: bool, address: Value, length: Value, requester_id: Value, tag: Value
) -> tuple[Value, Value]:
    """Return the header (128 bits) of a memory request for ``length`` bytes from a
    double-word-aligned address, and whether that header has four double words, as it
    must if the address is 4 GiB or above and must not otherwise."""
    four = address[32:].any()
    count = double_words(length)
    single = count == 1
    enables = last_enables(length)
    first = Mux(single, enables, 0xF)
    last = Mux(single, 0, enables)
    head = Cat(count[:10], Const(0, 14), Const(0, 5), four, Const(int(write), 1), Const(0, 1))
    who = Cat(first[:4], last[:4], tag[:8], requester_id)
    low = Cat(Const(0, 2), address[2:32])
    return Cat(head, who, Mux(four, Cat(address[32:64], low), Cat(low, Const(0, 32)))), four


def completion(
    *,
    payload: Value,
    status: Value,
    byte_count: Value,
    lower_address: Value,
    completer_id: Value,
    request: Value,
) -> Value:
    """Return the header (128 bits, of which three double words are used) of a
    completion; ``payload`` 0 means a completion without data.

    ``request`` is the first 64 bits of the request's header, of which the answer takes
    traffic class, attributes, tag and requester id.
    """
    head, who = request[:32], request[32:]
    locked = head[24:29] == TYPE_MEMORY_LOCKED
    return Cat(
        Cat(payload, Const(0, 10))[:10],
        Const(0, 2),
        head[12:14],  # attributes
        Const(0, 4),
        head[18],  # ID-based ordering
        Const(0, 1),
        head[20:23],  # traffic class
        Const(0, 1),
        locked,
        Const(TYPE_COMPLETION >> 1, 4),
        Const(0, 1),
        payload != 0,
        Const(0, 1),
        byte_count[:12],
        Const(0, 1),
        status,
        completer_id,
        lower_address,
        Const(0, 1),
        who[8:16],  # tag
        who[16:],  # requester
        Const(0, 32),
    )

"""request: headers of memory requests and completions."""

from amaranth import Cat, Const, Mux
from amaranth.hdl import Value

from hdl.pcie.signature import TYPE_COMPLETION, TYPE_MEMORY_LOCKED


def double_words(length: Value) -> Value:
    """Double words that ``length`` bytes from an aligned address take."""
    return (length + 3)[2:]


def last_enables(length: Value) -> Value:
    """Byte enables of the last double word of ``length`` bytes."""
    low = length[:2]
    return Cat(Const(1, 1), low != 1, (low == 0) | (low == 3), low == 0)


def memory_request(
    *, write: bool, address: Value, length: Value, requester_id: Value, tag: Value
) -> tuple[Value, Value]:
    """Header (128 bits) of a memory request for ``length`` bytes from a double-word-aligned address, and
    whether it has four double words, as every address beyond 4 GiB must have and no other may.
    """
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
    """Header (128 bits, three double words) of a completion; ``payload`` 0: without data.

    ``request`` is the first 64 bits of the request's header, of which the answer takes traffic class,
    attributes, tag and requester id.
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

"""Packets: the requests and replies that frames carry.

A frame is the COBS encoding of a body, ended by one 0x00. Bodies, little endian:

request   ``version u8, sequence u16, opcode u8, address u32, length u16, payload, crc u32``
response  ``version u8, sequence u16, opcode u8 | 0x80, status u8, reserved u8, expected u16, length u16,
payload, crc u32``

``length`` counts payload bytes; ``crc`` is CRC-32 (zlib's) of everything before it.
Nothing happens before the CRC is checked; a frame that fails it is counted and dropped
without an answer.

Sequence rule. The device executes a request only when its sequence number is the
``expected`` one, then adds 1 (mod 2^16). A repeat of the latest executed request is
answered again from the cached response, not executed again. Any other number is refused
with status ``sequence``; every response carries ``expected``. ``sync`` is taken at any
sequence number and sets ``expected`` to the next one. Responses come in request order.
The host may have ``window`` requests unanswered.

Sparse samples, of which many codes are 0, go as INFER_SPARSE carries them: for
each eight codes a byte whose bit i says that code i is not 0, then the codes that
are not, in order. The last byte of bits may stand for fewer than eight codes; its
other bits are 0.

Samples of a program with feature maps may be walked together (header of the step
records). One INFER or INFER_SPARSE then holds several of them. Each begins with a
new group of eight codes: codes of any value fill the last group of every sample
but the last one.
"""

import itertools
import struct
from enum import IntEnum

import numpy as np
import numpy.typing as npt

VERSION = 1
HEADER = struct.Struct("<BHBIH")
RESPONSE_HEADER = struct.Struct("<BHBBBHH")
HEADER_BYTES = HEADER.size
CRC_BYTES = 4
RESPONSE_FLAG = 0x80
CRC_POLYNOMIAL = 0xEDB88320
"""CRC-32/ISO-HDLC, reflected."""
CRC_RESIDUE = 0xDEBB20E3
"""CRC register (before the final inversion) after a good body with its CRC, least
significant byte first."""

SPARSE_PROTOCOL = (1, 2)
"""First protocol version whose devices accept INFER_SPARSE."""

assert HEADER.size == RESPONSE_HEADER.size


class Opcode(IntEnum):
    """Kinds of requests. Their payload is at most ``packet_bytes`` bytes."""

    SYNC = 1
    """Start a session: no payload; answered with no payload."""
    READ = 2
    """Read ``count u16`` words from ``address`` on; answered with 4 bytes for each."""
    READ_SHORT = 3
    """As READ, but answered with the low 16 bits of each word, 2 bytes each."""
    WRITE = 4
    """Write the payload, words of 4 bytes, from ``address`` on."""
    WRITE_SHORT = 5
    """Write the payload, words of 2 bytes that are sign-extended to 32 bits,
    from ``address`` on."""
    CHECK = 6
    """Answered with the CRC-32 (u32) of the little-endian bytes of ``count u32`` words
    from ``address`` on."""
    INFER = 7
    """Do one inference, or several of a program with feature maps. The payload holds
    the network's input codes, one byte each; ``address`` is the inference index that
    selects the first sample's read noise. Answered with the outputs of each sample, s32
    each. If the payload of a program with feature maps has another number of codes than
    its samples, the answer, in its turn, is BAD_LENGTH."""
    INFER_SPARSE = 8
    """As INFER, but the payload holds the input codes in the sparse form that
    ``ndrite.emulator.spec.packets`` describes. If it has another number of codes than
    the network has inputs, the answer, in its turn, is BAD_LENGTH."""


class Status(IntEnum):
    """How a request ended; a reply with any status but OK has no payload."""

    OK = 0
    BAD_OPCODE = 1
    BAD_ADDRESS = 2
    BAD_LENGTH = 3
    SEQUENCE = 4
    BAD_VERSION = 5
    NOT_PROGRAMMED = 6
    BUSY = 7
    """A campaign is running: only ``sync``, reads of registers and writes of
    ``campaign_control`` are accepted."""
    HUNG = 8
    """The inference did not end in time. The watchdog has reset the core, and
    ``program_tag`` is 0."""


GROUP = 8


def sparse(x: npt.NDArray[np.uint8]) -> list[bytes]:
    """Return the sparse payload of each sample of codes uint8 (n, K): ceil(K / 8) bytes
    of flags that mark the nonzero codes, and one byte for each nonzero code."""
    n, count = x.shape
    if not n:
        return []
    groups = -(-count // GROUP)
    codes = np.zeros((n, groups * GROUP), np.uint8)
    codes[:, :count] = x
    nonzero = codes != 0
    # In a payload, each group has one byte of flags and up to eight codes. The eight
    # codes are moved as one 64-bit word, which is three times as fast as bytes.
    every, mask = np.empty((n, groups, 1 + GROUP), np.uint8), np.ones((n, groups, 1 + GROUP), bool)
    for into, group in ((every, codes), (mask, nonzero)):
        words = np.ndarray((n, groups), np.uint64, into, offset=1, strides=into.strides[:2])
        words[...] = group.view(np.uint64)
    every[:, :, 0] = np.packbits(nonzero, axis=1, bitorder="little")
    data = every.reshape(-1)[mask.reshape(-1)].tobytes()
    ends = itertools.accumulate((groups + np.count_nonzero(nonzero, axis=1)).tolist(), initial=0)
    return [data[start:end] for start, end in itertools.pairwise(ends)]

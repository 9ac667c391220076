"""set_bits: the first and the second bit set of eight, and how many are; in fours, as a LUT has inputs.

In two ``ways`` of the even and of the odd bits apart.
"""

import functools
import operator
from collections.abc import Callable, Container, Iterable

from amaranth import Cat, Const
from amaranth.hdl import Value


def first_set(bits: Value, ways: int = 1) -> Value:
    """One-hot: the lowest bit set of eight (0 when none is)."""
    if ways == 2:
        return _apart(_first, bits)
    low, high = bits[:4], bits[4:]
    return Cat(_first(low), _first(high) & (~low.any()).replicate(4))


def second_set(bits: Value, ways: int = 1) -> Value:
    """One-hot: the lowest but one bit set of eight (0 when there is none)."""
    if ways == 2:
        return _apart(_second, bits)
    low, high = bits[:4], bits[4:]
    none, one = ~low.any(), _exactly(low, (1,))
    return Cat(_second(low), (_second(high) & none.replicate(4)) | (_first(high) & one.replicate(4)))


def at_most_set(bits: Value, count: int, ways: int = 1) -> Value:
    """Whether at most ``count`` (1 or 2) of eight bits are set."""
    if ways == 2:
        return _exactly(bits[::2], range(count + 1)) & _exactly(bits[1::2], range(count + 1))
    low, high = bits[:4], bits[4:]
    return _any(_exactly(low, (n,)) & _exactly(high, tuple(range(count - n + 1))) for n in range(count + 1))


def _apart(find: Callable[[Value], Value], bits: Value) -> Value:
    even, odd = find(bits[::2]), find(bits[1::2])
    return Cat((even, odd)[i % 2][i // 2] for i in range(len(bits)))


def _first(bits: Value) -> Value:
    return Cat(bits[i] & ~bits[:i].any() if i else bits[0] for i in range(4))


def _second(bits: Value) -> Value:
    below = [Const(0, 1), bits[0], bits[0] ^ bits[1], _one_of_three(bits)]
    return Cat(bits[i] & below[i] for i in range(4))


def _one_of_three(bits: Value) -> Value:
    a, b, c = bits[0], bits[1], bits[2]
    return (a ^ b ^ c) & ~(a & b & c)


def _exactly(bits: Value, counts: Container[int]) -> Value:
    """Whether the number of bits set in four is one of ``counts``."""
    return _any(bits == value for value in range(16) if value.bit_count() in counts)


def _any(terms: Iterable[Value]) -> Value:
    return functools.reduce(operator.or_, terms)

"""set_bits: finds and counts the set bits among eight bits, from either end. It works
on groups of four bits, since a LUT has four inputs."""

import functools
import operator
from collections.abc import Callable, Container, Iterable

from amaranth import Cat, Const
from amaranth.hdl import Value


def first_set(bits: Value) -> Value:
    """Return the lowest set bit of eight bits, one-hot (0 if none is set)."""
    low, high = bits[:4], bits[4:]
    return Cat(_first(low), _first(high) & (~low.any()).replicate(4))


def second_set(bits: Value) -> Value:
    """Return the second-lowest set bit of eight bits, one-hot (0 if there is none)."""
    low, high = bits[:4], bits[4:]
    none, single = ~low.any(), _exactly(low, (1,))
    return Cat(_second(low), (_second(high) & none.replicate(4)) | (_first(high) & single.replicate(4)))


def outer_two(bits: Value) -> tuple[Value, Value]:
    """Return two one-hot values: the lowest and the highest set bit of eight bits; if a
    single bit is set, the second value is 0."""
    return _two(first_set, bits)


def inner_two(bits: Value) -> tuple[Value, Value]:
    """Return two one-hot values: the lowest and the highest of the set bits between
    those that ``outer_two`` returns."""
    return _two(second_set, bits)


def second_last_set(bits: Value) -> Value:
    """Return the second-highest set bit of eight bits, one-hot (0 if there is none)."""
    return second_set(bits[::-1])[::-1] & ~first_set(bits)


def at_most_set(bits: Value, count: int) -> Value:
    """Return whether at most ``count`` of eight bits are set."""
    low, high = bits[:4], bits[4:]
    return _any(_exactly(low, (n,)) & _exactly(high, range(count - n + 1)) for n in range(count + 1))


def _two(find: Callable[[Value], Value], bits: Value) -> tuple[Value, Value]:
    low, high = find(bits), find(bits[::-1])[::-1]
    return low, high & ~low


def _first(bits: Value) -> Value:
    return Cat(bits[i] & ~bits[:i].any() if i else bits[0] for i in range(4))


def _second(bits: Value) -> Value:
    below = [Const(0, 1), bits[0], bits[0] ^ bits[1], _one_of_three(bits)]
    return Cat(bits[i] & below[i] for i in range(4))


def _one_of_three(bits: Value) -> Value:
    a, b, c = bits[0], bits[1], bits[2]
    return (a ^ b ^ c) & ~(a & b & c)


def _exactly(bits: Value, counts: Container[int]) -> Value:
    """Return whether the number of set bits among four is one of ``counts``."""
    return _any(bits == value for value in range(16) if value.bit_count() in counts)


def _any(terms: Iterable[Value]) -> Value:
    return functools.reduce(operator.or_, terms)

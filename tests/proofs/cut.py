"""Stand-ins for multipliers, memories and queues whose outputs are free: what is proved
holds for any product."""

import types
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from amaranth import Module, Shape, Signal, signed, unsigned
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

Free = Callable[[Any, str], Signal]
TOLD = {"i.ready": 1, "o.valid": 1, "level": 2}
"""Bits of what a queue is told."""


class Cut(wiring.Component):
    """Its output is ``value``, whatever its inputs are."""

    def __init__(self, inputs: dict[str, Any], output: str, value: Signal) -> None:
        super().__init__({name: In(shape) for name, shape in inputs.items()} | {output: Out(value.shape())})
        self.output, self.value = output, value

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += getattr(self, self.output).eq(self.value)
        return m


def cut(module: types.ModuleType, free: Free) -> tuple[list[Cut], list[Cut]]:
    """Replace the multipliers and memories that ``module`` will instantiate; two
    lists fill with them."""
    products: list[Cut] = []
    memories: list[Cut] = []

    def product(a: Any, b: Any, **rest: Any) -> Cut:
        a_shape, b_shape = signed(a) if isinstance(a, int) else Shape.cast(a), Shape.cast(b)
        value = free(signed(a_shape.width + b_shape.width + 1), f"product_{len(products)}")
        products.append(Cut({"a": a_shape, "b": b_shape}, "product", value))
        return products[-1]

    def words(shape: Any, depth: int, *, early: bool = False, parts: int = 1) -> Cut:
        address, one = bits_for(depth - 1), Shape.cast(shape)
        word = one if parts == 1 else unsigned(parts * one.width)
        inputs = {"address": address, "write": parts, "write_address": address, "write_data": word}
        memories.append(Cut(inputs, "data", free(word, f"word_{len(memories)}")))
        return memories[-1]

    for name, made in (("Multiplier", product), ("WideMultiplier", product), ("RegisteredMemory", words)):
        if hasattr(module, name):
            setattr(module, name, made)
    return products, memories


class CutQueue(wiring.Component):
    """A queue whose ends are ready and valid, and whose level is, as ``told``."""

    def __init__(self, signature: wiring.Signature, told: dict[str, Signal]) -> None:
        super().__init__(signature)
        self.told = told

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, value in self.told.items():
            m.d.comb += port(self, name).eq(value)
        return m


def cut_queue(module: types.ModuleType, free: Free) -> None:
    """Replace the queues that ``module`` will instantiate; all of them are told the same."""
    told = {name: free(bits, name.replace(".", "_")) for name, bits in TOLD.items()}
    real = module.Queue

    def queue(*arguments: Any) -> CutQueue:
        made = real(*arguments)
        made._MustUse__silence = True
        return CutQueue(made.signature, told)

    module.Queue = queue


def port(component: Any, name: str) -> Value:
    """The port whose dotted name is ``name``."""
    return Value.cast(attrgetter(name)(component))

"""Stand-ins for multipliers and memories whose outputs are free: what is proved
holds for any product."""

import types
from collections.abc import Callable
from typing import Any

from amaranth import Module, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

Free = Callable[[Any, str], Signal]


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

    def words(shape: Any, depth: int, *, early: bool = False) -> Cut:
        address, word = bits_for(depth - 1), Shape.cast(shape)
        inputs = {"address": address, "write": 1, "write_address": address, "write_data": word}
        memories.append(Cut(inputs, "data", free(word, f"word_{len(memories)}")))
        return memories[-1]

    for name, made in (("Multiplier", product), ("WideMultiplier", product), ("RegisteredMemory", words)):
        if hasattr(module, name):
            setattr(module, name, made)
    return products, memories

"""Stand-ins for multipliers and memories whose outputs are free: what is proved holds for any product."""

import types
from collections.abc import Callable
from typing import Any

from amaranth import Module, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

Free = Callable[[Any, str], Signal]


def cut(module: types.ModuleType, free: Free) -> tuple[list[Any], list[Any]]:
    """Replace the multipliers and memories that ``module`` will instantiate; two lists fill with them."""
    products: list[Any] = []
    memories: list[Any] = []

    class Product(wiring.Component):
        def __init__(self, a: Any, b: Any, **rest: Any) -> None:
            a_shape = signed(a) if isinstance(a, int) else Shape.cast(a)
            b_shape = Shape.cast(b)
            width = a_shape.width + b_shape.width + 1
            super().__init__({"a": In(a_shape), "b": In(b_shape), "product": Out(signed(width))})
            self.value = free(signed(width), f"product_{len(products)}")
            products.append(self)

        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.d.comb += self.product.eq(self.value)
            return m

    class Words(wiring.Component):
        def __init__(self, shape: Any, depth: int, *, early: bool = False) -> None:
            address = bits_for(depth - 1)
            super().__init__(
                {
                    "address": In(address),
                    "data": Out(Shape.cast(shape)),
                    "write": In(1),
                    "write_address": In(address),
                    "write_data": In(Shape.cast(shape)),
                }
            )
            self.value = free(Shape.cast(shape), f"word_{len(memories)}")
            memories.append(self)

        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.d.comb += self.data.eq(self.value)
            return m

    for name in ("Multiplier", "WideMultiplier"):
        if hasattr(module, name):
            setattr(module, name, Product)
    if hasattr(module, "RegisteredMemory"):
        module.RegisteredMemory = Words  # type: ignore[attr-defined]
    return products, memories

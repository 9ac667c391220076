"""Samples through a module in floats, to see what each product is given; and what that rests on."""

from __future__ import annotations

import collections
import hashlib
from typing import TYPE_CHECKING, Any

from emulator.learning.training.extra import torch
from ndrite.tiles.layer import TiledLayer
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product
from ndrite.tiles.table import Row, Table
from ndrite.tiles.watched import Watched

if TYPE_CHECKING:
    from torch import Tensor

SHAPES = ("Sequential", "ModuleList", "ModuleDict", "Product")
"""Classes that compute nothing themselves."""


class Watch:
    """Looks at what products are given: in a first pass for ranges, in a second for patches."""

    def __init__(self, *, rows: bool) -> None:
        self._rows = rows

    def show(self, product: Product, x: Tensor) -> None:
        """One call's inputs: vectors (n, K) or maps (n, C, H, W)."""
        maps = x.detach().reshape(*x.shape[:2], *(x.shape[2:] or (1, 1))).to("cpu", torch.float32).numpy()
        patches = product.patches_on(maps.shape[1:])
        if self._rows:
            product.watched.show_rows(maps, patches, product.rows_wanted)
        else:
            product.watched.show_range(product.name, maps, len(maps) * patches.positions)


def calibrate(root: Any, placement: Placement) -> None:
    """Run the samples through ``root`` in evaluation mode, in floats; forget what was mapped before.

    Raises
    ------
    EmulatorError
        When a product is given values that are not finite.
    """
    layers = [m for m in root.modules() if isinstance(m, TiledLayer)]
    found = [pair for layer in layers for pair in layer.products()]
    products = [product for product, _ in found]
    for product in products:
        product.watched = Watched()
        product.forget()
    modes = [(m, m.training) for m in root.modules()]
    root.eval()
    try:
        with torch.no_grad():
            total = _run(root, placement, Watch(rows=False), count=True)
            _run(root, placement, Watch(rows=True))
    finally:
        for module, mode in modes:
            module.training = mode
    for product, matrix in found:
        product.settle(matrix.weight.detach())
    placement.state = state_of(root)
    placement.what = _table(root, placement, products, total)


def _run(root: Any, placement: Placement, watch: Watch, *, count: bool = False) -> dict[str, float]:
    """All samples; multiplications by PyTorch's operators where they are counted."""
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> int:
        counted: int = sdpa_flop_count(query, key, value)
        return counted

    # PyTorch counts what its other devices use.
    fused = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}
    placement.watching = watch
    try:
        if not count:
            for given, named in placement.samples:
                root(*given, **named)
            return {}
        with FlopCounterMode(display=False, custom_mapping=fused) as counter:
            for given, named in placement.samples:
                root(*given, **named)
    finally:
        placement.watching = None
    counts = counter.get_flop_counts().get("Global", {})
    return {str(operator).rpartition(".")[2]: flops / 2 for operator, flops in counts.items()}


def state_of(root: Any) -> str:
    """SHA-256 over all floating parameters and buffers that are saved."""
    digest = hashlib.sha256()
    for name, value in root.state_dict().items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            digest.update(name.encode())
            flat = value.detach().cpu().contiguous().view(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _samples(placement: Placement) -> int:
    """Samples of all calls: of the first tensor of each, its first dimension."""
    total = 0
    for given, named in placement.samples:
        tensors = [v for v in (*given, *named.values()) if isinstance(v, torch.Tensor)]
        total += len(tensors[0]) if tensors and tensors[0].dim() else 1
    return max(total, 1)


def _table(root: Any, placement: Placement, products: list[Product], operators: dict[str, float]) -> Table:
    count = _samples(placement)
    rows, left = [], dict(operators)
    for product in products:
        macs = float(product.watched.seen * product.patches.inputs * product.outputs)
        on_host = product.patches.groups > 1 and not placement.url.startswith("golden:")
        rows.append(
            Row(
                product.name,
                "host" if on_host else "die",
                macs / count,
                product.patches.inputs,
                product.outputs,
                product.tiles,
            )
        )
        for operator in ("convolution", "addmm", "mm", "bmm"):  # what a product in floats was counted as
            taken = min(macs, left.get(operator, 0.0))
            left[operator] = left.get(operator, 0.0) - taken
            macs -= taken
    rows += [Row(name, "torch", macs / count) for name, macs in left.items() if macs > 0]
    kinds = collections.Counter(
        type(m).__name__
        for m in root.modules()
        if type(m).__module__.startswith("torch.nn") and type(m).__name__ not in SHAPES
    )
    return Table(tuple(rows), tuple(sorted(kinds.items())))

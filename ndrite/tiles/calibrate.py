"""Samples through a module in floats, to see what each product is given; and what that rests on."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
from collections.abc import Callable
from typing import Any

from emulator.learning.training.extra import torch
from ndrite.tiles.layer import TiledLayer
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product
from ndrite.tiles.table import Row, Table
from ndrite.tiles.watched import Watched

Progress = Callable[[int, int], None]
PLAIN = (bool, int, float, complex, str, tuple, torch.Tensor)
"""Kinds of attributes that count as a module's state."""
SHAPES = ("Sequential", "ModuleList", "ModuleDict", "Product")
"""Classes that compute nothing themselves."""


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
        product.watched = Watched(product.name)
        product.forget()
    total = _run(root, placement, "range", count=True)
    _run(root, placement, "rows")
    for product, matrix in found:
        product.check_samples()
        product.settle(matrix.weight.detach())
    placement.state = state_of(root)
    placement.what = _table(root, placement, products, total)


def map_products(root: Any, placement: Placement, progress: Progress | None = None) -> None:
    """Map every product of ``root`` as it reads them, on what the die makes of the samples up to there.

    Products that are read more than once a sample are mapped on what floats give them; so are those of a part
    that is called by itself.
    """
    total = sum(isinstance(m, Product) for m in root.modules())
    done = itertools.count(1)
    if progress is not None:
        placement.progress = lambda: progress(next(done), total)
    noise, placement.noise = placement.noise, False
    try:
        _run(root, placement, "given")
    finally:
        placement.noise, placement.progress = noise, None
    placement.placed = placement.state


def _run(root: Any, placement: Placement, watching: str, *, count: bool = False) -> dict[str, float]:
    """All samples in evaluation mode; multiplications by PyTorch's operators where they are counted."""
    modes = [(m, m.training) for m in root.modules()]
    root.eval()
    placement.watching = watching
    try:
        with torch.no_grad():
            return _through(root, placement, count)
    finally:
        placement.watching = ""
        for module, mode in modes:
            module.training = mode


def _through(root: Any, placement: Placement, count: bool) -> dict[str, float]:
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: Any, key: Any, value: Any, *rest: Any, **named: Any) -> int:
        counted: int = sdpa_flop_count(query, key, value)
        return counted

    # PyTorch counts what its other devices use.
    fused = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}
    counter = FlopCounterMode(display=False, custom_mapping=fused)
    with counter if count else contextlib.nullcontext():
        # The die is shown the first call of them.
        for given, named in placement.samples[: 1 if placement.watching == "given" else None]:
            root(*(_like(root, v) for v in given), **{key: _like(root, v) for key, v in named.items()})
    if not count:
        return {}
    counts = counter.get_flop_counts().get("Global", {})
    return {str(operator).rpartition(".")[2]: flops / 2 for operator, flops in counts.items()}


def _like(root: Any, value: Any) -> Any:
    """A sample in the precision that the module has now."""
    kind = next((p.dtype for p in root.parameters() if p.is_floating_point()), None)
    floats = isinstance(value, torch.Tensor) and value.is_floating_point() and kind is not None
    return value.to(kind) if floats else value


COUNTED = ("num_batches_tracked",)
"""Buffers that nothing is computed of."""


def state_of(root: Any) -> str:
    """SHA-256 over all that a module's forward pass may depend on: parameters, buffers, and plain attributes,
    which a module may compute with as well."""
    digest = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        digest.update(name.encode())
        if isinstance(value, torch.Tensor):
            flat = value.detach().cpu().contiguous().view(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        else:
            digest.update(repr(value).encode())

    for where, module in root.named_modules():
        if isinstance(module, Product):
            continue
        own = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
        own |= {name: v for name, v in vars(module).items() if name[0] != "_" and isinstance(v, PLAIN)}
        for name in sorted(own):
            if name != "training" and name not in COUNTED and own[name] is not None:
                add(f"{where}.{name}", own[name])
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
        if not product.watched.seen:  # the module takes its weights and multiplies them itself
            rows.append(Row(product.name, "torch", 0.0))
            continue
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

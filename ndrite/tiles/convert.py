"""analog: puts the matrix products with constant weights of a PyTorch module on the
tiles of a die, calibrated on samples."""

import collections
import contextlib
import copy
import math
import os
from typing import Any, TypeVar

from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.network.importing.original import evaluating
from ndrite.emulator.spec.program import PRODUCTS_MAX
from ndrite.host import InputError
from ndrite.host.api import Progress
from ndrite.tiles.executor import Executor
from ndrite.tiles.placement import Call, Placement, Row, Table
from ndrite.tiles.watch import Watch, check_values, digests_of, state_of, tensors_of

nn = torch.nn

SHAPES = ("Sequential", "ModuleList", "ModuleDict")
"""Names of module classes that compute nothing themselves."""


TRACED = "products on tiles are not traced; trace, script or compile the plain module"


class Hook:
    """A hook for PyTorch that runs before and after a module's ``forward``."""

    @property
    def __name__(self) -> str:
        """Raise EmulatorError: only ``torch.jit.script`` asks for this name, and it
        would compile the hook."""
        raise EmulatorError(TRACED)

    def __init__(self, placement: Placement, path: str) -> None:
        self.placement, self.path = placement, path

    def __call__(self, module: torch.nn.Module, arguments: tuple[object, ...], *result: object) -> None:
        """Called before and after a module's ``forward``: enter or leave a pass through
        it. Threads take turns, since they share the board. PyTorch calls the hook with
        a ``result`` after the pass, even if the pass failed."""
        place = self.placement
        if not result:
            place.lock.acquire()
            if torch.jit.is_tracing() or torch.compiler.is_compiling() or _compiled():
                raise EmulatorError(TRACED)
            if place.executor is not None:
                place.executor.enter(self.path, module)
                return
            prepare(place, self.path)
            place.executor = Executor(place, self.path, module)
            place.executor.__enter__()
            return
        executor = place.executor
        if executor is not None and executor.stack[-1][0] == self.path:
            executor.stack.pop()
            if not executor.stack:
                place.executor = None
                executor.__exit__(None, None, None)
        place.lock.release()


def _compiled() -> bool:
    """Return whether the module is run by ``torch.compile``. The hook's lock has broken
    its graph, so the pass itself runs as plain Python."""
    frames = getattr(torch._C._dynamo, "eval_frame", None)
    ask = getattr(frames, "get_eval_frame_callback", None)  # exists from PyTorch 2.6 on
    return ask is not None and callable(ask())


def prepare(placement: Placement, path: str) -> None:
    """Calibrate and map the matrix products that have changed, before a pass of the
    module at ``path`` that reads the die."""
    root, watch = placement.root, placement.watch
    is_current = watch is not None and watch.is_current
    if watch is None or not is_current:
        watch = placement.watch = Watch(root)
    used = {product.held[0] for product in placement.products.values()}
    prefix = f"{path}." if path else ""
    inside = [m for p, m in watch.modules.items() if p in used and f"{p}.".startswith(prefix)]
    if placement.watching or (inside and all(module.training for module in inside)):
        placement.changed |= not is_current
        return
    if placement.keep and placement.placed and _holds_its_weights(placement, watch):
        placement.changed |= not is_current
        return
    if placement.check or placement.changed or not is_current:
        placement.changed = False
        if placement.state != state_of(root):
            calibrate(root, placement)
    if placement.placed != placement.state:
        map_products(root, placement)


def _holds_its_weights(placement: Placement, watch: Watch) -> bool:
    """Return whether the die was mapped from the present weights of its products.
    Values are compared, as digests, only where PyTorch's counts say that one was
    written to, or a file was read."""
    on_die = [p.held[:2] for p in placement.products.values() if p.name not in placement.digital]
    stamps = watch.stamps(on_die)
    if placement.stamps != stamps:
        digests = digests_of(placement.root, on_die)
        if any(placement.weights.get(place) != digest for place, digest in digests.items()):
            return False
        placement.stamps = stamps
    return True


def calibrate(root: torch.nn.Module, placement: Placement) -> None:
    """Run the samples through ``root`` in evaluation mode, in floats, to record the
    inputs of every matrix product; discard all mappings.

    Products are numbered in the order of ``root.named_modules()`` and of each module's
    parameters. Raises EmulatorError when there is no product, or too many, or one is
    given too few values, or some that are not finite.
    """
    check_values(root)
    placement.products.clear()
    operators = _run(root, placement, "range", count=True)
    places = [(path, name) for path, module in root.named_modules() for name, _ in tensors_of(module)]
    mapped = sorted(
        placement.products.items(), key=lambda item: (places.index(item[1].held[:2]), item[1].held[2])
    )
    if not 1 <= len(mapped) <= PRODUCTS_MAX:
        raise EmulatorError(
            f"{type(root).__name__} has {len(mapped)} matrix products by parameters; accepted: "
            f"1..{PRODUCTS_MAX}, in Linear, convolutions, recurrent layers, attention, matmul or einsum"
        )
    placement.products = dict(mapped)
    for number, product in enumerate(placement.products.values()):
        product.number = number
    _run(root, placement, "rows")
    for product in placement.products.values():
        product.rows()  # raises an error if the samples provide too few
    placement.state, placement.placed, placement.watch = state_of(root), "", Watch(root)
    placement.what = _table(root, placement, operators)


def map_products(root: torch.nn.Module, placement: Placement, progress: Progress | None = None) -> None:
    """Map every matrix product of ``root``, in the order of a pass through it.
    Each product is calibrated on inputs as the die computes them, by the
    products already mapped.

    Products that are read more than once per sample are calibrated on inputs
    computed in floats.
    """
    placement.progress = progress
    noise, placement.noise = placement.noise, False
    try:
        _run(root, placement, "given")
    finally:
        placement.noise, placement.progress = noise, None
    placement.placed = placement.state
    placement.weights = digests_of(root, [product.held[:2] for product in placement.products.values()])
    placement.stamps = []


def _run(
    root: torch.nn.Module, placement: Placement, watching: str, *, count: bool = False
) -> dict[str, float]:
    """Run all samples through ``root`` in evaluation mode. With ``count``, return the
    number of multiplications that PyTorch's operators do, by operator."""
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: Tensor, key: Tensor, value: Tensor, *rest: object, **named: object) -> int:
        return int(sdpa_flop_count(query, key, value))

    kind = next((p.dtype for p in root.parameters() if p.is_floating_point()), None)

    def like(value: object) -> object:
        """Cast a sample to the floating-point type of the module's parameters."""
        return value.to(kind) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    # PyTorch's own counter lacks the fused attention operator of the CPU; it only has
    # those of other devices.
    fused = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention}
    counter = FlopCounterMode(display=False, custom_mapping=fused)
    placement.watching = watching
    try:
        with evaluating(root), torch.no_grad(), counter if count else contextlib.nullcontext():
            # In the pass that maps products ("given"), the die calibrates on the
            # first call alone.
            for arguments, keywords in placement.samples[: 1 if watching == "given" else None]:
                root(*map(like, arguments), **{key: like(v) for key, v in keywords.items()})
    finally:
        placement.watching = ""
    counts = counter.get_flop_counts().get("Global", {})
    return {str(operator).rpartition(".")[2]: flops / 2 for operator, flops in counts.items()}


def _table(root: torch.nn.Module, placement: Placement, left: dict[str, float]) -> Table:
    """Return the table of what runs where. ``left`` is the number of multiplications
    that PyTorch's operators do for all samples, by operator."""
    tensors = [
        [v for v in (*arguments, *keywords.values()) if isinstance(v, torch.Tensor)]
        for arguments, keywords in placement.samples
    ]
    count = max(1, sum(len(call[0]) if call and call[0].dim() else 1 for call in tensors))
    rows, used = [], {product.held[0] for product in placement.products.values()}
    for product in placement.products.values():
        patches = product.patches
        macs = float(product.watched.seen * patches.inputs * product.outputs)
        where = "host" if patches.groups > 1 and not placement.url.startswith("golden:") else "die"
        size = (patches.inputs, product.outputs, product.tiles)
        rows.append(Row(product.name, where, macs / count, *size))
        for operator in ("convolution", "addmm", "mm", "bmm"):  # operators that may have counted the product
            macs_here = min(macs, left.get(operator, 0.0))
            left[operator] = left.get(operator, 0.0) - macs_here
            macs -= macs_here
    rows += [Row(name, "torch", macs / count) for name, macs in left.items() if macs > 0]
    kinds = collections.Counter(
        type(m).__name__
        for path, m in root.named_modules()
        if type(m).__module__.startswith("torch.nn") and type(m).__name__ not in SHAPES and path not in used
    )
    return Table(tuple(rows), tuple(sorted(kinds.items())))


M = TypeVar("M")


def analog(
    model: M,
    chip: Chip | str | os.PathLike[str],
    *,
    samples: object,
    seed: int = 0,
    board: str = "golden:",
    clip_rms: float | None = None,
    channel_ranges: float | None = None,
    check: bool = False,
    progress: Progress | None = None,
) -> M:
    """Return a copy of ``model`` in which every matrix product with a constant weight
    is computed on the tiles of one die.

    Every multiplication by a parameter (full layers, convolutions, recurrent layers,
    projections of attention, ``matmul``, ``einsum``) runs on the board, bit for bit as
    the golden model computes it, whichever class calls it; everything else runs in
    PyTorch. After ``eval()`` the die is read; it is mapped at the first read, and again
    if parameters have changed. Gradients then go through the float weights. After
    ``train()`` the products are computed by the differentiable model of the chip, as in
    ``ndrite train``: with converters, input codes, and new programming errors and read
    noise in every pass.

    The result has ``model``'s class, parameters by name, and ``result.ndrite``, a
    ``Placement``: ``table()`` says what runs where, ``first_index`` and ``noise``
    select the read noise, ``close()`` releases the board. The first dimension of
    tensors is the samples.

    Parameters
    ----------
    model:
        Any module.
    chip:
        A chip, a preset's name, the path of a YAML file, or several of these joined with ``+``.
    samples:
        Typical inputs: a tensor (n, ...), a tuple of arguments, a dictionary of
        named ones, or a list of these, for the ranges of inputs and converters.
        Not the test set.
    seed:
        Number of the die, and seed of its read noise, 0..2^48-1.
    board:
        URL, as for ``ndrite.connect``.
    clip_rms:
        Weights are clipped at this multiple of the root mean square of their column, in
        training and on the die; None: no clipping. Training under large programming
        errors needs 2 to 3.
    channel_ranges:
        Share 0..1 of the differences between the channels of a product's inputs that is
        moved into its weights: inputs are divided by max|x|^share / max|w|^(1 - share)
        of their channel, and weights multiplied, which is exact in floats. 1 gives each
        channel a range of its own, 0.5 shares the differences out (Xiao et al.,
        SmoothQuant, ICML 2023). None: all channels have one range. The division is the
        periphery's work, or the norm's before.
    check:
        Hash every parameter in each pass, which finds values written through ``.data``
        or ``.numpy()`` too. Without it, changes that PyTorch's version counters show
        are found, in microseconds.
    progress:
        If given, all products are mapped now, and ``progress(done, total)`` is called
        after each of them.

    Raises
    ------
    EmulatorError
        Naming the layer, when the module has no product or too many, or one
        cannot be put on tiles.
    ChipError, InputError
        When the chip, the seed or the board is not one.
    """
    if not isinstance(model, nn.Module):
        raise EmulatorError(f"model is a {type(model).__name__}; accepted: a torch.nn.Module")
    converted: Any = copy.deepcopy(model)
    if any(isinstance(hook, Hook) for m in converted.modules() for hook in m._forward_hooks.values()):
        raise EmulatorError("model is on tiles already; accepted: the model that it was made from")
    if clip_rms is not None and not 0 < clip_rms < math.inf:
        raise InputError(f"clip_rms is {clip_rms}; accepted: a finite number above 0, or None")
    if channel_ranges is not None and not 0 <= channel_ranges <= 1:
        raise InputError(f"channel_ranges is {channel_ranges}; accepted: a share 0..1, or None")
    chip = chip if isinstance(chip, Chip) else load_chip(chip)
    placement = Placement(
        chip, seed, board, _calls(samples), clip_rms, check=check, channel_ranges=channel_ranges
    )
    for name, module in converted.named_modules():
        if isinstance(module, nn.modules.lazy.LazyModuleMixin):
            raise EmulatorError(f"{name}: its sizes are not known yet; run the model once on a sample first")
        if isinstance(module, torch.jit.ScriptModule):
            continue  # compiled modules do not call functions one by one
        hook = Hook(placement, name)
        module.register_forward_pre_hook(hook)
        module.register_forward_hook(hook, always_call=True)
    converted.ndrite, placement.root, placement.watch = placement, converted, Watch(converted)
    calibrate(converted, placement)
    if progress is not None:
        map_products(converted, placement, progress)
    return converted


def _calls(samples: object) -> list[Call]:
    """Return the positional and named arguments for each call of the module, from the
    user's ``samples``."""
    calls: list[Call] = []
    for sample in samples if isinstance(samples, list) else [samples]:
        if isinstance(sample, dict):
            calls.append(((), sample))
        elif isinstance(sample, tuple):
            calls.append((sample, {}))
        elif isinstance(sample, torch.Tensor):
            calls.append(((sample,), {}))
        else:
            raise EmulatorError(
                f"samples hold a {type(sample).__name__}; accepted: tensors, tuples or dictionaries of "
                "arguments, or a list of these"
            )
    if not calls:
        raise EmulatorError("samples are empty; accepted: the arguments of at least one call")
    return _joined(calls)


def _joined(calls: list[Call]) -> list[Call]:
    """Join batches of a single tensor into one batch if their samples have one shape,
    so that the die calibrates on all of them."""
    alone = [args[0] for args, keywords in calls if len(args) == 1 and not keywords]
    batches = [x for x in alone if isinstance(x, torch.Tensor) and x.dim()]
    if len(batches) < len(calls):
        return calls
    same = {(x.shape[1:], x.dtype, x.device) for x in batches}
    return [((torch.cat(batches),), {})] if len(same) == 1 else calls

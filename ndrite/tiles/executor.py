"""Executor: runs a forward pass in which every matrix product with a parameter
is read on the die.

PyTorch's functions are caught, not its modules: whatever class calls ``linear``,
``conv2d``, ``lstm``, ``einsum`` and so on with a parameter, or a view of one, its
product is on tiles.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.spec.patches import Patches
from ndrite.tiles.forms import FORMS
from ndrite.tiles.placement import Placement
from ndrite.tiles.product import Product
from ndrite.tiles.watch import tensors_of


class Executor(torch.overrides.TorchFunctionMode):
    """Runs a single pass through a module on tiles, from the beginning of the outermost
    ``forward`` to its return.

    ``placement``: die and board; ``stack``: modules whose ``forward`` runs, the
    outermost first, each with its path in the whole module and what it held as it
    began; ``calls``: how often each product was read; ``drawn``: its weights with
    this pass's errors, in training; ``bias_errors``: those of the cells that hold its
    bias; ``samples``: how many there are while a function of PyTorch's computes time
    first; else None.
    """

    def __init__(self, placement: Placement, path: str, module: torch.nn.Module) -> None:
        super().__init__()
        self.placement = placement
        self.stack: list[tuple[str, torch.nn.Module, list[tuple[str, Tensor]]]] = []
        self.enter(path, module)
        self.calls: dict[Product, int] = {}
        self.drawn: dict[Product, Tensor] = {}
        self.bias_errors: dict[Product, Tensor] = {}
        self.samples: int | None = None

    def enter(self, path: str, module: torch.nn.Module) -> None:
        """Record that the ``forward`` of a module begins. Only the module's tensors at
        this moment are weights; tensors computed later from the data are not."""
        self.stack.append((path, module, list(tensors_of(module))))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a PyTorch function on the die if it is in FORMS and its weight is a
        parameter; run any other function unchanged."""
        form, keywords = FORMS.get(func), kwargs or {}
        if form is not None:
            result = form(self, *args, **{name: value for name, value in keywords.items() if name != "out"})
            if result is not NotImplemented:
                return result if keywords.get("out") is None else keywords["out"].copy_(result)
        return func(*args, **keywords)

    def find(self, tensor: object) -> tuple[str, str, int] | None:
        """Return module path, attribute name and offset of the parameter of which
        ``tensor`` is a view; None if it is not a view of a parameter."""
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            return None
        path, _, begun = self.stack[-1]
        address = tensor.data_ptr()
        for attribute, candidate in begun:
            start, size = candidate.data_ptr(), candidate.element_size()
            if start <= address < start + candidate.numel() * size:
                return path, attribute, (address - start) // size
        watch = self.placement.watch
        assert watch is not None, "a pass begins with a record of the module's tensors"
        return watch.find(address)

    def product(
        self, weight: Tensor, matrix: Tensor, patches: Patches, *, whole: bool = False
    ) -> Product | None:
        """Return the matrix product for ``matrix`` (K, M), which is derived from
        ``weight``; None if ``weight`` is not a parameter.

        ``patches``: of a map just large enough for the kernel; ``whole``: it takes vectors.
        """
        parameter = self.find(weight)
        if parameter is None:
            return None
        products = self.placement.products
        key = (*parameter, weight.shape, weight.stride(), patches)
        if key not in products:
            name, same = _name(parameter, weight), 2
            while name in {product.name for product in products.values()}:
                name, same = f"{_name(parameter, weight)} ({same})", same + 1
            products[key] = Product(name, parameter, self.placement, matrix.shape[1], patches, whole=whole)
        product, training = products[key], self.stack[-1][1].training
        if product.training != training:  # setting it takes 20 us
            product.train(training)
        return product


def _name(held: tuple[str, str, int], weight: Tensor) -> str:
    """Return the name of a matrix product for tables and errors: its module, and its
    number if the module has several products."""
    path, attribute, offset = held
    if attribute == "weight":
        return path or attribute
    if attribute == "in_proj_weight":
        attribute = "qkv"[offset // weight.numel()] if offset % weight.numel() == 0 else attribute
    elif attribute in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
        attribute = attribute[0]
    return f"{path}.{attribute}".strip(".")

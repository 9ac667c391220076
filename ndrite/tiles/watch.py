"""Watch: detects changes of a module since its products were mapped, without
reading its values.

PyTorch counts the changes of a tensor in place (``_version``), and a tensor that was
replaced lies elsewhere (``data_ptr``). A pass compares these, which takes microseconds;
hashing every weight takes as long as the pass.

What this misses: values written past PyTorch (``tensor.data``, ``tensor.numpy()``,
another process's shared memory), and attributes that are neither tensors nor plain
values. ``analog(..., check=True)`` hashes in every pass and finds the former.
"""

import bisect
import hashlib
from collections.abc import Iterable, Iterator

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import Tensor, torch

PLAIN = (bool, int, float, complex, str, tuple)
"""Types of attributes that count as a module's state, besides tensors."""
NOT_STATE = ("num_batches_tracked", "training")
"""Names of attributes that do not affect a module's result in evaluation mode."""
Place = tuple[str, str, int]
"""Path of a module, name of one of its tensors, and an offset in that tensor."""
Stamp = tuple[int, int, int]
"""Identity of a tensor, PyTorch's count of changes in place, and address; differs once
the tensor changed."""


class Watch:
    """A record of the tensors and plain attributes of ``root`` at the time when
    the record was made.

    ``key`` differs once one of them has changed. ``find`` tells which tensor holds an address.
    """

    def __init__(self, root: torch.nn.Module) -> None:
        self.modules = dict(root.named_modules())
        self._plain = [
            (vars(module), [name for name, value in vars(module).items() if _is_watched(name, value)])
            for module in self.modules.values()
        ]
        self._tensors = [
            (path, name, tensor)
            for path, module in self.modules.items()
            for name, tensor in tensors_of(module)
        ]
        spans = sorted(
            (tensor.data_ptr(), number)
            for number, (_, _, tensor) in enumerate(self._tensors)
            if tensor.numel() and not tensor.is_meta
        )
        # If several tensors share an address (tied weights), the first of them in the
        # module's order is used.
        first_at: dict[int, int] = {}
        for address, number in spans:
            first_at.setdefault(address, number)
        self._starts, self._numbers = list(first_at), list(first_at.values())
        self.key = self.now()
        self._stamps = {(path, name): _stamp(tensor) for path, name, tensor in self._tensors}

    def now(self) -> list[object]:
        """Return the present state, for comparison: identity, version and address of
        every tensor, and plain attributes."""
        key: list[object] = []
        for module in self.modules.values():
            key += map(id, module._modules.values())
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                if tensor is not None:
                    key += _stamp(tensor)
        for attributes, names in self._plain:
            for name in names:
                value = attributes.get(name)
                if isinstance(value, torch.Tensor):
                    key += _stamp(value)
                else:
                    key.append(repr(value) if isinstance(value, tuple) else value)
        return key

    @property
    def is_current(self) -> bool:
        """Return whether no tensor or attribute has changed since the record was made."""
        return self.key == self.now()

    def stamps(self, places: Iterable[tuple[str, str]]) -> list[Stamp | None]:
        """Return what differs once one of the tensors at ``places`` (path of a module,
        name) has changed."""
        return [self._stamps.get(place) for place in places]

    def find(self, address: int) -> Place | None:
        """Return the recorded tensor that contains the value at memory ``address``."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        path, name, tensor = self._tensors[self._numbers[index]]
        offset, size = address - self._starts[index], tensor.element_size()
        return (path, name, offset // size) if offset < tensor.numel() * size else None


def tensors_of(module: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Return a module's own parameters by name, and the tensors among its attributes,
    which hooks may have put there."""
    yield from ((name, value) for name, value in module._parameters.items() if value is not None)
    yield from ((name, value) for name, value in vars(module).items() if isinstance(value, torch.Tensor))


def state_of(root: torch.nn.Module) -> str:
    """Return the SHA-256 over everything that a module's forward pass may depend on:
    parameters, buffers, and plain attributes."""
    check_values(root)
    digest = hashlib.sha256()
    for where, module in root.named_modules():
        tensors: dict[str, object] = dict(module._buffers) | dict(tensors_of(module))
        tensors |= {name: value for name, value in vars(module).items() if _is_plain(name, value)}
        for name, value in sorted(tensors.items(), key=lambda item: item[0]):
            if name in NOT_STATE or value is None:
                continue
            digest.update(f"{where}.{name}".encode())
            if isinstance(value, torch.Tensor):
                digest.update(_bytes_of(value))
            else:
                digest.update(repr(value).encode())
    return digest.hexdigest()


def digests_of(root: torch.nn.Module, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the SHA-256 of each of the tensors at ``places`` (path of a module, name)."""
    modules = dict(root.named_modules())
    tensors = {place: dict(tensors_of(modules[place[0]]))[place[1]] for place in places}
    return {place: hashlib.sha256(_bytes_of(tensor)).hexdigest() for place, tensor in tensors.items()}


def _bytes_of(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().view(-1)
    return memoryview(flat.view(torch.uint8).numpy())


def check_values(root: torch.nn.Module) -> None:
    """Raise EmulatorError if a parameter or buffer of ``root`` has a shape but no
    values (PyTorch's device meta)."""
    for name, value in (*root.named_parameters(), *root.named_buffers()):
        if value.is_meta:
            raise EmulatorError(f"{name} is on the device meta, without values; accepted: cpu or a GPU")


def _is_watched(name: str, value: object) -> bool:
    return isinstance(value, torch.Tensor) or _is_plain(name, value)


def _is_plain(name: str, value: object) -> bool:
    return name[0] != "_" and name not in NOT_STATE and isinstance(value, PLAIN)


def _stamp(tensor: Tensor) -> Stamp:
    """Return what differs once a tensor was replaced or written to: its identity,
    PyTorch's count of changes in place (-1 under ``torch.inference_mode``, which has no
    count), and its address."""
    return id(tensor), -1 if tensor.is_inference() else tensor._version, tensor.data_ptr()

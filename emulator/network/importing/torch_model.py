"""PyTorch modules to a graph, by symbolic tracing; PyTorch is only used, never needed elsewhere."""

from __future__ import annotations

import operator
from typing import Any

from emulator.errors import NetworkError, UnsupportedNodeError
from emulator.network.importing.finish import finished
from emulator.network.importing.recurrent import Memories
from emulator.network.importing.report import Read
from emulator.network.importing.torch_functions import function_of
from emulator.network.importing.torch_modules import module_of, parameter
from emulator.network.importing.torch_names import CELLS, RECURRENT
from emulator.network.importing.torch_recurrent import Loop, cell_of, layers_of
from emulator.network.importing.values import OwnShape, Value
from emulator.network.importing.views import raw_input


def read_torch(module: Any, *, shape: OwnShape | None = None) -> Read:
    """The graph, shape of one input sample, and notes, of a ``torch.nn.Module`` in evaluation mode.

    Samples of a sequence are (calls, features), whether the module takes the batch first or not.

    Raises
    ------
    NetworkError
        When the shape is not given and does not follow from a first Linear layer.
    UnsupportedNodeError
        Naming the first node that cannot be imported.
    """
    from torch import fx, nn

    was_training = module.training
    if not list(module.children()) and type(module).__module__.startswith("torch.nn."):
        module = nn.Sequential(module)  # a layer of PyTorch's own is one node, not what is inside
    module.eval()
    try:
        try:
            graph = fx.symbolic_trace(module)
        except Exception as error:  # whatever the module's own code raises on a symbolic value
            first = next(iter(str(error).splitlines()), "")
            raise UnsupportedNodeError(
                type(module).__name__,
                "forward",
                f"it cannot be traced ({first}); use nn.Sequential, or torch.onnx.export and the .onnx file",
            ) from None
        shape = shape or first_features(module)
        if shape is None:
            raise NetworkError("the input's shape does not follow from the model; give it (input_shape)")
        return _Reader(graph, shape).read()
    finally:
        module.train(was_training)


def first_features(module: Any) -> OwnShape | None:
    """Shape of one sample, where the first layer is Linear; else None."""
    from torch import nn

    kinds = nn.Linear | nn.Conv1d | nn.Conv2d | nn.RNNBase | nn.RNNCellBase
    first = next((m for m in module.modules() if isinstance(m, kinds)), None)
    return (first.in_features,) if isinstance(first, nn.Linear) else None


class _Reader:
    """Walks a traced graph; ``values`` by node: tensors, several of them, and plain numbers."""

    def __init__(self, graph: Any, shape: OwnShape) -> None:
        self.graph, self.shape = graph, shape
        self.modules = dict(graph.named_modules())
        self.values: dict[Any, Any] = {}
        self.notes: list[str] = []
        self.memories: Memories = []
        self.loops: dict[str, Loop] = {}

    def read(self) -> Read:
        from torch.fx.node import map_arg

        for node in self.graph.graph.nodes:
            args = map_arg(node.args, lambda n: self.values[n])
            kwargs = map_arg(node.kwargs, lambda n: self.values[n])
            if node.op == "placeholder":
                self.values[node] = self._input(node)
            elif node.op == "get_attr":
                self.values[node] = parameter(operator.attrgetter(node.target)(self.graph))
            elif node.op == "output":
                return finished(args[0], self.shape, self.memories, self.notes)
            elif node.op == "call_module":
                self.values[node] = self._module(node.target, args, kwargs)
            else:
                self.values[node] = function_of(node, args, kwargs, self.notes)
        raise NetworkError("the model has no output")

    def _input(self, node: Any) -> Value:
        if self.values:
            raise UnsupportedNodeError(
                str(node.target),
                "input",
                "the model has several; join them into one and take its parts in the model, x[:, :k]",
            )
        return raw_input(self.shape, sequence=self._sequence(node) if len(self.shape) == 2 else "")

    def _sequence(self, node: Any) -> str:
        """Axes of a sequence, where a recurrent layer or a cell reads it; else empty."""
        used = {n.target for n in self.graph.graph.nodes if n.op == "call_module"}
        for name, module in self.modules.items():
            kind = type(module).__name__
            if name in used and kind in RECURRENT:
                return "ntc" if module.batch_first else "tnc"
            if name in used and kind in CELLS:
                steps = [n.args[1] for n in node.users if getattr(n.target, "__name__", "") == "getitem"]
                return "tnc" if steps and isinstance(steps[0], int) else "ntc"
        return ""

    def _module(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.modules[name]
        kind = type(module).__name__
        if not args or not isinstance(args[0], Value):
            raise UnsupportedNodeError(name, kind, "its operand is not one tensor of the model's data")
        state = args[1] if len(args) > 1 else kwargs.get("hx")
        if kind in RECURRENT:
            return layers_of(name, module, args[0], state, self.memories)
        if kind in CELLS:
            loop = self.loops.setdefault(name, Loop())
            return cell_of(name, module, args[0], state, self.memories, loop)
        return module_of(name, module, args[0], self.notes)

"""Recurrent layers and cells on tiles: their matrices on the die, gates and memory in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.learning.training.extra import torch
from host import InputError
from ndrite.tiles.layer import Matrix, TiledLayer, rows_of

if TYPE_CHECKING:
    from torch import Tensor

State = tuple["Tensor", ...]
"""Of a cell, each (n, features): the output first, then an LSTM's memory."""


def lstm(x: Tensor, h: Tensor, state: State) -> State:
    """``x`` and ``h`` (n, 4 H): sums of both matrices; the next state."""
    i, f, g, o = (x + h).chunk(4, dim=1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru(x: Tensor, h: Tensor, state: State) -> State:
    """``x`` and ``h`` (n, 3 H)."""
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, dim=1), h.chunk(3, dim=1)
    z = torch.sigmoid(xz + hz)
    n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
    return ((1 - z) * n + z * state[0],)


def plain(x: Tensor, h: Tensor, state: State) -> State:
    """tanh of ``x`` and ``h`` (n, H)."""
    return (torch.tanh(x + h),)


def plain_relu(x: Tensor, h: Tensor, state: State) -> State:
    """ReLU of ``x`` and ``h`` (n, H)."""
    return (torch.relu(x + h),)


CELLS = {"LSTM": lstm, "GRU": gru, "RNN_TANH": plain, "RNN_RELU": plain_relu}


class _TiledRecurrent(TiledLayer):
    """``torch.nn.RNNBase``: every matrix of every layer and direction is a product."""

    mode: str
    num_layers: int
    bidirectional: bool
    input_size: int
    batch_first: bool
    dropout: float
    bias: bool
    proj_size: int
    hidden_size: int

    def matrices(self) -> dict[str, Matrix]:
        """Of inputs, of the state, and of an LSTM's projection."""
        found = {}
        for end in self._ends():
            for kind in ("ih", "hh"):
                bias = getattr(self, f"bias_{kind}_{end}") if self.bias else None
                found[f"weight_{kind}_{end}"] = Matrix(getattr(self, f"weight_{kind}_{end}").t(), bias)
            if self.proj_size:
                found[f"weight_hr_{end}"] = Matrix(getattr(self, f"weight_hr_{end}").t(), None)
        return found

    def _ends(self) -> list[str]:
        backward = ("", "_reverse")[: 1 + self.bidirectional]
        return [f"l{layer}{end}" for layer in range(self.num_layers) for end in backward]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """As PyTorch's; sequences (n, T, features), (T, n, features) or (T, features), not packed."""
        name = next(iter(self.tiles.values())).name.rpartition(".")[0] or self.mode
        if isinstance(input, torch.nn.utils.rnn.PackedSequence):
            raise InputError(
                f"{name} is given a PackedSequence; accepted: a tensor, padded by "
                "torch.nn.utils.rnn.pad_packed_sequence"
            )
        if input.dim() not in (2, 3) or input.shape[-1] != self.input_size:
            raise InputError(f"{name} is given {tuple(input.shape)}; accepted: (..., {self.input_size})")
        single = input.dim() == 2
        x = input.unsqueeze(0) if single else input if self.batch_first else input.transpose(0, 1)
        starts = self._starts(x, hx, single)
        lasts = []
        for layer in range(self.num_layers):
            outputs = []
            for way in range(1 + self.bidirectional):
                number = layer * (1 + self.bidirectional) + way
                y, last = self._run(x, starts[number], self._ends()[number], backward=way == 1)
                outputs.append(y)
                lasts.append(last)
            x = torch.cat(outputs, dim=2)
            if self.dropout and layer < self.num_layers - 1:
                x = torch.nn.functional.dropout(x, self.dropout, self.training)
        ends = [torch.stack(parts) for parts in zip(*lasts, strict=True)]
        if single:
            x, ends = x[0], [end[:, 0] for end in ends]
        elif not self.batch_first:
            x = x.transpose(0, 1)
        return x, tuple(ends) if len(ends) > 1 else ends[0]

    def _starts(self, x: Tensor, hx: Any, single: bool) -> list[State]:
        """State of every layer and direction."""
        count = self.num_layers * (1 + self.bidirectional)
        if hx is None:
            sizes = [self.proj_size or self.hidden_size] + [self.hidden_size] * (self.mode == "LSTM")
            return [tuple(x.new_zeros(len(x), size) for size in sizes)] * count
        given = hx if isinstance(hx, tuple) else (hx,)
        given = tuple(s.unsqueeze(1) if single else s for s in given)
        return [tuple(s[i] for s in given) for i in range(count)]

    def _run(self, x: Tensor, state: State, end: str, *, backward: bool) -> tuple[Tensor, State]:
        """One layer in one direction: outputs (n, T, features) and the last state."""
        n, calls, features = x.shape
        seen = self.reader(f"weight_ih_{end}")(x.reshape(n * calls, features), calls).view(n, calls, -1)
        remembered = self.reader(f"weight_hh_{end}")
        projected = self.reader(f"weight_hr_{end}") if self.proj_size else None
        outputs: list[Tensor] = []
        for t in reversed(range(calls)) if backward else range(calls):
            state = CELLS[self.mode](seen[:, t], remembered(state[0]), state)
            if projected is not None:
                state = (projected(state[0]), *state[1:])
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if backward else outputs, dim=1), state


class TiledLSTM(_TiledRecurrent, torch.nn.LSTM):
    """``torch.nn.LSTM``."""


class TiledGRU(_TiledRecurrent, torch.nn.GRU):
    """``torch.nn.GRU``."""


class TiledRNN(_TiledRecurrent, torch.nn.RNN):
    """``torch.nn.RNN``."""


class _TiledCell(TiledLayer):
    """``torch.nn.RNNCellBase``."""

    input_size: int
    hidden_size: int
    weight_ih: Any
    weight_hh: Any
    bias_ih: Any
    bias_hh: Any

    def matrices(self) -> dict[str, Matrix]:
        """Of inputs and of the state."""
        return {
            "weight_ih": Matrix(self.weight_ih.t(), self.bias_ih),
            "weight_hh": Matrix(self.weight_hh.t(), self.bias_hh),
        }

    def _mode(self) -> str:
        """Name of its cell in ``CELLS``."""
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """As PyTorch's: (n, features) or (features,)."""
        x, _ = rows_of(input, self.input_size, self.tiles["weight_ih"].name)
        lstm_like = self._mode() == "LSTM"
        if hx is None:
            hx = (x.new_zeros(len(x), self.hidden_size),) * (2 if lstm_like else 1)
        state = tuple(s.reshape(len(x), -1) for s in (hx if isinstance(hx, tuple) else (hx,)))
        state = CELLS[self._mode()](self.reader("weight_ih")(x), self.reader("weight_hh")(state[0]), state)
        if input.dim() == 1:
            state = tuple(s[0] for s in state)
        return state if lstm_like else state[0]


class TiledLSTMCell(_TiledCell, torch.nn.LSTMCell):
    """``torch.nn.LSTMCell``."""

    def _mode(self) -> str:
        return "LSTM"


class TiledGRUCell(_TiledCell, torch.nn.GRUCell):
    """``torch.nn.GRUCell``."""

    def _mode(self) -> str:
        return "GRU"


class TiledRNNCell(_TiledCell, torch.nn.RNNCell):
    """``torch.nn.RNNCell``."""

    nonlinearity: str

    def _mode(self) -> str:
        return "RNN_RELU" if self.nonlinearity == "relu" else "RNN_TANH"

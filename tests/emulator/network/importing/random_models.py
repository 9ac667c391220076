"""Random networks as PyTorch modules, of vectors, sequences of places and maps: chains,
residuals, joins."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.emulator.network.importing.cases import nn, torch

F = nn.functional
SHAPES = ((14,), (2, 24), (2, 10, 10))
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(torch, name) for name in ("relu", "tanh", "sigmoid")},
    **{name: getattr(F, name) for name in ("gelu", "silu", "elu", "softplus", "hardswish", "relu6")},
    "leaky": lambda z: F.leaky_relu(z, 0.2),
    "none": lambda z: z,
}


class Random:
    """What one seed makes: ``forward`` draws the same at every call."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.shape = SHAPES[seed % len(SHAPES)]

    def forward(self, m: Any, x: Any) -> Any:
        self.rng = np.random.default_rng(self.seed)
        x = torch.tanh(x) if self._int(0, 4) == 0 else x
        for _ in range(self._int(2, 4)):
            blocks = [self._plain, self._plain, self._residual, self._joined, self._mixed, self._gated]
            blocks += [self._pool, self._shuffled, self._last] if x.dim() > 2 else []
            x = blocks[self._int(0, len(blocks) - 1)](m, x)
        if x.dim() > 2 and self._int(0, 1):
            x = x.mean(tuple(range(2, x.dim())))
        y = m.full(x.flatten(1), 4)
        return torch.sigmoid(y) if self._int(0, 3) == 0 else y

    def _int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def _function(self, z: Any) -> Any:
        return list(FUNCTIONS.values())[self._int(0, len(FUNCTIONS) - 1)](z)

    def _same(self, m: Any, x: Any, channels: int) -> Any:
        """A product whose result is as large as what it reads, normalised or not."""
        y = m.full(x, channels) if x.dim() == 2 else m.conv(x, channels, 3, padding=1)
        return m.norm(y) if self._int(0, 1) else y

    def _plain(self, m: Any, x: Any) -> Any:
        """A product over any patches, and a function."""
        if x.dim() == 2 or min(x.shape[2:]) < 5:
            return self._function(self._same(m, x, self._int(6, 20)))
        channels, kernel = x.shape[1], self._int(1, 3)
        groups = [1, 1, channels][self._int(0, 2)]
        how = {"stride": self._int(1, 2), "padding": self._int(0, kernel // 2), "bias": bool(self._int(0, 1))}
        how["dilation"] = 1 if how["stride"] == 2 else self._int(1, 2)
        y = m.conv(x, groups * self._int(1, 6 // groups + 1), kernel, groups=groups, **how)
        return self._function(m.norm(y) if self._int(0, 1) else y)

    def _residual(self, m: Any, x: Any) -> Any:
        y = self._same(m, self._function(self._same(m, x, self._int(4, 8))), x.shape[1])
        return self._function(x + y)

    def _joined(self, m: Any, x: Any) -> Any:
        """Beside what it was made of, or not."""
        made = [self._function(self._same(m, x, self._int(2, 5))) for _ in range(2)]
        return torch.cat([x, *made] if self._int(0, 1) else made, 1)

    def _mixed(self, m: Any, x: Any) -> Any:
        """Two branches in parts that a third one says, or their difference; one
        layer used twice."""
        a, b = torch.tanh(self._same(m, x, 6)), torch.sigmoid(self._same(m, x, 6))
        if self._int(0, 1):
            return b * a + (1 - b) * torch.relu(self._same(m, x, 6))
        twice = m.new(nn.Linear, 6, 6)
        if x.dim() > 2:
            return self._function(0.5 * (a - b))
        return self._function(a - twice(b)) - twice(a)

    def _gated(self, m: Any, x: Any) -> Any:
        """Every channel, or every place, times what a sigmoid says."""
        x, places = torch.tanh(self._same(m, x, 6)), [1] * (x.dim() - 2)
        if places and self._int(0, 1):
            return x * torch.sigmoid(m.conv(x, 1, 3, padding=1))
        mean = x.mean(tuple(range(2, x.dim()))) if places else x
        return x * torch.sigmoid(m.full(torch.relu(m.full(mean, 3)), 6)).view(-1, 6, *places)

    def _shuffled(self, m: Any, x: Any) -> Any:
        """Channels of a grouped convolution shuffled, half of them convolved again."""
        x = m.conv(m.conv(x, 6, 1), 6, 3, padding=1, groups=2)
        x = torch.relu(x).view(-1, 2, 3, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
        left, right = x.chunk(2, 1)
        return torch.cat([left, self._function(m.conv(right, 3, 1))], 1)

    def _last(self, m: Any, x: Any) -> Any:
        """A full layer at each place."""
        places = range(1, x.dim() - 1)
        y = m.full(x.permute(0, *(1 + at for at in places), 1), self._int(3, 8))
        return self._function(y.permute(0, x.dim() - 1, *places))

    def _pool(self, m: Any, x: Any) -> Any:
        if min(x.shape[2:]) < 4:
            return x
        kind = f"{('max', 'avg')[self._int(0, 1)]}_pool{x.dim() - 2}d"
        kernel = self._int(2, 3)
        return getattr(F, kind)(x, kernel, self._int(1, 2), self._int(0, 1))

"""Networks as PyTorch modules: residual, concatenated, depthwise, recurrent, gated."""

from __future__ import annotations

import itertools
from typing import Any

from tests.emulator.network.importing.cases import net, nn, torch

F = nn.functional


def conv_bn(before: int, after: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Any:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    )


class BasicBlock(nn.Module):
    """ResNet's: two convolutions and what goes past them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = conv_bn(before, after, 3, stride), conv_bn(after, after)
        same = stride == 1 and before == after
        self.past = nn.Identity() if same else conv_bn(before, after, 1, stride)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.past(x))


class ResNet(nn.Module):
    """He et al.'s for CIFAR: 6 n + 2 layers, widths 16, 32, 64."""

    def __init__(self, blocks: int, width: int = 16) -> None:
        super().__init__()
        layers: list[Any] = [conv_bn(3, width), nn.ReLU()]
        before = width
        for stage in range(3):
            for i in range(blocks):
                layers.append(BasicBlock(before, width << stage, 2 if stage and not i else 1))
                before = width << stage
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))

    def forward(self, x: Any) -> Any:
        return self.layers(x)


@net(
    lambda: {
        "stem": nn.Conv2d(2, 8, 3, padding=1),
        "norms": nn.ModuleList(nn.BatchNorm2d(8) for _ in range(3)),
        "convs": nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)),
        "out": nn.Linear(8, 4),
    }
)
def pre_act(m: Any, x: Any) -> Any:
    """Normalised and rectified before the convolutions, nothing after the sum."""
    x = m.stem(x)
    for norm, conv in zip(m.norms, m.convs, strict=True):
        x = x + conv(torch.relu(norm(x)))
    return m.out(torch.relu(x).mean((2, 3)))


def vgg8(width: int = 16) -> Any:
    layers: list[Any] = []
    before = 3
    for i in range(3):
        for _ in range(2):
            layers += [nn.Conv2d(before, width << i, 3, padding=1), nn.BatchNorm2d(width << i), nn.ReLU()]
            before = width << i
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 16, 64), nn.ReLU(), nn.Linear(64, 10))


def mobilenet(width: float = 0.25) -> Any:
    """MobileNetV1 on 3 x 32 x 32, its first stride 1."""
    layers: list[Any] = [conv_bn(3, int(32 * width)), nn.ReLU()]
    before = int(32 * width)
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for wide, stride in plan:
        after = int(wide * width)
        layers += [conv_bn(before, before, 3, stride, groups=before), nn.ReLU()]
        layers += [conv_bn(before, after, 1), nn.ReLU()]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


@net(
    lambda: {
        "stem": nn.Sequential(conv_bn(3, 8, 3, 2), nn.ReLU6()),
        "blocks": nn.ModuleList(
            nn.Sequential(
                conv_bn(8, 24, 1), nn.ReLU6(), conv_bn(24, 24, 3, 1, 24), nn.ReLU6(), conv_bn(24, 8, 1)
            )
            for _ in range(2)
        ),
        "out": nn.Linear(8, 5),
    }
)
def inverted_residual(m: Any, x: Any) -> Any:
    """MobileNetV2's: expand, filter each channel, project without a function, add."""
    x = m.stem(x)
    for block in m.blocks:
        x = x + block(x)
    return m.out(F.adaptive_avg_pool2d(x, 1).flatten(1))


def ds_cnn() -> Any:
    """Keyword spotting on 49 x 10 features."""
    layers: list[Any] = [nn.Conv2d(1, 16, (10, 4), (2, 2), (4, 1)), nn.BatchNorm2d(16), nn.ReLU()]
    for _ in range(2):
        layers += [conv_bn(16, 16, 3, 1, 16), nn.ReLU(), conv_bn(16, 16, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AvgPool2d((23, 5)), nn.Flatten(), nn.Linear(16, 12))


@net(
    lambda: {
        "stem": nn.Conv2d(3, 8, 3, padding=1),
        "layers": nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8 + 4 * i), nn.ReLU(), nn.Conv2d(8 + 4 * i, 4, 3, padding=1))
            for i in range(3)
        ),
        "end": nn.Sequential(nn.BatchNorm2d(20), nn.ReLU(), nn.Conv2d(20, 10, 1), nn.AvgPool2d(2)),
        "out": nn.Linear(10 * 25, 5),
    }
)
def dense_net(m: Any, x: Any) -> Any:
    """Every layer reads all before it, each channel normalised by itself."""
    x = m.stem(x)
    for layer in m.layers:
        x = torch.cat([x, layer(x)], 1)
    return m.out(m.end(x).flatten(1))


@net(
    lambda: {
        "down": nn.Conv2d(1, 6, 3, padding=1),
        "inner": nn.Conv2d(6, 8, 3, padding=2, dilation=2),
        "deep": nn.Conv2d(8, 8, 3, padding=4, dilation=4),
        "up": nn.Conv2d(16, 6, 3, padding=1),
        "out": nn.Conv2d(18, 2, 1),
    }
)
def u_net(m: Any, x: Any) -> Any:
    """Wide views by dilation and by pooling with stride 1 beside narrow ones, joined; a map comes out."""
    a = torch.relu(m.down(x))
    b = torch.relu(m.inner(a))
    c = torch.relu(m.deep(b))
    d = torch.relu(m.up(torch.cat([b, c], 1)))
    wide = F.avg_pool2d(a, 3, 1, 1, count_include_pad=False)
    return m.out(torch.cat([a, d, wide], 1))


@net(
    lambda: {
        "stem": nn.Conv2d(3, 8, 3),
        "a": nn.Conv2d(8, 4, 1),
        "b": nn.Conv2d(8, 4, 3, padding=1),
        "c": nn.Conv2d(8, 4, 1),
        "d": nn.Conv2d(8, 4, 5, padding=2),
        "out": nn.Linear(16 * 4, 5),
    }
)
def inception(m: Any, x: Any) -> Any:
    """Four branches of one value, two of them pooled with padding."""
    x = F.silu(m.stem(x))
    pooled = F.max_pool2d(x, 3, 1, 1)
    mean = F.avg_pool2d(x, 3, 1, 1)
    x = torch.cat([F.gelu(m.a(x)), F.gelu(m.b(x)), torch.tanh(m.c(pooled)), m.d(mean)], 1)
    return m.out(F.adaptive_max_pool2d(x, 2).flatten(1))


@net(
    lambda: {
        "c": nn.Conv2d(3, 8, 3, padding=1),
        "d": nn.Conv2d(8, 8, 3, padding=1),
        "f": nn.Linear(8, 4),
        "g": nn.Linear(4, 8),
        "out": nn.Linear(8, 3),
    }
)
def squeeze_excite(m: Any, x: Any) -> Any:
    x = torch.relu(m.c(x))
    y = m.d(x)
    z = torch.sigmoid(m.g(torch.relu(m.f(y.mean((2, 3))))))
    x = torch.relu(x + y * z.view(-1, 8, 1, 1))
    return m.out(x.mean((2, 3)))


@net(lambda: {"c": nn.Conv2d(2, 6, 3), "g": nn.Conv2d(6, 1, 3, padding=1), "out": nn.Linear(6, 3)})
def spatial_gate(m: Any, x: Any) -> Any:
    """One channel's sigmoid over all channels."""
    x = torch.tanh(m.c(x))
    return m.out((x * torch.sigmoid(m.g(x))).amax((2, 3)))


@net(
    lambda: {
        "stem": nn.Conv2d(3, 12, 3, 2),
        "a": nn.Conv2d(12, 12, 1, groups=3),
        "b": nn.Conv2d(12, 12, 3, padding=1, groups=3),
        "c": nn.Conv2d(6, 6, 1),
        "out": nn.Linear(12, 4),
    }
)
def shuffle(m: Any, x: Any) -> Any:
    """ShuffleNet's: grouped convolutions with channels shuffled between them, by halves."""
    x = torch.relu(m.stem(x))
    x = torch.relu(m.a(x))
    n, c, h, w = x.shape
    x = x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
    x = torch.relu(m.b(x))
    left, right = x.chunk(2, 1)
    return m.out(torch.cat([left, torch.relu(m.c(right))], 1).mean((2, 3)))


@net(
    lambda: {
        "a": nn.ModuleList(nn.Linear(12, 24) for _ in range(3)),
        "b": nn.ModuleList(nn.Linear(24, 12) for _ in range(3)),
        "out": nn.Linear(12, 4),
    }
)
def residual_mlp(m: Any, x: Any) -> Any:
    for a, b in zip(m.a, m.b, strict=True):
        x = x + b(F.gelu(a(x)))
    return m.out(x)


@net(lambda: {"a": nn.Linear(12, 24), "b": nn.Linear(24, 12), "out": nn.Linear(12, 4)})
def taken_off(m: Any, x: Any) -> Any:
    """A product taken from what goes past it; half of a sum."""
    y = torch.tanh(x - m.b(torch.relu(m.a(x))))
    return m.out(0.5 * (m.b(torch.tanh(m.a(y))) + y))


@net(lambda: {"a": nn.Linear(9, 16), "b": nn.Linear(9, 16), "c": nn.Linear(16, 16), "out": nn.Linear(16, 3)})
def sums(m: Any, x: Any) -> Any:
    """Sums and differences that no product takes in, functions of them, and three terms."""
    a, b = torch.tanh(m.a(x)), torch.relu(m.b(x))
    c = torch.sigmoid(a - b)
    d = 0.5 - m.c(c)
    return m.out(torch.relu(a + b + d) - c + torch.tanh(m.c(a) - b))


@net(
    lambda: {
        "a": nn.Conv2d(2, 6, 1),
        "b": nn.Conv2d(6, 6, 3, padding=1),
        "c": nn.Conv2d(6, 6, 3, groups=2),
        "d": nn.Conv2d(6, 6, 2),
        "mixed": torch.tensor([1.5, -0.7, 0.9, -1.2, 0.4, -1.0]).view(-1, 1, 1),
        "falling": -torch.tensor([0.5, 0.9, 1.3, 1.7, 0.8, 1.1]).view(-1, 1, 1),
        "out": nn.Linear(6 * 9, 3),
    }
)
def signs(m: Any, x: Any) -> Any:
    """Factors of either sign behind pooling, before functions, and on grouped channels; linear pairs."""
    x = F.max_pool2d(m.b(m.a(x)), 2) * m.mixed
    x = torch.tanh(torch.relu(x) * m.falling + 0.3)
    x = torch.cos(F.max_pool2d(m.c(x * m.mixed), 2, 1))
    return m.out(torch.sigmoid(m.d(x)).flatten(1))


@net(
    lambda: {
        **{name: nn.Linear(*size) for name, size in {"stem": (10, 14), "h": (14, 14), "t": (14, 14)}.items()},
        **{name: nn.Linear(*size) for name, size in {"p": (14, 8), "q": (14, 8), "out": (8, 3)}.items()},
    }
)
def highway(m: Any, x: Any) -> Any:
    """``t * h + (1 - t) * x``, and a product of two matrix products."""
    x = torch.tanh(m.stem(x))
    t = torch.sigmoid(m.t(x))
    x = t * torch.relu(m.h(x)) + (1 - t) * x
    return m.out(m.p(x) * m.q(x))


@net(lambda: {"a": nn.Linear(5, 8), "b": nn.Linear(7, 6), "out": nn.Linear(14, 3)})
def two_inputs(m: Any, x: Any) -> Any:
    """Two parts of the input through branches of their own."""
    a, b = F.softplus(m.a(x[:, :5])), F.elu(m.b(x[:, 5:]))
    return m.out(torch.cat((a, b), dim=-1))


@net(lambda: {"c": nn.Conv2d(2, 8, 3, padding=1), "out": nn.Linear(4 * 36, 3)})
def on_inputs(m: Any, x: Any) -> Any:
    """A function and pooling before any layer, and a gated half."""
    x = F.max_pool2d(torch.tanh(x), 3, 2, 1)
    return m.out(F.glu(m.c(x), 1).flatten(1))


@net(
    lambda: {
        "c": nn.Conv2d(2, 6, 3, groups=2),
        "f": nn.Linear(6, 12),
        "g": nn.Linear(12, 6),
        "norm": nn.BatchNorm2d(6),
        "out": nn.Linear(6, 3),
    }
)
def channels_last(m: Any, x: Any) -> Any:
    """A full layer at each place, as ConvNeXt has it; functions right behind one another."""
    x = m.c(x)
    y = m.g(F.gelu(m.f(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
    x = torch.sigmoid(m.norm(F.leaky_relu(x + y, 0.2)))
    return m.out(x.mean((-1, -2)))


@net(
    lambda: {
        "stem": nn.Conv1d(3, 8, 1),
        "convs": nn.ModuleList(nn.Conv1d(8, 8, 3, dilation=1 << i) for i in range(3)),
        "out": nn.Linear(8, 4),
    }
)
def temporal(m: Any, x: Any) -> Any:
    """A causal residual 1-D network (TCN)."""
    x = m.stem(x)
    for i, conv in enumerate(m.convs):
        x = x + torch.relu(conv(F.pad(x, (2 << i, 0))))
    return m.out(x.mean(-1))


@net(
    lambda: {
        "c": nn.Conv2d(1, 2, 1),
        "a": nn.Linear(144, 16),
        "b": nn.Linear(288, 16),
        "out": nn.Linear(16, 3),
    }
)
def rearranged(m: Any, x: Any) -> Any:
    """Blocks of pixels behind one another, and maps turned and flattened, before full layers."""
    blocks = x.view(-1, 3, 4, 3, 4).permute(0, 1, 3, 2, 4).flatten(1)
    turned = torch.relu(m.c(x)).flip(3).transpose(1, 3).flatten(1)
    return m.out(torch.tanh(m.a(blocks) + m.b(turned)))


def autoencoder() -> Any:
    sizes = [144, 32, 8, 32, 144]
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(nn.Flatten(), *layers[:-1], nn.Sigmoid())


def convolutional_autoencoder() -> Any:
    """A map comes out, through a function."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 2, 3, padding=1), nn.Tanh()),
        *(nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 3, padding=1), nn.Sigmoid()),
    )


class Recurrent(nn.Module):
    """A recurrent layer, its last result by ``take``, and a full layer."""

    def __init__(self, kind: str, take: str, **options: Any) -> None:
        super().__init__()
        self.r = getattr(nn, kind)(5, 8, **options)
        self.out, self.take = nn.Linear(8, 3), take

    def forward(self, x: Any) -> Any:
        y, state = self.r(x)
        h = state[0] if isinstance(self.r, nn.LSTM) else state
        last = {"first axis": lambda: y[:, -1, :], "calls first": lambda: y[-1], "hidden": lambda: h[-1]}
        return self.out(last[self.take]())


class Cells(nn.Module):
    """Cells called one part of a sequence after another."""

    def __init__(self, kind: str, calls: int) -> None:
        super().__init__()
        self.first, self.second = getattr(nn, kind)(4, 7), getattr(nn, kind)(7, 6)
        self.out, self.calls, self.pair = nn.Linear(6, 3), calls, kind == "LSTMCell"
        for tensor in (*self.first.parameters(), *self.second.parameters()):
            tensor.data *= 3  # so that its gates open and close

    def forward(self, x: Any) -> Any:
        a = b = None
        for t in range(self.calls):
            a = self.first(x[:, t], a)
            b = self.second(a[0] if self.pair else a, b)
        return self.out(torch.tanh(b[0] if self.pair else b))


@net(lambda: {"p": nn.Linear(5, 6), "r": nn.GRU(6, 6, batch_first=True), "out": nn.Linear(6, 3)})
def projected(m: Any, x: Any) -> Any:
    """A full layer on every call before the recurrent one, and a residual behind it."""
    x = torch.relu(m.p(x))
    y, _ = m.r(x, torch.zeros(1, x.size(0), 6))
    return m.out((y + x)[:, -1])

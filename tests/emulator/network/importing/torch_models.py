"""Networks as PyTorch modules: random ones, known deep ones, recurrent, gated, and what
is easily missed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.emulator.network.importing.cases import Build, Case, Net, nn, normal, seeded, torch, torch_case
from tests.emulator.network.importing.random_models import Random

F = nn.functional
MAP = (1, 12, 12)
TORCH: dict[str, Build] = {}
"""By name; each is built in a folder of its own."""


def case(
    name: str, n: int, *shape: int, deep: bool = False, calls_first: bool = False
) -> Callable[[Callable[[Any, Any], Any]], None]:
    """Enters ``forward(layers, x)`` in ``TORCH``, for ``n`` samples of ``shape``;
    ``deep``: by Kaiming."""
    given = (shape[0], 2, *shape[1:]) if calls_first else (2, *shape)

    def enter(forward: Callable[[Any, Any], Any]) -> None:
        def build(folder: Path) -> Case:
            model = seeded(lambda: Net(forward, given))
            for layer in model.layers if deep else ():
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
            return torch_case(model, normal(n, *shape), calls_first=calls_first)

        TORCH[f"torch {name}"] = build

    return enter


# -- chains


def around(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """One function of each value between two full layers."""
    return lambda m, x: m.full(function(m, m.full(x, 20)), 3)


case("elu", 80, 9)(around(lambda m, z: F.elu(z)))
case("gelu", 80, 9)(around(lambda m, z: F.gelu(z)))
case("gelu, tanh", 80, 9)(around(lambda m, z: F.gelu(z, approximate="tanh")))
case("softplus", 80, 9)(around(lambda m, z: F.softplus(z)))
case("prelu", 80, 9)(around(lambda m, z: m.new(nn.PReLU)(z)))
case("a function that changes no sample", 80, 9)(lambda m, x: torch.clamp(x, -99, 99))


@case("composite", 300, 12)
def _(m: Any, x: Any) -> Any:
    """Swish and a dendrite written out, and an activation that torch has no module for."""
    x = m.full(x, 24)
    u = torch.clamp(m.full(x * torch.sigmoid(x), 16) + 0.5, min=0)
    return m.full(u * torch.exp(1 - u), 3)


@case("lenet", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    x = torch.max_pool2d(torch.relu(m.conv(x, 4, 3, padding=1)), 2)
    x = F.avg_pool2d(torch.tanh(m.conv(x, 8, 3)), 2)
    return m.full(torch.relu(m.full(x.view(x.size(0), -1), 20)), 10)


@case("upsampled, joined", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """An encoder and a decoder, joined beside its bottom: what a small U-Net is."""
    first = torch.relu(m.conv(x, 4, 3, padding=1))
    low = torch.tanh(m.conv(torch.max_pool2d(first, 2), 6, 3, padding=1))
    both = torch.cat([F.interpolate(low, scale_factor=2), first], 1)
    high = F.interpolate(torch.relu(m.conv(both, 3, 3, padding=1)), scale_factor=(1, 3))
    return m.conv(high, 1, 1).flatten(1)


@case("framed by constants", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Constants other than 0 around maps, before and behind a function."""
    x = torch.sigmoid(m.conv(F.pad(x, (1, 0, 2, 1), value=0.7), 4, 3))
    x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), value=0.25), 3)
    return m.full(F.pad(x, (0, 1, 0, 0), value=-1.5).flatten(1), 5)


@case("normalised, padded convolution", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Zeros around maps whose zero is no code of 0; a function after pooling; batch
    norms on either side."""
    x = m.norm(torch.relu(F.max_pool2d(m.conv((x - 0.3) / 0.4, 4, 3, padding=1), 2)))
    return m.full(m.norm(F.avg_pool2d(F.hardtanh(m.conv(x, 6, 3)), 2).flatten(1)), 5)


def sloped(channels: int) -> Any:
    """A slope for each channel or feature, none of them trivial."""
    layer = nn.PReLU(channels)
    layer.weight.data = torch.linspace(-0.3, 0.9, channels)
    return layer


@case("prelu by channel", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    x = F.max_pool2d(m.new(sloped, 4)(m.conv(x, 4, 3, padding=1)), 2)
    x = m.new(sloped, 6)(m.conv(x, 6, 3, padding=1))
    return m.full(m.new(sloped, 12)(m.norm(m.full(x.flatten(1), 12))), 4)


@case("relu, average pooling, padded convolution", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Biases so high that few samples never see the ReLU at 0."""
    x = F.avg_pool2d(torch.relu(m.conv(x, 4, 3) + 2.5), 2)
    return m.full(torch.relu(m.conv(x, 5, 3, padding=1)).flatten(1), 3)


@case("sigmoid, padded convolution", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Outputs in 0.2..0.8: what 0 maps to lies outside of what the samples span."""
    x = torch.sigmoid(0.5 * m.conv(x, 4, 3))
    return m.full(torch.tanh(m.conv(x, 5, 3, padding=1)).flatten(1), 3)


@case("1-D convolutions", 60, 2, 32)
def _(m: Any, x: Any) -> Any:
    x = F.max_pool1d(torch.relu(m.conv(x, 6, 5, padding=2, stride=2)), 2)
    return m.full(F.avg_pool1d(torch.tanh(m.conv(x, 8, 3, dilation=2)), 2).flatten(1), 3)


def _saved_file(folder: Path) -> Case:
    model = seeded(lambda: nn.Sequential(nn.Linear(10, 16), nn.Softplus(), nn.Dropout(), nn.Linear(16, 4)))
    made = torch_case(model, normal(200, 10))
    torch.save(model, folder / "model.pt")
    made.model = folder / "model.pt"
    return made


TORCH["torch file"] = _saved_file
DULL = {4, 13, 14, 17, 28, 29, 31, 35, 37}
"""Random networks whose outputs vary so little that the codes' error is more
than a tenth of that."""

for seed in sorted({*range(41)} - DULL):
    drawn = Random(seed)
    case(f"random {seed}", 100, *drawn.shape)(drawn.forward)


# -- deep networks


def conv_bn(m: Any, x: Any, after: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Any:
    return m.norm(m.conv(x, after, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False))


def pooled(x: Any) -> Any:
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


def basic_block(m: Any, x: Any, after: int, stride: int) -> Any:
    """ResNet's: two convolutions and what goes past them."""
    y = conv_bn(m, torch.relu(conv_bn(m, x, after, 3, stride)), after)
    return torch.relu(y + (x if stride == 1 else conv_bn(m, x, after, 1, stride)))


@case("resnet-8", 40, 3, 16, 16, deep=True)
def _(m: Any, x: Any) -> Any:
    """He et al.'s for CIFAR: its width doubled twice."""
    x = torch.relu(conv_bn(m, x, 8))
    for after, stride in ((8, 1), (16, 2), (32, 2)):
        x = basic_block(m, x, after, stride)
    return m.full(pooled(x), 10)


@case("mobilenet v2 blocks", 24, 3, 16, 16, deep=True)
def _(m: Any, x: Any) -> Any:
    """Expand, filter each channel, project without a function, add."""
    x = F.relu6(conv_bn(m, x, 8, 3, 2))
    for _ in range(2):
        x = x + conv_bn(m, F.relu6(conv_bn(m, F.relu6(conv_bn(m, x, 24, 1)), 24, 3, 1, 24)), 8, 1)
    return m.full(pooled(x), 5)


@case("u-net", 30, 1, 14, 14)
def _(m: Any, x: Any) -> Any:
    """Wide views by dilation and by pooling with stride 1 beside narrow ones,
    joined; a map comes out."""
    a = torch.relu(m.conv(x, 6, 3, padding=1))
    b = torch.relu(m.conv(a, 8, 3, padding=2, dilation=2))
    c = torch.relu(m.conv(b, 8, 3, padding=4, dilation=4))
    d = torch.relu(m.conv(torch.cat([b, c], 1), 6, 3, padding=1))
    wide = F.avg_pool2d(a, 3, 1, 1, count_include_pad=False)
    return m.conv(torch.cat([a, d, wide], 1), 2, 1)


@case("signs", 60, 2, 14, 14, deep=True)
def _(m: Any, x: Any) -> Any:
    """Factors of either sign behind pooling, before functions, and on grouped
    channels; linear pairs."""
    mixed = torch.tensor([1.5, -0.7, 0.9, -1.2, 0.4, -1.0]).view(-1, 1, 1)
    falling = -torch.tensor([0.5, 0.9, 1.3, 1.7, 0.8, 1.1]).view(-1, 1, 1)
    x = F.max_pool2d(m.conv(m.conv(x, 6, 1), 6, 3, padding=1), 2) * mixed
    x = torch.tanh(torch.relu(x) * falling + 0.3)
    x = torch.cos(F.max_pool2d(m.conv(x * mixed, 6, 3, groups=2), 2, 1))
    return m.full(torch.sigmoid(m.conv(x, 6, 2)).flatten(1), 3)


@case("temporal", 60, 3, 20)
def _(m: Any, x: Any) -> Any:
    """A causal residual 1-D network (TCN)."""
    x = m.conv(x, 8, 1)
    for i in range(3):
        x = x + torch.relu(m.conv(F.pad(x, (2 << i, 0)), 8, 3, dilation=1 << i))
    return m.full(x.mean(-1), 4)


@case("rearranged", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Blocks of pixels behind one another, and maps turned and flattened,
    before full layers."""
    blocks = x.view(-1, 3, 4, 3, 4).permute(0, 1, 3, 2, 4).flatten(1)
    turned = torch.relu(m.conv(x, 2, 1)).flip(3).transpose(1, 3).flatten(1)
    return m.full(torch.tanh(m.full(blocks, 16) + m.full(turned, 16)), 3)


@case("two maps added", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Convolutions of different maps, neither of which is the other's: one is the
    other's second operand."""
    first = torch.relu(m.conv(x, 3, 3, padding=1))
    x = torch.tanh(m.conv(first, 4, 3, padding=1, stride=2) + m.conv(x, 4, 5, padding=2, stride=2))
    return m.full(x.flatten(1), 3)


# -- branches of vectors


@case("residual mlp", 200, 12)
def _(m: Any, x: Any) -> Any:
    for _ in range(3):
        x = x + m.full(F.gelu(m.full(x, 24)), 12)
    return m.full(x, 4)


@case("highway", 200, 10)
def _(m: Any, x: Any) -> Any:
    """``t * h + (1 - t) * x``, and a product of two matrix products."""
    x = torch.tanh(m.full(x, 14))
    t = torch.sigmoid(m.full(x, 14))
    x = t * torch.relu(m.full(x, 14)) + (1 - t) * x
    return m.full(m.full(x, 8) * m.full(x, 8), 3)


@case("two inputs", 200, 12)
def _(m: Any, x: Any) -> Any:
    """Two parts of the input through branches of their own."""
    a, b = F.softplus(m.full(x[:, :5], 8)), F.elu(m.full(x[:, 5:], 6))
    return m.full(torch.cat((a, b), dim=-1), 3)


# -- sequences


def recurrent(kind: Any, take: Callable[[Any, Any], Any], **options: Any) -> Callable[[Any, Any], Any]:
    """A recurrent layer, what ``take`` takes of its results and last states,
    and a full layer."""

    def forward(m: Any, x: Any) -> Any:
        y, h = m.new(kind, 5, 8, **options)(x)
        return m.full(take(y, h), 3)

    return forward


SEQUENCE = (60, 9, 5)
case("lstm, two layers", *SEQUENCE)(
    recurrent(nn.LSTM, lambda y, h: y[:, -1, :], num_layers=2, batch_first=True)
)
case("lstm, calls first", *SEQUENCE, calls_first=True)(recurrent(nn.LSTM, lambda y, h: y[-1]))
case("gru", *SEQUENCE)(recurrent(nn.GRU, lambda y, h: h[-1], batch_first=True))
case("gru, calls first", *SEQUENCE, calls_first=True)(recurrent(nn.GRU, lambda y, h: y[-1]))
case("gru, last state", *SEQUENCE)(recurrent(nn.GRU, lambda y, h: h[-1], num_layers=2, batch_first=True))
case("rnn relu", 60, 6, 5)(recurrent(nn.RNN, lambda y, h: h[-1], batch_first=True, nonlinearity="relu"))


def loud(kind: Any, *sizes: int) -> Any:
    """A cell whose gates open and close."""
    cell = kind(*sizes)
    for tensor in cell.parameters():
        tensor.data *= 3
    return cell


def cells(kind: Any, output: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Two cells called for one part of a sequence after another; ``output`` of a
    state is its result."""

    def forward(m: Any, x: Any) -> Any:
        first, second, a, b = m.new(loud, kind, 4, 7), m.new(loud, kind, 7, 6), None, None
        for t in range(6):
            a = first(x[:, t], a)
            b = second(output(a), b)
        return m.full(torch.tanh(output(b)), 3)

    return forward


case("lstm cells", 60, 6, 4)(cells(nn.LSTMCell, lambda state: state[0]))
case("gru cells", 60, 6, 4)(cells(nn.GRUCell, lambda state: state))


@case("gru behind a full layer", 60, 7, 5)
def _(m: Any, x: Any) -> Any:
    """On every call, and a residual behind the recurrent layer."""
    x = torch.relu(m.full(x, 6))
    y, _ = m.new(nn.GRU, 6, 6, batch_first=True)(x, torch.zeros(1, x.size(0), 6))
    return m.full((y + x)[:, -1], 3)

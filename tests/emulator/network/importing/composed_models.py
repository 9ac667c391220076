"""Networks with operators that are composed of several nodes: PyTorch
modules, and ONNX files."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.emulator.network.importing.cases import Build, Case, nn, normal, onnx_case, torch, written
from tests.emulator.network.importing.onnx_models import drawn
from tests.emulator.network.importing.torch_models import case

OPSETS = (13, 24)
MAP = (2, 5, 6)


def flat(m: Any, x: Any) -> Any:
    """Three outputs of a map."""
    return m.full(torch.relu(x).flatten(1), 3)


def up(m: Any, x: Any, *sizes: Any, **options: Any) -> Any:
    """A transposed convolution."""
    kind = nn.ConvTranspose2d if x.dim() == 4 else nn.ConvTranspose1d
    return m.new(kind, x.shape[1], *sizes, **options)(x)


@case("decoder", 60, 1, 8, 8)
def _(m: Any, x: Any) -> Any:
    """Blocks beside each other, a function and a normalisation in front of and behind
    them, an even size."""
    low = torch.relu(m.conv(x, 4, 3, stride=2, padding=1))
    middle = up(m, low, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
    return up(m, torch.tanh(m.norm(4 * middle)), 1, 2, stride=2)[:, :, 3:9:2, ::4].flatten(1)


@case("transposed, cropped", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """The last block is not whole; a dilated kernel, one narrower than its stride,
    and a residual sum."""
    odd = torch.relu(up(m, x, 3, (3, 2), stride=(2, 3), padding=(1, 0)))
    wide = up(m, x, 3, (3, 2), stride=(2, 3), padding=(3, 0), dilation=(3, 1), bias=False)
    return flat(m, torch.max_pool2d(odd + wide, (3, 4)))


@case("1-D transposed", 60, 3, 7)
def _(m: Any, x: Any) -> Any:
    """In front of a convolution of single positions of its channels in another order."""
    return flat(m, m.conv(up(m, torch.tanh(m.conv(x, 4, 3)), 3, 4, stride=2, padding=1).flip(1), 3, 1))


@case("mirrored and repeated borders", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Of the input and of a map; wider on one side."""
    pad = nn.functional.pad
    y = torch.tanh(m.conv(pad(x, (2, 1, 1, 3), mode="reflect"), 3, 3))
    return flat(m, m.conv(pad(y, (0, 2, 4, 1), mode="replicate"), 2, 4, stride=2))


@case("1-D mirrored border", 60, 7)
def _(m: Any, x: Any) -> Any:
    """Of a signal without channels."""
    padded = nn.functional.pad(x.unsqueeze(1), (0, 3), mode="reflect").squeeze(1)
    return flat(m, m.conv(padded.unsqueeze(1), 3, 4, stride=2))


@case("larger and smaller", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    y = torch.maximum(m.conv(x, 4, 3), torch.tanh(m.conv(x, 4, 3)))
    y = torch.maximum(y, y.mean((2, 3), keepdim=True))
    return flat(m, torch.minimum(y, y.flip(3)))


@case("flipped", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Channels, rows, columns and both; a transposed map."""
    y = torch.tanh(m.conv(x, 4, 2))
    y = torch.relu(m.norm(y) + y.flip(2) + y.flip(1)) - y.flip(2, 3)
    y = m.conv(y.flip(2), 3, (3, 4))
    return flat(m, y * y.transpose(2, 3))


@case("cropped", 60, 2, 8, 8)
def _(m: Any, x: Any) -> Any:
    """In the middle as in a U-Net, at the ends, and every other row."""
    wide = torch.relu(m.conv(x, 4, 3))
    narrow = torch.relu(m.conv(wide, 3, 3))
    joined = torch.cat([wide[:, :, 1:-1, 1:-1], narrow], 1)
    return flat(m, m.conv(joined, 3, 1) + narrow - wide[:, :3, :4, :4] + x[:, :1, ::2, ::2])


@case("full layers over a sequence", 60, 5, 4)
def _(m: Any, x: Any) -> Any:
    """Along either axis, as an MLP-Mixer has them."""
    y = x + torch.tanh(m.full(x, 4))
    y = m.full(y, 6)
    y = y + m.full(torch.relu(m.full(y.transpose(1, 2), 7)), 5).transpose(1, 2)
    return m.full(torch.tanh(m.full(y, 4)).mean(1), 3)


@case("cumulative sum", 60, *MAP)
def _(m: Any, x: Any) -> Any:
    """Behind a convolution with a residual sum, of the input, and from the end."""
    y = torch.tanh(m.conv(x, 2, 1) + x.cumsum(-1))
    y = y + torch.relu(m.conv(y, 2, 1).cumsum(3))
    return flat(m, m.norm(y.flip(3).cumsum(-1).flip(3)))


@case("1-D cumulative sum", 60, 3, 7)
def _(m: Any, x: Any) -> Any:
    """Along positions, channels and features."""
    y = torch.tanh(m.conv(x, 4, 3)).cumsum(2)
    y = torch.relu(m.conv(y, 3, 1)).transpose(1, 2).cumsum(-1).transpose(1, 2)
    return m.full(torch.tanh(m.full(y.flatten(1), 6)).cumsum(1), 3)


def both(m: Any, x: Any, kind: Any, **options: Any) -> Any:
    """A bidirectional layer."""
    return m.new(kind, x.shape[2], 3, bidirectional=True, batch_first=True, **options)(x)


@case("bidirectional lstm", 80, 2, 3)
def _(m: Any, x: Any) -> Any:
    y, (_, c) = both(m, x, nn.LSTM)
    return m.full(torch.cat([y[:, -1], c[0]], 1), 3)


@case("gru with states of the input", 80, 3, 6)
def _(m: Any, x: Any) -> Any:
    y = both(m, x, nn.GRU)[0]
    layer = m.new(nn.GRU, 6, 6, batch_first=True, bidirectional=True)
    return m.full(layer(y, x[:, :2].transpose(0, 1))[1].transpose(0, 1).flatten(1), 3)


@case("bidirectional gru", 80, 2, 3)
def _(m: Any, x: Any) -> Any:
    """A full layer over its calls behind it."""
    return m.full(torch.relu(m.full(both(m, x, nn.GRU)[0], 3)).flatten(1), 3)


@case("bidirectional gru, two layers", 80, 3, 3)
def _(m: Any, x: Any) -> Any:
    return m.full(both(m, x, nn.GRU, num_layers=2)[1].transpose(0, 1).flatten(1), 3)


MODULES = (
    "decoder; transposed, cropped; 1-D transposed; larger and smaller; flipped; cropped; "
    "full layers over a sequence; cumulative sum; 1-D cumulative sum; bidirectional lstm; bidirectional gru"
).split("; ")
"""Modules that are small enough for a small simulated board, one or more of each operator."""

END = """
    f = Flatten(z)
    y = MatMul(f, w)
"""

GRAPHS: dict[str, tuple[str, tuple[int, ...], dict[str, tuple[int, ...]]]] = {
    "transposed": (
        """
        a = ConvTranspose <strides = [2, 1], pads = [1, 0, 0, 1], output_padding = [1, 0], group = 2>
            (x, k, b)
        c = Relu(a)
        z = ConvTranspose <strides = [2, 2], auto_pad = "SAME_UPPER", dilations = [1, 2]> (c, l)
        """,
        (2, 3, 4),
        {"k": (2, 2, 3, 2), "b": (4,), "l": (4, 1, 3, 2), "w": (112, 3)},
    ),
    "transposed, of a size": (
        "z = ConvTranspose <strides = [2], output_shape = [9]> (x, k, b)",
        (3, 5),
        {"k": (3, 2, 3), "b": (2,), "w": (18, 3)},
    ),
    "larger and smaller": (
        """
        a, c, d = Split <axis = 1> (x, thirds)
        e = Sigmoid(c)
        g = Max(a, e, tenth)
        z = Min(g, d)
        """,
        (3, 4, 4),
        {"w": (16, 3)},
    ),
    "moved": (
        """
        c = Conv(x, k)
        a = Tanh(c)
        up = Slice(a, last, least, channel, back)
        both = Add(a, up)
        left = Slice(both, last, least, column, back)
        t = Transpose <perm = [0, 1, 3, 2]> (left)
        s = Sub(t, a)
        inner = Slice(s, one, before, row)
        z = Relu(inner)
        """,
        (2, 5, 5),
        {"k": (3, 2, 2, 2), "w": (24, 3)},
    ),
    "full layers over a sequence": (
        """
        a = MatMul(x, k)
        c = Add(a, b)
        d = Relu(c)
        t = Transpose <perm = [0, 2, 1]> (d)
        e = MatMul(t, l)
        z = Add(e, n)
        """,
        (5, 4),
        {"k": (4, 6), "b": (6,), "l": (5, 3), "n": (3,), "w": (18, 3)},
    ),
    "cumulative sums": (
        """
        s = CumSum <exclusive = 1> (x, column)
        c = Conv(s, k, b)
        a = Tanh(c)
        t = CumSum(a, column)
        u = CumSum <reverse = 1> (a, last)
        d = Sub(t, u)
        e = Relu(d)
        z = CumSum <exclusive = 1, reverse = 1> (e, last)
        """,
        (2, 4, 5),
        {"k": (3, 2, 2, 2), "b": (3,), "w": (36, 3)},
    ),
    "cumulative sum, 1-D": (
        "a = CumSum(x, last) c = Conv(a, k, b) d = Sigmoid(c) z = CumSum <exclusive = 1> (d, row)",
        (3, 5),
        {"k": (2, 3, 2), "b": (2,), "w": (8, 3)},
    ),
    "bidirectional lstm": (
        """
        t = Transpose <perm = [1, 0, 2]> (x)
        all, h, c = LSTM <direction = "bidirectional", hidden_size = 3> (t, k, r, b)
        both = Transpose <perm = [1, 0, 2]> (h)
        z = Tanh(both)
        """,
        (4, 3),
        {"k": (2, 12, 3), "r": (2, 12, 3), "b": (2, 24), "w": (6, 3)},
    ),
    "gru from the end": (
        """
        t = Transpose <perm = [1, 0, 2]> (x)
        all, h = GRU <direction = "reverse", hidden_size = 3> (t, k, r, b)
        turned = Transpose <perm = [2, 0, 1, 3]> (all)
        z = Relu(turned)
        """,
        (4, 3),
        {"k": (1, 9, 3), "r": (1, 9, 3), "b": (1, 18), "w": (12, 3)},
    ),
}
"""Nodes from x to z, which END flattens and weighs; shape of a sample; shapes
of drawn constants."""
NUMBERS = {
    "thirds": np.array([1, 1, 1]),
    "tenth": np.float32(0.1),
    "last": np.array([-1]),
    "least": np.array([-100]),
    "back": np.array([-1]),
    "channel": np.array([1]),
    "row": np.array([2]),
    "column": np.array([3]),
    "one": np.array([1]),
    "before": np.array([-1]),
}


def _file(name: str, opset: int) -> Build:
    def build(folder: Path) -> Case:
        nodes, shape, constants = GRAPHS[name]
        used = {key: value for key, value in NUMBERS.items() if key in nodes}
        path = written(folder, nodes + END, {**drawn(7, **constants), **used}, shape, 3, opset=opset)
        return onnx_case(path, normal(60, *shape))

    return build


FILES: dict[str, Build] = {
    f"onnx {name}, opset {opset}": _file(name, opset) for name in GRAPHS for opset in OPSETS
}
ON_BOARDS = ("cumulative sums",)
"""Graphs with attributes that PyTorch lacks, to compare on a small simulated board too."""

"""Every kind of layer on tiles equals its program worked out by hand, read
noise on, bit by bit."""

from typing import Any

import numpy as np
import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from tests.ndrite.tiles.conftest import by_hand, module, read, relative, tile

SEED = 5


def placed(layer: Any, *samples: Any) -> Any:
    """On a die of the preset with programming error, read noise and converters."""
    return ndrite.analog(layer.eval(), "wan2022", samples=samples, seed=SEED).eval()


def kind_of(value: Any) -> str:
    """A case by its layer's class."""
    return type(value).__name__


def close(y: Any, wanted: Any, within: float = 0.25) -> bool:
    """A die's result is near the float one: no scale or bias is lost."""
    return relative(y, wanted) < within


@pytest.mark.parametrize("shape", [(24, 150), (6, 5, 150), (3, 2, 4, 150)])
def test_a_full_layer(shape: tuple[int, ...]) -> None:
    layer, x = nn.Linear(150, 7), torch.randn(shape)
    model = placed(layer, x)
    y = read(model, x)
    assert y.shape == (*shape[:-1], 7)
    assert y.dtype == torch.float32
    wanted = by_hand(tile(model, "weight"), x.reshape(-1, 150), seed=SEED)
    assert torch.equal(y.reshape(-1, 7), wanted)
    assert close(y, read(layer, x))
    assert torch.equal(read(model, x.reshape(-1, 150)[0]), wanted[0])  # one sample alone


CONVOLUTIONS = [
    (nn.Conv1d(3, 4, 5, padding=2, padding_mode="circular"), (5, 3, 20)),
    (nn.Conv1d(2, 3, 3, padding="same", dilation=2), (5, 2, 12)),
    (nn.Conv2d(3, 4, 3, padding=1), (4, 3, 7, 6)),
    (nn.Conv2d(16, 4, 3, stride=2, bias=False), (4, 16, 7, 6)),  # 144 rows: two tiles
    (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, padding_mode="reflect"), (4, 4, 7, 6)),
    (nn.Conv2d(4, 4, 3, groups=4, dilation=(2, 1)), (4, 4, 7, 6)),
    (nn.Conv2d(3, 5, (7, 6)), (20, 3, 7, 6)),  # one patch
    (nn.Conv2d(3, 5, 1), (4, 3, 7, 6)),
    (nn.Conv3d(2, 4, (2, 3, 2), stride=(1, 2, 1), padding=(1, 1, 0), dilation=(2, 1, 1)), (3, 2, 5, 6, 4)),
    (nn.Conv3d(4, 4, 2, groups=2), (3, 4, 3, 4, 4)),
]


def patches_of(layer: Any, x: Any) -> tuple[Any, tuple[int, ...]]:
    """Patches (n * positions, groups * K), loop by loop, and the result's sizes."""
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = nn.functional.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
    reach = [d * (k - 1) + 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    sizes = [(s - r) // step + 1 for s, r, step in zip(x.shape[2:], reach, layer.stride, strict=True)]
    rows = []
    for place in np.ndindex(*sizes):
        starts = [at * step for at, step in zip(place, layer.stride, strict=True)]
        spans = [slice(s, s + r, d) for s, r, d in zip(starts, reach, layer.dilation, strict=True)]
        seen = x[(slice(None), slice(None), *spans)].unflatten(1, (layer.groups, -1))
        # Places of the kernel, then channels, and depth as such.
        flat = range(-min(2, len(sizes)), 0)
        rows.append(seen.movedim(tuple(flat), tuple(range(2, 2 + len(flat)))).flatten(1))
    return torch.stack(rows, dim=1).flatten(0, 1), tuple(sizes)


def convolved(model: Any, x: Any) -> Any:
    """The maps of a convolution, its products by hand."""
    patches, sizes = patches_of(model, x)
    sums = by_hand(tile(model, "weight"), patches, seed=SEED, groups=model.groups)
    return sums.view(len(x), *sizes, -1).movedim(-1, 1)


@pytest.mark.parametrize(("layer", "shape"), CONVOLUTIONS, ids=kind_of)
def test_a_convolution(layer: Any, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    model = placed(layer, x)
    y = read(model, x)
    assert torch.equal(y, convolved(model, x))
    assert close(y, read(layer, x))
    assert torch.equal(read(model, x[0]), y[0])  # without a dimension of samples


def test_a_convolution_on_maps_of_another_size() -> None:
    model = placed(nn.Conv2d(3, 4, 3, padding=1), torch.randn(4, 3, 8, 8))
    for size in ((5, 9), (3, 3), (8, 8)):
        x = torch.randn(2, 3, *size)
        assert torch.equal(read(model, x), convolved(model, x))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1, output_padding=1), (6, 3, 9)),
        (nn.ConvTranspose2d(6, 4, 2, stride=2), (4, 6, 4, 5)),
        (nn.ConvTranspose2d(6, 4, (3, 2), padding=(1, 0), dilation=2, groups=2, bias=False), (4, 6, 4, 5)),
    ],
    ids=kind_of,
)
def test_a_transposed_convolution(layer: Any, shape: tuple[int, ...]) -> None:
    """Place by place: what each adds to the places that its kernel reaches."""
    x = torch.randn(shape)
    model = placed(layer, x)
    y, float_y = read(model, x), read(layer, x)
    channels = x.flatten(2).transpose(1, 2).reshape(-1, shape[1])
    parts = by_hand(tile(model, "weight"), channels, seed=SEED, groups=layer.groups)
    parts = parts.view(len(x), *x.shape[2:], -1, *layer.kernel_size)
    edge = list(layer.padding)
    wide = torch.zeros(len(x), y.shape[1], *(s + 2 * p for s, p in zip(y.shape[2:], edge, strict=True)))
    for place in np.ndindex(*x.shape[2:]):
        for at in np.ndindex(*layer.kernel_size):
            to = [i * s + k * d for i, s, k, d in zip(place, layer.stride, at, layer.dilation, strict=True)]
            wide[(slice(None), slice(None), *to)] += parts[(slice(None), *place, slice(None), *at)]
    inside = [slice(p, p + s) for p, s in zip(edge, y.shape[2:], strict=True)]
    wanted = wide[(slice(None), slice(None), *inside)]
    if layer.bias is not None:
        wanted = wanted + layer.bias.detach().view(-1, *[1] * (len(shape) - 2))
    assert torch.allclose(y, wanted, atol=1e-6)
    assert y.shape == float_y.shape
    assert close(y, float_y)


def recurrent(model: Any, x: Any, kind: str) -> Any:
    """Outputs (n, T, H) of a layer of one direction, its products by hand."""
    n, calls, _ = x.shape
    index = np.arange(n * calls)
    seen = by_hand(tile(model, "weight_ih_l0"), x.reshape(n * calls, -1), seed=SEED, index=index)
    seen = seen.view(n, calls, -1)
    size = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    h = torch.zeros(n, seen.shape[2] // size)
    c, outputs = h.clone(), []
    for t in range(calls):
        a, b = seen[:, t], by_hand(tile(model, "weight_hh_l0"), h, seed=SEED + t * 2**48)
        if kind == "LSTM":
            i, f, g, o = (a + b).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        elif kind == "GRU":
            (ar, az, an), (br, bz, bn) = a.chunk(3, dim=1), b.chunk(3, dim=1)
            z = (az + bz).sigmoid()
            h = (1 - z) * (an + (ar + br).sigmoid() * bn).tanh() + z * h
        else:
            h = (a + b).tanh()
        outputs.append(h)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer(kind: str) -> None:
    layer, x = getattr(nn, kind)(5, 6, batch_first=True), torch.randn(8, 4, 5)
    model = placed(layer, x)
    y = read(model, x)[0]
    assert torch.equal(y, recurrent(model, x, kind))
    assert close(y, read(layer, x)[0])
    # Time first and outputs by time: the same numbers.
    other = getattr(nn, kind)(5, 6)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(read(placed(other, x.transpose(0, 1)), x.transpose(0, 1))[0].transpose(0, 1), y)


torch.manual_seed(5)  # the layers below are made when they are listed


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [
        (nn.LSTM(5, 6, 2, bidirectional=True, batch_first=True), (torch.randn(9, 4, 5),)),
        (nn.LSTM(5, 6, proj_size=3), (torch.randn(4, 9, 5),)),
        (nn.GRU(5, 6, 2, bias=False), (torch.randn(4, 9, 5), torch.randn(2, 9, 6))),
        (nn.RNN(5, 6, nonlinearity="relu"), (torch.randn(40, 5),)),
        (nn.LSTMCell(5, 6), (torch.randn(20, 5),)),
        (nn.GRUCell(5, 6), (torch.randn(20, 5), torch.randn(20, 6))),
        (nn.RNNCell(5, 6, nonlinearity="relu"), (torch.randn(20, 5), torch.randn(20, 6))),
        (nn.MultiheadAttention(8, 2, kdim=5, vdim=3), tuple(torch.randn(5, 9, n) for n in (8, 5, 3))),
        (nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True), (torch.randn(9, 5, 8),) * 3),
    ],
    ids=kind_of,
)
def test_results_have_torchs_shapes_and_are_close_on_an_ideal_chip(layer: Any, arguments: Any) -> None:
    model = ndrite.analog(layer.eval(), "ideal", samples=arguments, seed=SEED)
    pairs = zip(flat(read(model, *arguments)), flat(read(layer, *arguments)), strict=True)
    for y, wanted in pairs:
        assert y.shape == wanted.shape
        assert close(y, wanted, within=0.05)


def flat(result: Any) -> list[Any]:
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def test_attention() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(layer.in_proj_bias)
    x, memory = torch.randn(6, 5, 8), torch.randn(6, 4, 8)
    model = placed(layer, x, memory, memory)
    ignored = torch.zeros(6, 4, dtype=torch.bool)
    ignored[:, 3] = True
    blocked = torch.zeros(5, 4)
    blocked[0, 0] = -torch.inf
    y, weights = read(model, x, memory, memory, ignored, True, blocked)
    q, k, v = (
        by_hand(tile(model, name), part.reshape(-1, 8), seed=SEED).view(6, -1, 2, 4).transpose(1, 2)
        for name, part in (("q", x), ("k", memory), ("v", memory))
    )
    mask = torch.zeros(6, 2, 5, 4) + blocked
    mask[..., 3] = -torch.inf
    mixed = nn.functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(30, 8)
    # Scores are PyTorch's: equal to rounding, which may move a code of the last product.
    wanted = by_hand(tile(model, "out_proj"), mixed, seed=SEED).view(6, 5, 8)
    assert (y == wanted).float().mean() > 0.9
    assert torch.allclose(y, wanted, atol=0.05)
    assert torch.all(weights[..., 3] == 0)
    assert torch.all(weights[:, 0, 0] == 0)
    known, known_weights = read(layer, x, memory, memory, ignored, True, blocked)
    assert close(y, known, within=0.4)
    assert torch.allclose(weights, known_weights, atol=0.1)


@pytest.mark.parametrize("low", [-0.37, -2.9, 0.0])
def test_zero_is_exactly_a_code(low: float) -> None:
    """The border of a padded kernel, and what ReLU and masks leave, is not rounded."""
    x = torch.linspace(low, 1.71, 64).view(64, 1).expand(64, 5)
    model = placed(nn.Linear(5, 3), x)
    read(model, x)
    inputs = tile(model, "weight").on_die.program.meaning.inputs
    assert abs(float(inputs.decode(inputs.encode(np.zeros((1, 5))))[0, 0])) < 1e-9
    # Not more than a code is lost for it.
    assert abs(float(inputs.low[0]) - low) + abs(float(inputs.high[0]) - 1.71) < 1.5 * (1.71 - low) / 254


def test_every_product_has_cells_and_noise_of_its_own() -> None:
    one = nn.Linear(40, 40)
    two = nn.Sequential(one, nn.Identity(), nn.Linear(40, 40))
    two[2].load_state_dict(one.state_dict())
    x = torch.randn(30, 40)
    model = placed(two, x)
    read(model, x)
    first, second = (tile(model, name).on_die.program for name in "02")
    assert (first.first_product, second.first_product) == (0, 1)
    assert not np.array_equal(first.layers[0].weights, second.layers[0].weights)


def free(compute: Any, *shapes: tuple[int, ...]) -> Any:
    """A function of a signal and parameters that no layer holds."""
    weights = nn.ParameterList(torch.randn(shape) for shape in shapes)
    return module(lambda m, x: compute(x, *m.weights), weights=weights)


TWICE = [(4, 6), (4,), (4,)]
"""A matrix and two biases."""
PRODUCTS = [
    (lambda x, w: x @ w, (40, 6), [(6, 4)], 1),
    (lambda x, w: w @ x, (40, 6, 3), [(4, 6)], 1),
    (lambda x, w: torch.linalg.matmul(x, w), (40, 6), [(6, 4)], 1),
    (lambda x, w: torch.mv(x, w)[:, None], (40, 6), [(6,)], 1),
    (lambda x, w: nn.functional.linear(x, w[:4, 1:]), (8, 5, 6), [(7, 7)], 1),
    (lambda x, w: x @ w.t(), (40, 6), [(4, 6)], 1),
    (lambda x, b, w: torch.addmm(b, x, w), (40, 6), [(4,), (6, 4)], 1),
    (lambda x, w: torch.bmm(x.transpose(0, 1), w).transpose(0, 1), (20, 3, 6), [(3, 6, 4)], 3),
    (lambda x, w: torch.einsum("bhk,hkm->bmh", x, w), (20, 3, 6), [(3, 6, 4)], 3),
    (lambda x, w: torch.einsum("b...kj,kmj", x, w), (20, 3, 6, 2), [(6, 4, 2)], 1),
    (lambda x, w: torch.tanh(x @ w) @ w.t(), (40, 6), [(6, 4)], 1),  # tied, and another matrix
    (lambda x, w: torch.bmm(x, w.expand(len(x), -1, -1)), (20, 5, 6), [(1, 6, 4)], 1),  # the same cells
    (lambda x, w: x @ w.expand(len(x), 6, 4), (20, 5, 6), [(6, 4)], 1),
    (lambda x, w: torch.addmm(torch.full((4,), torch.nan), x, w, beta=0), (40, 6), [(6, 4)], 1),
    (lambda x, w: torch.mm(x, w, out=torch.empty(len(x), 4)), (40, 6), [(6, 4)], 1),
    (lambda x, w: torch.einsum("bm,km", torch.einsum("bk,km", x, w), w), (40, 6), [(6, 6)], 1),  # and turned
    (lambda x, w, a, b: nn.functional.linear(x, w, a) * nn.functional.linear(x, w, 9 * b), (40, 6), TWICE, 1),
]


@pytest.mark.parametrize(("compute", "shape", "sizes", "groups"), PRODUCTS, ids=range(len(PRODUCTS)))
def test_a_product_of_parameters_needs_no_layer(compute: Any, shape: Any, sizes: Any, groups: int) -> None:
    layer, x = free(compute, *sizes), torch.randn(shape)
    exact, model = (ndrite.analog(layer, chip, samples=x, seed=SEED) for chip in ("ideal", "wan2022"))
    y, wanted = read(model, x), read(layer, x)
    assert close(read(exact, x), wanted, within=0.05)
    assert close(y, wanted)
    assert not torch.equal(y, wanted)
    assert exact.ndrite.table().share == 1
    assert {product.patches.groups for product in model.ndrite.products.values()} == {groups}
    if shape[0] == len(y):
        assert torch.equal(read(model, x[:3]), y[:3])  # read noise goes by samples

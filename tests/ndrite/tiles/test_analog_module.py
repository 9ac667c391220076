"""A module on tiles is still a module: state, copies, files, batches, costs; and it
follows its weights."""

import concurrent.futures
import copy
import io
from typing import Any

import pytest

from tests.extras import needs

needs("torch")

import torch
import torch.nn.utils.prune
from torch import nn

import ndrite
from ndrite.tiles import convert
from tests.chips import changed
from tests.ndrite.tiles.conftest import codes_of, module, read, relative, tile


class Net(nn.Module):  # type: ignore[misc]
    """Every kind of layer that its products are between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.lstm = nn.LSTM(4 * 6, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.norm(self.conv(x)))
        return self.head(self.lstm(y.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


@pytest.fixture(scope="module")
def net() -> Any:
    torch.manual_seed(2)
    return Net().eval()


@pytest.fixture(scope="module")
def x() -> Any:
    return torch.rand(20, 1, 5, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def model(net: Any, x: Any) -> Any:
    return ndrite.analog(net, "wan2022", samples=x, seed=2)


def test_the_model_given_is_not_touched(net: Any, model: Any, x: Any) -> None:
    assert type(net.conv) is nn.Conv2d
    assert not hasattr(net, "ndrite")
    assert not torch.equal(read(net, x), read(model, x))
    assert type(model) is Net
    assert isinstance(model.conv, nn.Conv2d)
    assert not model.training


def test_a_call_gives_the_same_whatever_is_beside_it(model: Any, x: Any, monkeypatch: Any) -> None:
    y = read(model, x)
    assert torch.equal(read(model, x), y)
    assert torch.equal(read(model, x[:7]), y[:7])
    assert not torch.equal(read(model, x[3:]), y[3:])  # other numbers in the batch, other noise
    monkeypatch.setattr(model.ndrite, "first_index", 3)
    assert torch.equal(read(model, x[3:]), y[3:])
    monkeypatch.setattr(model.ndrite, "noise", False)
    quiet = read(model, x)
    assert not torch.equal(quiet, y)
    assert torch.equal(read(model, x[3:]), quiet[3:])


def test_state_copies_and_files(net: Any, model: Any, x: Any) -> None:
    y = read(model, x)
    assert list(model.state_dict()) == list(net.state_dict())
    assert torch.equal(read(copy.deepcopy(model), x), y)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    assert torch.equal(read(torch.load(file, weights_only=False), x), y)
    fresh = ndrite.analog(Net().eval(), "wan2022", samples=x, seed=2)
    assert not torch.equal(read(fresh, x), y)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(read(fresh, x), y)
    assert torch.equal(read(ndrite.analog(net, "wan2022", samples=x, seed=2), x), y)
    assert not torch.equal(read(ndrite.analog(net, "wan2022", samples=x, seed=3), x), y)


def test_changed_weights_are_mapped_again(net: Any, x: Any) -> None:
    model = ndrite.analog(net, "wan2022", samples=x)
    before = read(model, x)
    held = [tile(model, name).on_die for name in ("conv", "head")]
    assert read(model, x) is not None
    assert [tile(model, name).on_die for name in ("conv", "head")] == held  # nothing changed
    for change in (
        lambda m: setattr(m.head, "weight", nn.Parameter(2 * m.head.weight.detach())),
        lambda m: m.norm.running_var.mul_(4),  # what the LSTM is given
    ):
        change(model)
        twin = copy.deepcopy(net)
        twin.load_state_dict(model.state_dict())
        after = read(model, x)
        assert not torch.equal(after, before)
        assert torch.equal(after, read(ndrite.analog(twin, "wan2022", samples=x), x))
        before = after


def test_what_counters_of_versions_miss_is_found_by_hashing(net: Any, x: Any, monkeypatch: Any) -> None:
    """Values written through ``.data`` or ``.numpy()``; and nothing is hashed twice
    without ``check``."""
    hashed = list[Any]()
    state_of = convert.state_of
    monkeypatch.setattr(convert, "state_of", lambda root: hashed.append(root) or state_of(root))
    for change in (lambda m: m.head.weight.data.mul_(2), lambda m: m.head.bias.detach().numpy().fill(3.0)):
        quick, careful = (ndrite.analog(net, "wan2022", samples=x, check=check) for check in (False, True))
        before = read(quick, x)
        assert torch.equal(before, read(careful, x))
        hashed.clear()
        for model in (quick, careful):
            change(model)
        read(quick, x)
        assert not hashed
        twin = copy.deepcopy(net)
        twin.load_state_dict(careful.state_dict())
        assert torch.equal(read(careful, x), read(ndrite.analog(twin, "wan2022", samples=x), x))
        assert careful in hashed


def test_a_part_alone_follows_its_weights(model: Any, x: Any) -> None:
    part = copy.deepcopy(model).conv
    y = read(part, x)
    with torch.no_grad():
        part.weight.mul_(-1)
        part.bias.mul_(-1)
    assert torch.allclose(read(part, x), -y, atol=0.3)


def test_weights_read_twice_have_noise_twice() -> None:
    x = torch.randn(16, 30)
    twice = module(lambda m, x: torch.stack([m.layer(x), m.layer(x)]), layer=nn.Linear(30, 10))
    model = ndrite.analog(twice, "wan2022", samples=x)
    y = read(model, x)
    assert not torch.equal(y[0], y[1])
    assert torch.equal(read(model, x), y)
    assert torch.equal(read(model.layer, x), y[0])
    model.ndrite.noise = False
    y = read(model, x)
    assert torch.equal(y[0], y[1])


def test_tied_weights_stay_tied() -> None:
    embed, head = nn.Embedding(12, 8), nn.Linear(8, 12, bias=False)
    head.weight = embed.weight
    tied = module(lambda m, x: m.head(m.embed(x)), embed=embed, head=head)
    model = ndrite.analog(tied, "wan2022", samples=torch.arange(24).view(2, 12) % 12)
    assert model.head.weight is model.embed.weight
    assert read(model, torch.zeros(1, 3, dtype=torch.long)).shape == (1, 3, 12)


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_fused_encoder_does_not_go_past_the_die(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first).eval()
    x = torch.randn(8, 5, 8)
    model = ndrite.analog(encoder, "wan2022", samples=x)
    padding = torch.zeros(8, 5, dtype=torch.bool)
    padding[:, 4:] = True
    for mask in ((), (None, padding)):
        y, wanted = read(model, x, *mask)[:, :4], read(encoder, x, *mask)[:, :4]
        assert not torch.allclose(y, wanted, atol=1e-3)  # a die is never so exact
        assert (y - wanted).square().mean() < 0.2 * wanted.var()
    assert all(tile(model, f"layers.0.self_attn.{q}").on_die is not None for q in "qkv")
    assert len(model.ndrite.table().rows) >= 2 * 6


def test_the_table(net: Any, model: Any) -> None:
    table = model.ndrite.table()
    assert table.weights == sum(p.numel() for n, p in net.named_parameters() if "weight" in n) - 4
    assert ("BatchNorm2d", 1) in table.others
    assert "100.0 %" in str(table)


def pruned() -> Any:
    """Its weight is what a hook makes before each pass."""
    layer = nn.Sequential(nn.Linear(30, 8)).eval()
    nn.utils.prune.l1_unstructured(layer[0], "weight", 0.5)
    read(layer, torch.zeros(1, 30))  # or its weight is no leaf, which PyTorch does not copy
    return layer


F = nn.functional
torch.manual_seed(5)  # the modules below are made when they are listed
PAST = {"first": nn.Linear(8, 4), "second": nn.Linear(4, 3)}
FREE = nn.ParameterList(torch.randn(shape) for shape in ((6, 2), (2, 4), (6, 4)))
MACS = {"conv": 30 * 9 * 4, "lstm.weight_ih_l0": 5 * 24 * 32, "lstm.weight_hh_l0": 5 * 8 * 32, "head": 24}
PLACES: dict[str, tuple[Any, Any, list[tuple[str, float]]]] = {
    "every kind of layer": (Net().eval(), torch.rand(20, 1, 5, 6), list(MACS.items())),
    "weights past their layer": (
        module(lambda m, x: m.second(F.linear(x, m.first.weight)), **PAST),
        torch.rand(20, 8),
        [("first", 32), ("second", 12)],
    ),
    "two signals": (
        nn.MultiheadAttention(8, 2, batch_first=True),
        (torch.randn(4, 6, 8),) * 3,
        [*((name, 6 * 64) for name in ("q", "k", "v", "out_proj")), ("in torch", 2 * 6 * 6 * 8)],
    ),
    "fused attention": (
        module(lambda m, x: F.scaled_dot_product_attention(m.q(x), x, x), q=nn.Linear(8, 8)),
        torch.randn(4, 2, 6, 8),
        [("q", 2 * 6 * 64), ("in torch", 2 * 2 * 6 * 6 * 8)],
    ),
    "a compiled part": (
        nn.Sequential(nn.Linear(6, 6), torch.jit.script(nn.Linear(6, 3))).eval(),
        torch.randn(40, 6),
        [("0", 36), ("in torch", 18)],
    ),
    "weights that hooks make": (pruned(), torch.randn(40, 30), [("0", 240)]),
    "two parameters": (
        module(lambda m, x: x @ (m.weights[0] @ m.weights[1]) + x @ m.weights[2], weights=FREE),
        torch.randn(40, 6),
        [("weights.2", 24), ("in torch", 6 * 4 + 6 * 2 * 4 / 40)],
    ),
}
"""A module, samples, and the products of one by the name of their weights."""


@pytest.mark.parametrize(("model", "samples", "products"), PLACES.values(), ids=PLACES)
def test_products_of_parameters_alone_are_on_the_die(model: Any, samples: Any, products: Any) -> None:
    tiled = ndrite.analog(model, "ideal", samples=samples)
    arguments, table = samples if isinstance(samples, tuple) else (samples,), tiled.ndrite.table()
    found, wanted = (read(m, *arguments) for m in (tiled, model))
    assert relative(*(y[0] if isinstance(y, tuple) else y for y in (found, wanted))) < 0.05
    assert [(row.name if row.where == "die" else "in torch", row.macs) for row in table.rows] == products
    assert all(row.name in str(table) for row in table.rows)
    there = sum(macs for name, macs in products if name != "in torch")
    assert table.share == pytest.approx(there / sum(macs for _, macs in products))


def test_what_a_pass_keeps_is_no_weight() -> None:
    """Scores that a module shows, or a state, are of the data, though an attribute has them."""
    x = torch.randn(40, 5, 20)
    layer = module(
        lambda m, v: setattr(m, "scores", torch.softmax(m.key(v) @ v.mT, -1)) or m.scores @ m.value(v),
        **{name: nn.Linear(20, 20) for name in ("key", "value")},
    )
    model = ndrite.analog(layer, "ideal", samples=x)
    for seen in (x, x[:7], x.flip(0)):
        assert relative(read(model, seen), read(layer, seen)) < 0.05
    assert [row.name for row in model.ndrite.table().rows if row.where == "die"] == ["key", "value"]


@pytest.mark.parametrize("split", [[20], [20, 20, 20], []])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x,), lambda x: {"input": x}])
def test_converters_see_every_call(split: list[int], wrap: Any) -> None:
    """A first batch that is a tenth of the others makes no converter too narrow for these."""
    x = torch.rand(64, 8)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    calls = [wrap(part) for part in (0.1 * x[:20], *torch.tensor_split(x, split))]
    y = read(ndrite.analog(net, "ideal", samples=calls, seed=2), x)
    assert relative(y, read(net, x)) < 0.02


def test_products_are_mapped_on_what_the_die_gives_them(x: Any) -> None:
    """Behind a bad product the next one's mean is still right: its bias takes
    the deviation back."""
    net = nn.Sequential(nn.Linear(30, 200), nn.ReLU(), nn.Linear(200, 6)).eval()
    seen = torch.rand(400, 30)
    model = ndrite.analog(net, changed("wan2022", cell={"error_scale": 4.0}), samples=seen, seed=1)
    y = read(model, seen)
    product = tile(model, "2")
    assert product.watched.given.shape == product.watched.codes.shape
    assert (product.watched.given != product.watched.codes).any()
    deviation = (y - net(seen)).detach()
    alone = copy.deepcopy(model)
    tile(alone, "2").watched.given = None
    tile(alone, "2").on_die = None
    worse = (read(alone, seen) - net(seen)).detach()
    assert deviation.mean(dim=0).abs().max() < 0.3 * worse.mean(dim=0).abs().max()


def test_products_are_mapped_without_read_noise() -> None:
    """On what the product before gives without it, and a pass with noise has it again."""
    net = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 6)).eval()
    seen, shown = torch.rand(64, 30), []
    model = ndrite.analog(net, changed("wan2022", readout={"output_noise_lsb": 8.0}), samples=seen, seed=2)
    model[2].register_forward_pre_hook(lambda part, given: shown.append(given[0]))
    for noise in (True, False):
        model.ndrite.noise = noise
        read(model, seen)
    product = tile(model, "2")
    *_, loud, still = (codes_of(product.on_die.program, given.numpy()) for given in shown)
    assert (still == product.watched.given).all()
    assert (loud != still).mean() > 0.1


def test_progress_maps_at_once(net: Any, x: Any) -> None:
    seen: list[tuple[int, int]] = []
    model = ndrite.analog(net, "wan2022", samples=x, progress=lambda *done: seen.append(done))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    held = tile(model, "head").on_die
    assert held is not None
    read(model, x)
    assert tile(model, "head").on_die is held


def test_the_die_is_drawn_anew_and_the_same(model: Any, x: Any) -> None:
    read(model, x)
    product = tile(model, "head")
    die = product.die(model.head.weight.t(), model.head.bias)
    assert (die.arrays[0].mapped.codes == product.on_die.program.layers[0].weights).all()
    assert die.chip.name == "wan2022"
    assert die.seed == 2


def test_doubles_and_empty_batches(net: Any, x: Any) -> None:
    model = ndrite.analog(nn.Linear(6, 4).double().eval(), "wan2022", samples=torch.randn(20, 6).double())
    assert read(model, torch.randn(3, 6).double()).dtype == torch.float64
    assert read(model, torch.zeros(0, 6).double()).shape == (0, 4)
    attention = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    maps = nn.Sequential(nn.ConvTranspose1d(4, 2, 3), nn.Conv1d(2, 4, 3))
    for layers in (attention.eval(), maps.eval()):
        model = ndrite.analog(layers, "ideal", samples=torch.randn(20, 4, 4))
        assert read(model, torch.zeros(0, 4, 4)).shape == read(model.train(), torch.zeros(0, 4, 4)).shape


def test_threads_take_turns(model: Any, x: Any) -> None:
    wanted = read(model, x)

    def right(_: int) -> bool:
        return all(torch.equal(read(model, x), wanted) for _ in range(6))

    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        assert all(threads.map(right, range(6)))


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_the_precision_may_change_later(model: Any, x: Any, kind: Any) -> None:
    wanted = read(model, x)
    other = copy.deepcopy(model).to(kind)
    y = read(other, x.to(kind))
    assert y.dtype == kind
    assert (y.float() - wanted).abs().max() < 0.2 * wanted.std()


FAR = nn.Linear(60, 8).eval()
nn.init.constant_(FAR.bias, 30)
NUMBERS = {
    "sums beyond half precision": (FAR.half(), torch.rand(64, 60).half()),
    "inputs that do not vary, far from 0": (nn.Linear(6, 3), torch.full((20, 6), 1e6)),
}


@pytest.mark.parametrize(("layer", "x"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_that_are_hard_to_hold(layer: Any, x: Any) -> None:
    y, wanted = (read(m, x).float() for m in (ndrite.analog(layer, "ideal", samples=x), layer))
    assert relative(y, wanted) < 0.02


def test_what_a_module_computes_with_is_watched() -> None:
    """A buffer of whole numbers, a number that is no tensor at all, and a matrix
    that is no parameter."""

    seen = torch.rand(40, 8)
    parts = {"first": nn.Linear(8, 8), "second": nn.Linear(8, 3), "gain": 1.0, "_own": torch.randn(8, 8)}
    scaled = module(lambda m, v: m.second(m.first(v)[:, m.order] * m.gain) + v @ m._own[:, :3], **parts)
    scaled.register_buffer("order", torch.arange(8))
    tiled = ndrite.analog(scaled, "wan2022", samples=seen)
    read(tiled, seen)
    changes = (lambda m: setattr(m, "gain", 5.0), lambda m: m.order.copy_(m.order.flip(0)))
    for change in (*changes, lambda m: m._own.mul_(-2)):
        change(tiled)
        change(scaled)
        fresh = read(ndrite.analog(scaled, "wan2022", samples=seen), seen)
        assert torch.equal(read(tiled, seen), fresh), "ranges are those of what the die is given now"

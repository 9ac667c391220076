"""Ranges by channel of a product's inputs, and what is tuned on a die that
has been programmed."""

from pathlib import Path
from typing import Any

import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from ndrite.host import InputError
from ndrite.losses import ALL
from tests.chips import changed
from tests.ndrite.tiles.conftest import module, read, relative, tile

CHIP = changed("wan2022", cell={"read_noise_percent": 3.0})
STUCK = changed("wan2022", cell={"stuck_low_percent": 15.0})
INPUTS, WEIGHTS = (64.0, 1.0, 0.25, 4.0), (0.25, 1.0, 0.25, 4.0)
"""Largest input and weight of each channel: powers of 4, so that their roots are exact."""
SCALES = (16.0, 1.0, 1.0, 1.0)
"""max|x|^0.5 / max|w|^0.5 of each channel."""


def linear() -> tuple[Any, Any, Any, Any]:
    """A full layer, inputs, and the scales as they divide inputs and multiply weights."""
    layer, x, scale = nn.Linear(4, 6), torch.rand(200, 4) - 0.3, torch.tensor(SCALES)
    with torch.no_grad():
        layer.weight.copy_(layer.weight / layer.weight.abs().amax(0) * torch.tensor(WEIGHTS))
    return layer, x / x.abs().amax(0) * torch.tensor(INPUTS), scale, scale


def grouped() -> tuple[Any, Any, Any, Any]:
    """A convolution of two groups, each with two of the channels."""
    layer, x = nn.Conv2d(4, 6, (3, 2), groups=2, padding=1), torch.rand(60, 4, 5, 5) - 0.3
    wide, each = torch.tensor(INPUTS).view(-1, 1, 1), torch.tensor(WEIGHTS).view(2, 1, 2, 1, 1)
    with torch.no_grad():
        weight = layer.weight.view(2, 3, 2, 3, 2)
        weight.copy_(weight / weight.abs().amax((1, 3, 4), keepdim=True) * each)
    scale = torch.tensor(SCALES)
    of_weights = scale.view(2, 1, 2, 1, 1).expand(2, 3, 2, 1, 1).reshape(6, 2, 1, 1)
    return layer, x / x.abs().amax((0, 2, 3)).view(-1, 1, 1) * wide, scale.view(-1, 1, 1), of_weights


@pytest.mark.parametrize("make", [linear, grouped])
def test_channels_are_those_of_a_module_that_divides_and_multiplies_itself(make: Any) -> None:
    """Every bit on the die, in training, and with each cause of error alone."""
    layer, x, divisor, factor = make()
    by_hand = type(layer)(*([4, 6] if make is linear else [4, 6, (3, 2), 1, 1, 1, 2]))
    by_hand.load_state_dict(layer.state_dict())
    with torch.no_grad():
        by_hand.weight *= factor
    scaled = module(lambda self, x: self.layer(x / divisor), layer=by_hand)
    plain = module(lambda self, x: self.layer(x), layer=layer)
    tiled = ndrite.analog(plain, CHIP, samples=x, seed=3, channel_ranges=0.5, clip_rms=2.0)
    expected = ndrite.analog(scaled, CHIP, samples=x, seed=3, clip_rms=2.0)
    assert tile(tiled, "layer").scale.tolist() == list(SCALES)
    assert torch.equal(read(tiled, x), read(expected, x))
    whole = ndrite.analog(plain, CHIP, samples=x, seed=3, clip_rms=2.0)
    assert not torch.equal(read(whole, x), read(tiled, x))
    trained = []
    for model in (tiled, expected):
        torch.manual_seed(7)
        model.train()
        y = model(x)
        y.square().sum().backward()
        trained.append((y.detach(), model.layer.weight.grad))
    assert torch.equal(trained[0][0], trained[1][0])
    torch.testing.assert_close(trained[0][1], trained[1][1] * factor)

    def metric(model: Any) -> float:
        return float((model(x) - layer(x)).abs().mean())

    losses = [
        ndrite.explain(model, chip=CHIP, samples=x, metric=metric, products=False, seed=3, **ranges)
        for model, ranges in ((plain, {"channel_ranges": 0.5}), (scaled, {}))
    ]
    assert len(losses[0].causes) == len(losses[1].causes) > 10
    for cause, values in losses[0].causes.items():
        assert values == pytest.approx(losses[1].causes[cause], rel=1e-4, abs=1e-5), cause
    assert losses[0].causes[ALL][0] > 0


def test_a_channel_of_large_values_does_not_drown_the_others() -> None:
    """Rounding to 8-bit codes, one channel 1,000 times the others: their part of the
    sums is lost or kept."""
    x, layer = torch.rand(300, 32), nn.Linear(32, 8)
    x[:, 5] *= 1000
    with torch.no_grad():
        layer.weight[:, 5] /= 1000
        wanted = layer(x)
    errors = {
        share: relative(read(ndrite.analog(layer, "ideal", samples=x, channel_ranges=share), x), wanted)
        for share in (None, 0.5, 1.0)
    }
    assert errors[None] > 0.3, "the others are 0"
    assert errors[0.5] < 0.02
    assert errors[1.0] < 0.02
    dead = x.clone()
    dead[:, 3] = 0.0
    with torch.no_grad():
        layer.weight[:, 4] = 0.0
        wanted = layer(dead)
    tiled = ndrite.analog(layer, "ideal", samples=dead, channel_ranges=0.5)
    assert relative(read(tiled, dead), wanted) < 0.02, "channels without values or weights"


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_are_of_1(share: float) -> None:
    with pytest.raises(InputError, match=r"^channel_ranges is (-0\.1|1\.1|nan); accepted: a share 0\.\.1"):
        ndrite.analog(nn.Linear(4, 2), CHIP, samples=torch.rand(20, 4), channel_ranges=share)


class Adapted(nn.Module):  # type: ignore[misc]
    """A norm's scale, two layers on tiles, and an adapter beside them that stays in floats."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(12))
        self.first, self.last, self.adapter = (
            nn.Linear(12, 12),
            nn.Linear(12, 3),
            nn.Linear(12, 3, bias=False),
        )
        nn.init.zeros_(self.adapter.weight)

    def forward(self, x: Any) -> Any:
        x = x * self.scale
        return self.last(torch.relu(self.first(x))) + self.adapter(x)


def test_a_programmed_die_stays_while_other_parameters_are_tuned() -> None:
    """Tuning on the die takes back part of what it loses; a changed weight of its
    products is programmed."""
    net, x = Adapted().eval(), torch.rand(200, 12)
    wanted = read(net, x)
    tiled: Any = ndrite.analog(net, STUCK, samples=x, seed=1)
    tiled.ndrite.digital, tiled.ndrite.keep = frozenset({"adapter"}), True
    before = relative(read(tiled, x), wanted)
    mapped = {name: tile(tiled, name).on_die for name in ("first", "last")}
    optimiser = torch.optim.Adam([tiled.scale, tiled.last.bias, tiled.adapter.weight], 0.003)
    for _ in range(100):
        optimiser.zero_grad()
        (tiled(x) - wanted).square().mean().backward()
        optimiser.step()
    assert {name: tile(tiled, name).on_die for name in mapped} == mapped
    assert relative(read(tiled, x), wanted) < 0.6 * before
    with torch.no_grad():
        tiled.first.weight[0] += 1.0
    read(tiled, x)
    anew = tile(tiled, "first").on_die
    assert anew != mapped["first"]
    with torch.no_grad():
        tiled.scale += 0.1
    read(tiled, x)
    assert tile(tiled, "first").on_die is anew
    tiled.ndrite.keep = False
    read(tiled, x)
    assert tile(tiled, "first").on_die is not anew, "without it, ranges follow the scale"


def test_weights_that_training_changed_are_programmed_and_a_file_keeps_the_die(tmp_path: Path) -> None:
    net, x = Adapted().eval(), torch.rand(200, 12)
    tiled: Any = ndrite.analog(net, CHIP, samples=x, seed=1)
    tiled.ndrite.keep = True
    read(tiled, x)
    mapped = tile(tiled, "first").on_die
    with torch.no_grad():
        tiled.scale *= 0.5
    y = read(tiled, x)
    assert tile(tiled, "first").on_die is mapped
    torch.save(tiled, tmp_path / "tuned.pt")
    assert torch.equal(read(torch.load(tmp_path / "tuned.pt", weights_only=False), x), y)
    tiled.train()
    with torch.no_grad():
        tiled.first.weight[0] += 1.0
        tiled(x)  # a pass in training between the change and the die
    tiled.eval()
    read(tiled, x)
    assert tile(tiled, "first").on_die is not mapped

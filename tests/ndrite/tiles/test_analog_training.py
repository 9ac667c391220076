"""Training through the chip's view: the view is as wrong as the die, gradients
arrive, the die follows."""

from typing import Any

import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from tests.chips import changed
from tests.ndrite.tiles.conftest import module, read, relative

LAYERS = {
    "full": (nn.Linear(300, 40), (400, 300)),
    "kernels": (nn.Conv2d(16, 24, 3, padding=1), (30, 16, 8, 8)),
    "groups": (nn.Conv2d(8, 16, 3, groups=2), (60, 8, 8, 8)),
}
SEEN: dict[str, Any] = {f"{chip}-{of}": (*LAYERS[of], chip) for chip in ("ideal", "wan2022") for of in LAYERS}
# Seven tiles of a column share its range, and what inputs hold on average is in each.
COARSE = changed("ideal", readout={"adc_bits": 6})
SEEN["coarse-tiles that are far apart"] = nn.Conv2d(32, 8, 5), (20, 32, 8, 8), COARSE

# What moves signed inputs is held by cells; gains of columns that leave the chip
# are no part of it.
SEEN["biases in cells"] = nn.Linear(40, 400), (200, 40), "dendritic-analog"
DIGITAL = changed("dendritic-analog", readout={"bias": "digital", "column_gain_mismatch_percent": 20})
SEEN["uneven columns"] = *LAYERS["full"], DIGITAL


@pytest.mark.parametrize(("layer", "shape", "chip"), SEEN.values(), ids=SEEN)
def test_training_sees_the_dies_error(layer: Any, shape: tuple[int, ...], chip: Any) -> None:
    x = torch.randn(shape) + 0.5
    with torch.no_grad():
        wanted = layer(x)
        tiled = [ndrite.analog(layer.eval(), chip, samples=x, seed=seed) for seed in range(3)]
        dies = [relative(die(x), wanted) for die in tiled]
        model = ndrite.analog(layer, chip, samples=x).train()
        seen = [relative(model(x), wanted) for _ in range(3)]
    assert sum(seen) == pytest.approx(sum(dies), rel=0.1)


@pytest.mark.slow
def test_gradients_reach_every_parameter_and_lower_the_loss() -> None:
    x, labels = torch.rand(60, 1, 6, 6), torch.arange(60) % 2
    x[labels == 1, :, 3:] -= 0.5
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(1, 2), nn.LSTM(4, 8, batch_first=True))
    model.append(module(lambda m, result: result[0][:, -1])).append(nn.Linear(8, 2))
    tiled = ndrite.analog(model, "wan2022", samples=x, clip_rms=2.5).train()
    optimiser = torch.optim.Adam(tiled.parameters(), 0.02)
    losses = []
    for step in range(90):
        loss = nn.functional.cross_entropy(tiled(x), labels)
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tiled.parameters())
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    assert (read(tiled.eval(), x).argmax(dim=1) == labels).float().mean() > 0.8


def test_every_pass_draws_anew_and_a_sequence_meets_one_draw() -> None:
    readout = {"output_noise_lsb": 0.0, "adc_bits": 12}
    quiet = changed("wan2022", cell={"read_noise_percent": 0.0}, readout=readout)
    layer = nn.RNN(3, 6, batch_first=True)
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
        layer.bias_ih_l0.zero_()
        layer.weight_hh_l0.copy_(torch.eye(6) * 0.5)
        layer.bias_hh_l0.zero_()
    tiled = ndrite.analog(layer, quiet, samples=(torch.rand(20, 4, 3), torch.rand(1, 20, 6))).train()
    start = torch.rand(1, 20, 6) * 0.1
    with torch.no_grad():
        y, other = (tiled(torch.zeros(20, 8, 3), start)[0] for _ in range(2))
    assert not torch.equal(y, other)
    # Small states shrink by the cell's own weight at every call: the same factor, to
    # the codes' rounding.
    strong = start[0, :, 0] > 0.05
    first = (y[strong, 0, 0] / start[0, strong, 0]).mean()
    second = (y[strong, 1, 0] / y[strong, 0, 0]).mean()
    assert float(first) == pytest.approx(float(second), abs=0.05)


def test_gradients_through_the_die_are_the_float_weights() -> None:
    layer, x = nn.Linear(20, 5).eval(), torch.randn(30, 20, requires_grad=True)
    tiled = ndrite.analog(layer, "wan2022", samples=x.detach())
    y = tiled(x)
    with torch.no_grad():
        assert torch.allclose(y, tiled(x), atol=1e-6)  # the die's values
    y.sum().backward()
    assert torch.allclose(x.grad, layer.weight.sum(dim=0).expand(30, 20))
    assert torch.allclose(tiled.weight.grad, x.detach().sum(dim=0).expand(5, 20), atol=1e-5)


def test_limits_hold_on_the_die_and_in_training() -> None:
    layer, x = nn.Linear(64, 8).eval(), torch.randn(200, 64)
    with torch.no_grad():
        layer.weight[:, 0] = 3.0
        limit = layer.weight.square().mean(dim=1).sqrt()
        held = nn.functional.linear(x, layer.weight.clamp(-limit[:, None], limit[:, None]), layer.bias)
        tiled = ndrite.analog(layer, "ideal", samples=x, clip_rms=1.0)
        for mode in (False, True):
            y = tiled.train(mode)(x)
            assert relative(y, held) < 0.05
            assert relative(y, layer(x)) > 0.3


def test_dropout_between_recurrent_layers() -> None:
    """With all of it dropped the second layer sees nothing of its input; in evaluation
    nothing is dropped."""
    layer, x = nn.LSTM(5, 6, 2, dropout=1.0, batch_first=True), torch.rand(20, 4, 5)
    tiled = ndrite.analog(layer, "ideal", samples=x)
    for mode, alike in ((True, True), (False, False)):
        y = read(tiled.train(mode), x)[0]
        assert torch.allclose(y[0], y[1], atol=1e-6) == alike, f"training {mode}"

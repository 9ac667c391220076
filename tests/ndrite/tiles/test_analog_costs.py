"""What a module on tiles costs: counted by product, position and frame."""

import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from ndrite.costs.account import Account
from ndrite.emulator.errors import EmulatorError
from ndrite.tiles import cost_of


def frames_cost(frames: int) -> Account:
    model = nn.LSTM(12, 16, batch_first=True)
    x = torch.rand(20, 24, 12)
    return cost_of(ndrite.analog(model, "wan2022", samples=x), x[:5, :frames])


def test_recurrent_products_count_every_frame() -> None:
    short, long = frames_cost(12), frames_cost(24)
    assert short.macs == 12 * (12 * 64 + 16 * 64)
    assert long.macs == 2 * short.macs
    assert long.samples == 5
    of = {c: (short.by_component()[c], long.by_component()[c]) for c in ("converters", "drivers")}
    assert of["converters"][1].energy_pJ == pytest.approx(2 * of["converters"][0].energy_pJ)
    assert of["converters"][1].latency_ns == pytest.approx(2 * of["converters"][0].latency_ns)
    assert long.total.area_um2 == pytest.approx(short.total.area_um2)


def test_convolutions_count_every_position_and_what_is_driven() -> None:
    model = nn.Sequential(nn.Conv2d(2, 8, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    x = torch.rand(40, 2, 8, 8)
    chip = ndrite.analog(model, "wan2022", samples=x)
    found = cost_of(chip, x[:4])
    assert found.macs == 36 * 18 * 8 + 288 * 10
    dark = cost_of(chip, torch.zeros(4, 2, 8, 8))
    first = next(step for step in found.by_step() if step.startswith("0: step"))
    entries = {(s, c): cost.energy_pJ[1] for s, of in dark.parts.items() for c, cost in of.items()}
    lit = {(s, c): cost.energy_pJ[1] for s, of in found.parts.items() for c, cost in of.items()}
    assert entries[first, "converters"] == pytest.approx(lit[first, "converters"])
    assert entries[first, "array"] == 0 < lit[first, "array"]
    assert len(found.by_step()) == 4


def test_scales_of_channels_cost_a_multiplication_for_each_input() -> None:
    """A full layer reads 20 inputs of a sample twice; a convolution divides a map
    once, not each patch."""

    class Twice(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + super().forward(2 * x)

    for model, shape, inputs, channels in (
        (Twice(20, 4), (20,), 40, 20),
        (nn.Conv2d(3, 4, 3, padding=1), (3, 8, 8), 3 * 10 * 10, 3),
    ):
        x = torch.rand(40, *shape)
        tiled = ndrite.analog(model, "wan2022", samples=x, channel_ranges=0.5)
        account = cost_of(tiled, x[:7])
        (work,) = (work for work in account.works if work.name.endswith("scales of channels"))
        assert [(use.unit, use.times, use.there) for use in work.uses] == [("multiply", inputs, channels)]


def test_counting_leaves_training_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(30, 4), nn.Dropout())
    x = torch.rand(40, 30)
    chip = ndrite.analog(model, "wan2022", samples=x).train()
    chip[1].eval()
    before = cost_of(chip, x[:3]).total.energy_pJ
    assert [part.training for part in chip.modules()] == [True, True, False]
    assert chip.ndrite.read is None
    assert cost_of(chip.eval(), (x[:3],)).total.energy_pJ == pytest.approx(before)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(EmulatorError, match=r"accepted: a module that ndrite\.analog made"):
        cost_of(nn.Linear(4, 2), torch.rand(3, 4))
    with pytest.raises(EmulatorError, match="x holds 0 samples"):
        cost_of(ndrite.analog(nn.Linear(4, 2), "wan2022", samples=torch.rand(20, 4)), torch.rand(0, 4))

"""Products of PyTorch modules on the compiled RTL: every bit is the golden model's."""

from typing import Any

import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from tests.chips import changed

pytestmark = pytest.mark.slow


class Small(nn.Module):  # type: ignore[misc]
    """A kernel of two tiles, one with groups, a recurrent layer, attention, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(2, 6, 3, padding=1)
        self.deep = nn.Conv2d(6, 6, 3, groups=3, stride=2)
        self.lstm = nn.LSTM(6, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.deep(torch.tanh(self.wide(x)))).flatten(2).transpose(1, 2)
        y = self.lstm(y)[0]
        return self.head(y + self.attention(y, y, y)[0])


def test_every_bit_is_the_golden_models() -> None:
    torch.manual_seed(0)
    chip = changed("wan2022", array={"rows": 16})
    model, x = Small().eval(), torch.randn(20, 2, 5, 7)
    how = {"samples": x, "seed": 4}
    golden, sim = (ndrite.analog(model, chip, board=url, **how) for url in ("golden:", "sim:tiny"))
    with torch.no_grad():
        for first in (0, 7):
            golden.ndrite.first_index = sim.ndrite.first_index = first
            wanted = golden(x[:4])
            assert torch.equal(sim(x[:4]), wanted)
        golden.ndrite.noise = sim.ndrite.noise = False
        assert torch.equal(sim(x[:4]), golden(x[:4]))
        assert not torch.equal(golden(x[:4]), wanted)
    where = {row.name: row.where for row in sim.ndrite.table().rows if row.where != "torch"}
    assert where.pop("deep") == "host"  # grouped
    assert set(where.values()) == {"die"}
    sim.ndrite.close()

"""PyTorch modules in the states and forms that their users have them in."""

from typing import Any

import numpy as np
import pytest

from ndrite.emulator.network.importing import import_model
from ndrite.emulator.network.importing.original import IN_TRAINING
from tests.emulator.network.importing.cases import nn, normal, seeded, torch


class Counting(nn.Module):  # type: ignore[misc]
    """Counts its calls and keeps its last answer in buffers, one in place, one
    by another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(6, 3), nn.BatchNorm1d(3)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3))
        self.register_buffer("none", None)

    def forward(self, x: Any) -> Any:
        y = self.norm(self.linear(x))
        self.calls += 1
        self.last = y.detach()[0]
        return y


@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_left_as_it_was(training: bool) -> None:
    module = seeded(Counting)
    module.train(training)
    module.norm.eval()
    before = {name: (value, value.clone()) for name, value in module.state_dict(keep_vars=True).items()}
    imported = import_model(module, samples=normal(20, 6))
    imported.reference(normal(5, 6))
    assert (module.training, module.norm.training) == (training, False)
    for name, value in module.state_dict(keep_vars=True).items():
        assert value is before[name][0], name
        assert torch.equal(value, before[name][1]), name
    assert (IN_TRAINING in imported.report.notes) == training


class Channels(nn.Module):  # type: ignore[misc]
    """Takes flat samples whose pixels are (row, column, channel), as other
    libraries write them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4 * 2 * 2, 5)

    def forward(self, x: Any) -> Any:
        x = x.view(-1, 4, 4, 3).permute(0, 3, 1, 2)
        return self.linear(torch.relu(self.conv(x)).flatten(1))


def exported() -> Any:
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    dims = ({0: torch.export.Dim("n")},)
    return torch.export.export(module, (torch.zeros(2, 6),), dynamic_shapes=dims).module()


FORMS = {
    "pixels in the order of channels last": (Channels, 48, 2e-5),
    "of torch.export": (exported, 6, 2e-5),
    # Its own answers have 8 bits of mantissa.
    "bfloat16": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).bfloat16(), 6, 0.02),
    "float16": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).half(), 6, 0.003),
}


@pytest.mark.parametrize(("build", "inputs", "far"), FORMS.values(), ids=FORMS)
def test_a_module_of_every_form(build: Any, inputs: int, far: float) -> None:
    module, x = seeded(build), normal(40, inputs)
    imported = import_model(module, samples=x, input_shape=(inputs,))
    kind = next(p.dtype for p in module.parameters())
    with torch.no_grad():
        wanted = module(torch.as_tensor(x).to(kind)).float().numpy()
    got = imported.network.forward(imported.inputs.unit(x))
    np.testing.assert_allclose(got, wanted, atol=max(far, 0.01) * np.abs(wanted).max(), rtol=0)

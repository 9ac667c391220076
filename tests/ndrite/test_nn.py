"""Modules with NDR devices: trained in PyTorch, imported as devices, fitted from
another library's KAN."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.extras import needs

torch = needs("torch")
needs("onnx")

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import Ndr as NdrActivation
from ndrite.emulator.network.importing import import_model
from ndrite.nn import Bases, Ndr
from tests.ndrite.tiles.conftest import module
from tests.refusals import refused

nn = torch.nn
U = np.linspace(0, 5, 101)
BELL = np.stack([U, np.exp(-np.square(U - 1))])


def residual() -> Any:
    """Convolutions with devices behind them, a residual, an average."""

    def forward(m: Any, x: Any) -> Any:
        h = m.first(m.a(x))
        return m.out(m.second(m.b(h) + h).mean((2, 3)))

    a, b = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
    return module(forward, a=a, b=b, first=Ndr(6), second=Ndr(6, BELL), out=nn.Linear(6, 4))


def kan(each: bool) -> Any:
    first, second = Bases(5, 3, low=-2, high=2), Bases(6, 4, low=-1, high=1, each=each)
    return nn.Sequential(first, nn.Linear(15, 6), second, nn.Linear(24, 3))


def flattened() -> Any:
    """Bases of every pixel: no product is needed to make maps flat."""
    return nn.Sequential(nn.Flatten(), Bases(16, 2, low=-3, high=3), nn.Linear(32, 3))


def full() -> Any:
    return nn.Sequential(nn.Linear(8, 16), Ndr(16), nn.Linear(16, 3))


MODELS: dict[str, tuple[Any, tuple[int, ...], list[str], float]] = {
    "full layers": (full, (8,), ["product"] * 2, 0.1),
    "convolutions": (residual, (1, 8, 8), ["product", "product", "pool", "product"], 0.3),
    "bases of maps": (flattened, (1, 4, 4), ["table", "product"], 0.05),
    "bases": (lambda: kan(False), (5,), ["table", "product"] * 2, 0.05),
    "bases of each channel": (lambda: kan(True), (5,), ["table", "product"] * 2, 0.05),
}


@pytest.mark.parametrize("kind", [torch.float64, torch.float16], ids=str)
def test_modules_of_other_numbers_come_through_too(kind: Any) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 5), Ndr(5), nn.Linear(5, 6), Ndr(6, BELL), nn.Linear(6, 2)).to(kind)
    x = torch.rand(60, 4, dtype=kind)
    imported = import_model(model, samples=x.numpy())
    floats = imported.network.forward(imported.inputs.unit(x.numpy()))
    np.testing.assert_allclose(
        floats, model(x).detach().numpy(), atol=1e-5 if kind == torch.float64 else 5e-3
    )


@pytest.mark.parametrize("name", MODELS)
def test_devices_come_through_the_import(name: str) -> None:
    build, shape, kinds, within = MODELS[name]
    torch.manual_seed(1)
    model = build()
    for part in model.modules():
        if isinstance(part, Ndr):
            part.log_peak.data.normal_(0, 0.2)
            part.log_height.data.normal_(-0.3, 0.1)
    x = np.random.default_rng(0).normal(size=(120, *shape)).astype(np.float32)
    wanted = model(torch.from_numpy(x)).detach().numpy()
    imported = import_model(model, samples=x)
    assert [node.kind for node in imported.network.nodes] == kinds
    held = [a for a in imported.network.activation_kinds if isinstance(a, NdrActivation)]
    assert len(held) == sum(isinstance(part, Ndr) for part in model.modules())
    floats = imported.network.forward(imported.inputs.unit(x))
    np.testing.assert_allclose(floats, wanted, atol=1e-4 * np.abs(wanted).max())
    codes = imported.inputs.encode(x)
    mapped = map_network(imported.network, "ideal", codes)
    got = Core(mapped.program).infer(codes) * mapped.die.arrays[-1].step
    assert np.sqrt(np.square(got - wanted).mean()) < within * wanted.std()


def test_peaks_start_evenly_over_the_inputs() -> None:
    x = torch.linspace(0, 1, 1201)
    y = Bases(1, 3)(x[:, None])
    np.testing.assert_allclose(x[y.argmax(dim=0)], [1 / 6, 1 / 2, 5 / 6], atol=1e-3)


def curve(u: Any, f: Any) -> Any:
    return Ndr(3, np.array([u, f], np.float64))


test_what_is_no_device_is_refused = refused(
    EmulatorError,
    (curve, [0, 1, 3], [0, 1, 0], "evenly spaced"),
    (curve, [0, 1, 2], [0, 1.5, 0], r"curve is \(2, 3\); accepted: \(2, P\), u, then f\(u\) in 0..1"),
    (curve, [0, 1, 2], [0, np.nan, 0], "in 0..1"),
    (Ndr, 3, np.zeros(5), r"curve is \(5,\)"),
    (lambda: Ndr(3, height=2.0), "height is 2.0; accepted: above 0, at most 1"),
    (lambda: Ndr(3, height=0.0), "height is 0.0"),
    (Ndr(3), torch.ones(2, 1), r"x has 1 channels, shape \(2, 1\); accepted: 3, for compile with input"),
    (Bases(2, 3), torch.ones(4, 1), r"x has 1 channels, shape \(4, 1\); accepted: 2"),
    (lambda: Bases(2, 3, low=[0, 1], high=1), r"low is \[0, 1\]; accepted: below high, 1"),
)


def test_a_model_of_pykan() -> None:
    """Inputs of different ranges; more curves lose less, and the import
    keeps what was fitted."""
    library = needs("kan")
    example = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "examples" / "from_pykan.py")))
    model = library.KAN(width=[3, 4, 2], grid=5, k=3, seed=0, auto_save=False)
    x = (np.random.default_rng(0).uniform(-1, 1, (300, 3)) * [1, 0.1, 0.5]).astype(np.float32)
    exact = model(torch.from_numpy(x)).detach().numpy()
    lost = []
    for bases in (3, 6, 12):
        imported = import_model(example.bases_of(example.layers_of(model), x, bases), samples=x)
        got = imported.network.forward(imported.inputs.unit(x))
        lost.append(np.sqrt(np.square(got - exact).mean()) / exact.std())
    assert lost[2] < lost[1] < lost[0]
    assert lost[2] < 0.05, lost

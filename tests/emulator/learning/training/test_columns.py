"""Analog columns in training: what one draw adds, in numbers worked out from the chip description."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emulator.device.description import load_chip  # noqa: E402
from emulator.learning.training.build import of_widths  # noqa: E402
from emulator.learning.training.layers import Crossbar  # noqa: E402
from emulator.learning.training.model import export, settle_normalisation  # noqa: E402
from emulator.learning.training.nodes import bias_error, column_errors  # noqa: E402
from emulator.learning.training.view import FLOAT, ChipView, ColumnsView, view_of  # noqa: E402
from emulator.mapping import map_network  # noqa: E402

IDEAL = np.zeros(16)


def view(sigma=None, **columns) -> ChipView:
    return ChipView(sigma=sigma, clip_rms=3.0, columns=ColumnsView(**columns))


def errors(crossbar, x, unit, bias=None):
    crossbar.train()
    bias = torch.zeros(len(unit)) if bias is None else bias
    return column_errors(crossbar, x, crossbar(x, unit), unit, bias).detach()


def test_the_view_is_the_descriptions():
    seen = view_of(load_chip("dendritic-analog"))
    assert seen.columns == ColumnsView(noise=0.004, offset=0.008, gain=0.02, bias_cells=True)
    assert (seen.peak_variation, seen.height_variation, seen.adc_bits) == (0.02, 0.02, None)
    behind = view_of(load_chip("dendritic-ndr"))
    assert (behind.columns, behind.peak_variation, behind.adc_bits) == (None, 0.0, 8)


def test_columns_share_one_limit_in_units_of_their_neurons():
    crossbar = Crossbar(50, 4, view(IDEAL))
    unit = torch.tensor([1.0, 2.0, 4.0, 8.0])
    limit = crossbar.limited(unit)[1][0].detach()
    torch.testing.assert_close(limit / limit[0], unit)
    wanted = 3.0 * (crossbar.weight.detach() / unit).square().mean().sqrt()
    assert float(limit[0]) == pytest.approx(float(wanted), rel=1e-5)
    # A column of small weights rounds to few levels: its error is as large as that of a column of large ones.
    x = torch.eye(50)
    added = errors(crossbar, x, unit) / unit
    step = float(limit[0]) / 15
    assert 0.4 * step < float(added.abs().max()) < 0.7 * step  # half a level, the column's mean taken out
    assert added.std(dim=0).max() < 2 * added.std(dim=0).min()


def test_read_noise_is_in_parts_of_the_largest_current():
    crossbar = Crossbar(50, 4, view(noise=0.05))
    x, unit = torch.rand(4000, 50), torch.tensor([1.0, 1.0, 1.0, 3.0])
    full = float((crossbar(x, unit) / unit).abs().max())
    added = errors(crossbar, x, unit)
    np.testing.assert_allclose(added.std(dim=0), 0.05 * full * unit, rtol=0.1)
    assert abs(np.corrcoef(added.T)[0, 1]) < 0.1


def test_offsets_are_made_up_for_and_gains_are_not():
    x, unit = torch.rand(300, 50), torch.ones(200)
    crossbar = Crossbar(50, 200, view(offset=0.5))
    assert float(errors(crossbar, x, unit).abs().max()) < 1e-4
    crossbar = Crossbar(50, 200, view(gain=0.1))
    added, sums = errors(crossbar, x, unit), crossbar(x, unit).detach()
    gains = (added * (sums - sums.mean(dim=0))).sum(dim=0) / (sums - sums.mean(dim=0)).square().sum(dim=0)
    assert float(gains.std()) == pytest.approx(0.1, rel=0.2)
    assert float(added.mean(dim=0).abs().max()) < 1e-4


def test_bias_cells_have_levels_rows_and_errors():
    unit, bias = torch.ones(5000), torch.linspace(-3, 3, 5000)
    crossbar = Crossbar(50, 5000, view(IDEAL, bias_cells=True))
    limit = float(crossbar.limited(unit)[1][0, 0])
    exact = bias_error(crossbar, bias * limit, unit) / limit
    assert float(exact.abs().max()) == pytest.approx(0.5 / 15, rel=0.01)
    crossbar = Crossbar(50, 5000, view(np.full(16, 0.1), bias_cells=True))
    limit = float(crossbar.limited(unit)[1][0, 0])
    # Three rows, since the largest bias is three times the largest weight.
    rough = bias_error(crossbar, bias * limit, unit) / limit
    assert float(rough.std()) == pytest.approx(np.hypot(0.1 * 3**0.5, 1 / 15 / 12**0.5), rel=0.05)
    x = 0.1 * torch.rand(100, 50)
    added = errors(crossbar, x, unit, 0.9 * bias * limit)
    assert float(added.mean(dim=0).std()) / limit == pytest.approx(0.1 * 3**0.5, rel=0.1)
    crossbar = Crossbar(50, 5000, view(np.full(16, 0.1)))
    assert float(errors(crossbar, x, unit, bias).mean(dim=0).abs().max()) < 1e-4, "digital biases are exact"


def test_normalisation_does_not_hide_the_errors():
    seen = view(np.full(16, 0.3))
    model = of_widths((40, 12, 3), seen)
    plain = of_widths((40, 12, 3), dataclasses.replace(seen, columns=None))
    plain.load_state_dict(model.state_dict(), strict=False)
    x = torch.rand(500, 40)
    for net in (model, plain):
        net.train()
        net(x)
    exact = x @ model.products[0].crossbar.limited(model.products[0]._unit())[0]
    mean = model.neurons[0].norm.running_mean
    torch.testing.assert_close(mean, 0.1 * exact.mean(dim=0), rtol=1e-3, atol=1e-3)
    assert float((plain.neurons[0].norm.running_mean - mean).abs().max()) > 0.02


def test_it_learns_exports_and_has_no_errors_in_evaluation():
    chip = load_chip("dendritic-analog")
    model = of_widths((40, 12, 3), view_of(chip), height=0.5)
    x = torch.rand(400, 40)
    model.train()
    model(x).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    settle_normalisation(model, x)
    with torch.no_grad():
        wanted, again = model(x), model(x)
    assert torch.equal(wanted, again)
    network = export(model, name="x", provenance={})
    np.testing.assert_allclose(network.forward(x.numpy()), wanted, rtol=1e-3, atol=1e-3)
    # What training held to the layer's limit, the chip's own limit does not cut.
    report = map_network(network, chip, (x * 255).byte().numpy()).report
    assert report.layers[0].limited_weights < 0.05 * 40 * 12


def test_a_float_view_is_untouched():
    assert FLOAT.columns is None
    model = of_widths((40, 12, 3), FLOAT)
    x = torch.rand(20, 40)
    model.train()
    assert torch.equal(model(x), model(x))

"""Training: what the forward pass is made of, that it learns, exports exactly, and
survives interruption."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.extras import needs

torch = needs("torch")

from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.rram.programming import WAN_2022
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.learning.training import loop
from ndrite.emulator.learning.training.job import Job, of_widths, run_job
from ndrite.emulator.learning.training.layers import Crossbar
from ndrite.emulator.learning.training.model import settle_normalisation
from ndrite.emulator.learning.training.neurons import KINDS, NdrNeuron
from ndrite.emulator.learning.training.nodes import column_errors
from ndrite.emulator.learning.training.view import FLOAT, ChipView, ColumnsView, view_of
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import Dense, Network
from ndrite.emulator.spec.state_file import StateError
from tests.chips import changed
from tests.emulator.learning.training.test_graphs import exported, pictures

CELLS = dataclasses.replace(view_of(load_chip("wan2022")), adc_bits=None, output_codes=False)
"""No converters: errors of cells alone."""


def toy(n=600):
    """Four classes of noisy 8 x 8 images."""
    made = pictures(n, 4)
    x, y = torch.from_numpy(made.x.astype(np.float32) / 255), torch.from_numpy(made.labels)
    return loop.Split(x[:-100], y[:-100], x[-100:], y[-100:], side=8)


def trained(model, split, epochs=3, **rest):
    recipe = loop.Recipe(epochs=epochs, batch=50, **rest)
    loop.train(model, split, recipe, checkpoint=lambda *a: None)
    return model


def test_crossbar_noise_is_that_of_both_cells_and_the_read():
    n = 20_000
    crossbar = Crossbar(n, 1, dataclasses.replace(CELLS, clip_rms=1.0, read_noise=0.03))
    with torch.no_grad():
        crossbar.weight.fill_(0.5)  # its own root mean square, so the limit: level 15
    crossbar.train()
    # A row of ones reads the sum of all n weights, whose errors are independent.
    sums = torch.stack([crossbar(torch.ones(1, n))[0, 0] for _ in range(400)]).detach()
    sigma = 0.5 * np.sqrt((WAN_2022.sigma(40.0) ** 2 + WAN_2022.sigma(0.0) ** 2) / 40**2 + 0.03**2)
    assert float(sums.std()) == pytest.approx(sigma * n**0.5, rel=0.15)


def small():
    """Of one seed, with the converters, whose ranges are part of the state too."""
    torch.manual_seed(5)
    return of_widths((64, 6, 4), view_of(load_chip("wan2022")))


def test_going_on_after_an_interruption_gives_the_same_weights(tmp_path):
    split, recipe = toy(200), loop.Recipe(epochs=4, batch=50)
    whole = trained(small(), split, 4)
    state, parts, kept = loop.StateFile(tmp_path / "state", vars(recipe)), small(), []

    def stop(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(loop.Interrupted) as stopped:
        loop.train(parts, split, recipe, checkpoint=lambda *a: kept.append(a), state=state, progress=stop)
    assert stopped.value.epoch == 2
    assert kept, "the best checkpoint so far is kept"
    resumed = of_widths((64, 6, 4), view_of(load_chip("wan2022")))  # all must come from the state
    loop.train(resumed, split, recipe, checkpoint=lambda *a: None, state=state)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    other = loop.Recipe(epochs=9, batch=50)
    state = dataclasses.replace(state, mark=vars(other))
    with pytest.raises(StateError, match="differs in epochs; accepted: the same run"):
        loop.train(small(), split, other, checkpoint=lambda *a: None, state=state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalise", [True, False])
def test_every_kind_of_neuron_exports_what_it_computes(kind, normalise):
    split = toy(300)
    model = of_widths((64, 10, 4), FLOAT, neuron=kind, normalise=normalise)
    network = exported(trained(model, split, average=0.5), split.images)
    hidden = network.activations(split.held_images.numpy())[0]
    assert hidden.min() >= 0
    assert kind == "relu" or hidden.max() <= 1
    fixed = [p for p in model.parameters() if not p.requires_grad]
    monotonic = kind in ("relu", "clipped-relu", "sigmoid")
    assert bool(fixed) == (kind == "ndr-fixed" or (monotonic and not normalise))


def test_the_device_curve_and_its_slope():
    view = view_of(load_chip("dendritic-ndr"))
    neuron = NdrNeuron(1, view, normalise=False, height=0.5)
    z = torch.linspace(-1, 3, 50).unsqueeze(1).requires_grad_()
    y = neuron.eval()(z)
    u = z.detach().numpy() + 0.3
    want = 0.5 * np.clip(load_chip("dendritic-ndr").neuron.device.shape(u), 0, 1)
    np.testing.assert_allclose(y.detach(), want, atol=1e-4)
    y.sum().backward()
    slope = np.gradient(want[:, 0], u[:, 0])
    inner = (np.abs(u[:, 0]) > 0.1)[1:-1]  # the kink at 0
    np.testing.assert_allclose(z.grad[1:-1, 0][inner], slope[1:-1][inner], atol=0.05)


def test_settling_gives_unit_pre_activations():
    split = toy()
    model = of_widths((64, 12, 4), CELLS)
    settle_normalisation(model, split.images)
    with torch.no_grad():
        v = model.neurons[0].norm(model.products[0].crossbar(split.images))
    np.testing.assert_allclose(v.mean(dim=0), 0, atol=1e-4)
    np.testing.assert_allclose(v.std(dim=0), 1, atol=1e-2)


def test_a_kept_state_belongs_to_its_samples_and_settings(tmp_path: Path) -> None:
    """Going on with other samples would train on those that were held out."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (120, 16)).astype(np.uint8)
    labels = rng.integers(0, 3, 120)
    samples = Labelled("first", x, labels, x[:0], labels[:0])
    job = Job(hidden=(5,), held_out=20, epochs=3, batch=20)
    out = tmp_path / "float.npz"

    def stop(epoch: int, *_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(loop.Interrupted):
        run_job(job, samples, out, name="n", progress=stop)
    assert not out.exists(), "nothing looks finished"
    others = {
        "samples": (job, dataclasses.replace(samples, x=x[::-1].copy(), labels=labels[::-1].copy())),
        "samples, labels alone": (job, dataclasses.replace(samples, labels=(labels + 1) % 3)),
        "held_out": (dataclasses.replace(job, held_out=40), samples),
        "noise_scale": (dataclasses.replace(job, noise_scale=2.0), samples),
        "chip": (dataclasses.replace(job, chip="wan2022"), samples),
        "neuron": (dataclasses.replace(job, neuron="ndr-shared"), samples),
    }
    for what, (other, given) in others.items():
        with pytest.raises(StateError, match=f"differs in .*{what.split(',')[0]}"):
            run_job(other, given, out, name="n", resume=True)
    state = tmp_path / f".{out.name}.state"
    whole = state.read_bytes()
    state.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(StateError, match="checksum differs"):
        run_job(job, samples, out, name="n", resume=True)
    state.write_bytes(whole)
    run_job(job, samples, out, name="n", resume=True)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_a_trained_shape_is_exported_neuron_by_neuron():
    described = changed(
        "ideal+ndr-esaki+ecram-linear-ysz",
        ecram={"tunes": "valley", "shape_low_factor": 0.5, "shape_high_factor": 1.2},
    )
    view = view_of(described)
    assert view.family.shape == (17, 801)
    split = toy(300)
    model = of_widths((64, 10, 4), dataclasses.replace(FLOAT, curve=view.curve, family=view.family))
    trained(model, split, 6, average=0.5)
    states = model.neurons[0].shape_shift.detach()
    assert float((states - 0.5).abs().min()) > 1e-4
    curve = exported(model, split.images).layers[0].activation.curve
    assert curve.shape == (11, 801)
    u = view.curve[0]
    for row, state in zip(curve[1:], np.clip(states, 0, 1), strict=True):
        valley = 0.5 * (0.5 + 0.7 * float(state))
        exact = np.clip(dataclasses.replace(described.neuron.device, valley_voltage_V=valley).shape(u), 0, 1)
        assert np.abs(row - exact).mean() < 0.005, "linear between 17 states"


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("flip", [False, True])
def test_every_image_is_one_of_the_shifted_and_mirrored(shift, flip):
    side = 6
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 1, (3, side, side)).astype(np.float32)
    wanted = {}
    reach = range(-shift, shift + 1)
    for i, program in enumerate(images):
        for mirrored in (False, True) if flip else (False,):
            for down, right in ((d, r) for d in reach for r in reach):
                moved = np.pad(program, shift)[shift + down :, shift + right :][:side, :side]
                held = np.zeros((side, side), np.float32)
                held[: moved.shape[0], : moved.shape[1]] = moved
                wanted[(held[:, ::-1] if mirrored else held).tobytes()] = (i, mirrored, down, right)
    assert len(wanted) == 3 * (1 + flip) * (2 * shift + 1) ** 2
    generator = torch.Generator().manual_seed(1)
    augment = loop.Augment(torch.from_numpy(images).reshape(3, -1), side, generator, shift=shift, flip=flip)
    rows = torch.from_numpy(rng.integers(0, 3, 4000))
    found = [wanted[y.tobytes()] for y in augment.batch(rows).numpy().reshape(-1, side, side)]
    assert [f[0] for f in found] == rows.tolist()
    still = np.mean([f[2:] == (0, 0) for f in found])
    assert still == pytest.approx(0.5 + 0.5 / (2 * shift + 1) ** 2, abs=0.03)
    assert np.mean([f[1] for f in found]) == pytest.approx(0.5 * flip, abs=0.03)


NO_ERROR = np.zeros(16)


def view(sigma=None, **columns) -> ChipView:
    return ChipView(sigma=sigma, clip_rms=3.0, columns=ColumnsView(**columns))


def errors(crossbar, x, unit, bias=None):
    crossbar.train()
    bias = torch.zeros(len(unit)) if bias is None else bias
    return column_errors(crossbar, x, crossbar(x, unit), unit, bias).detach()


def test_the_view_is_the_descriptions():
    seen, behind = (view_of(load_chip(name)) for name in ("dendritic-analog", "dendritic-ndr"))
    assert seen.columns == ColumnsView(noise=0.004, offset=0.008, gain=0.02, bias_cells=True)
    assert (seen.peak_variation, seen.height_variation, seen.adc_bits) == (0.02, 0.02, None)
    assert (behind.columns, behind.peak_variation, behind.adc_bits) == (None, 0.0, 8)


@pytest.mark.parametrize("name", ["joshi2020", "ibm-cmo-hfox-2"])
def test_read_noise_is_a_dies_own(name):
    """Of weights of every size: one cell of each pair is at its level, the
    other at the lowest."""
    chip, rng = load_chip(name), np.random.default_rng(0)
    dense = Dense(rng.uniform(-1, 1, (200, 40)), np.zeros(40))
    die = map_network(Network.chain((dense,), "even"), chip, rng.integers(0, 256, (50, 200), np.uint8)).die
    aged, cell = die.arrays[0].mapped.cells.aged.reshape(2, -1), chip.cell
    sigma = cell.read_sigma(aged, chip.conditions.time_since_programming_s)
    assert view_of(chip).read_noise == pytest.approx(sigma / (cell.g_max_uS - cell.g_min_uS), rel=0.03)


def test_columns_share_one_limit_in_units_of_their_neurons():
    crossbar = Crossbar(50, 4, view(NO_ERROR))
    unit = torch.tensor([1.0, 2.0, 4.0, 8.0])
    limit = crossbar.limited(unit)[1][0].detach()
    torch.testing.assert_close(limit / limit[0], unit)
    wanted = 3.0 * (crossbar.weight.detach() / unit).square().mean().sqrt()
    assert float(limit[0]) == pytest.approx(float(wanted), rel=1e-5)
    # A column of small weights rounds to few levels: its error is as large as that of a
    # column of large ones.
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
    crossbar = Crossbar(50, 5000, view(NO_ERROR, bias_cells=True))
    limit = float(crossbar.limited(unit)[1][0, 0])
    exact = crossbar.bias_error(bias * limit, crossbar.limited(unit)[1]).detach() / limit
    assert float(exact.abs().max()) == pytest.approx(0.5 / 15, rel=0.01)
    crossbar = Crossbar(50, 5000, view(np.full(16, 0.1), bias_cells=True))
    limit = float(crossbar.limited(unit)[1][0, 0])
    # Three rows, since the largest bias is three times the largest weight.
    rough = crossbar.bias_error(bias * limit, crossbar.limited(unit)[1]).detach() / limit
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


def test_it_exports_and_has_no_errors_in_evaluation():
    chip = load_chip("dendritic-analog")
    model = of_widths((40, 12, 3), view_of(chip), height=0.5)
    x = torch.rand(400, 40)
    network = exported(model, x)
    assert torch.equal(model(x), model(x))
    # What training held to the layer's limit, the chip's own limit does not cut.
    report = map_network(network, chip, (x * 255).byte().numpy()).report
    assert report.layers[0].limited_weights < 0.05 * 40 * 12

"""Every model of the matrix equals its own library's float outputs within the error that its report
states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emulator.compile import compile_network
from emulator.convolution import compile_convolutional
from emulator.golden import Core
from emulator.importing import import_model
from emulator.importing.quantised import quantised
from emulator.network import ConvNetwork, load_any_network
from tests.emulator.importing.models import CASES


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", CASES)
def test_a_model_equals_its_float_reference(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    imported = import_model(case.model, samples=case.x, input_shape=case.shape)
    report, network = imported.report, imported.network
    after = softmax if any("softmax" in note for note in report.notes) else (lambda z: z)
    wanted = case.outputs(case.x)
    scale = np.abs(wanted).max()
    # The chain is the model; the network is the chain, but for the sampling of its functions.
    np.testing.assert_allclose(after(imported.reference(case.x)), wanted, atol=2e-5 * scale, rtol=0)
    own = imported.reference(case.x)
    floats = network.forward(imported.inputs.unit(case.x))
    assert np.abs(floats - own).max() <= report.float_error * 1.0001
    assert report.float_error < 0.01 * np.abs(own).max()
    # Codes and tables, on inputs it has not seen, within its range.
    fresh = case.x[:50] * 0.9 + case.x[50:100].mean(axis=0) * 0.1 if len(case.x) >= 100 else case.x * 0.95
    inside = np.clip(fresh.reshape(len(fresh), -1), imported.inputs.low, imported.inputs.high)
    inside = inside.reshape(fresh.shape)
    error = quantised(network, imported.inputs.encode(inside)) - imported.reference(inside)
    assert np.abs(error).max() <= report.error_bound
    assert np.sqrt(np.square(error).mean()) <= 2 * report.error_rms
    assert report.error_rms < 0.1 * report.output_rms, "the stated error says nothing"
    # The file is the network.
    network.save(tmp_path / "float.npz")
    again = load_any_network(tmp_path / "float.npz")
    np.testing.assert_array_equal(
        again.forward(imported.inputs.unit(fresh)), network.forward(imported.inputs.unit(fresh))
    )


@pytest.mark.parametrize("name", CASES)
def test_compiled_for_the_ideal_chip_it_still_does(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    imported = import_model(case.model, samples=case.x, input_shape=case.shape)
    codes = imported.inputs.encode(case.x)
    if isinstance(imported.network, ConvNetwork):
        convolutional = compile_convolutional(imported.network, "ideal", codes, lanes=64)
        sums = convolutional.image.run(lambda image, x, index: Core(image).infer(x, first_index=index), codes)
        compiled, provenance = convolutional.tail, convolutional.image.provenance
    else:
        compiled = compile_network(imported.network, "ideal", codes)
        sums, provenance = Core(compiled.image).infer(codes), compiled.image.provenance
    y = sums * compiled.die.arrays[-1].step
    error = np.sqrt(np.square(y - imported.reference(case.x)).mean())
    assert error < 1.5 * imported.report.error_rms
    assert provenance["network"]["input"] == imported.inputs.as_dict()


@pytest.mark.parametrize(
    "name", ["torch relu, average pooling, padded convolution", "torch sigmoid, padded convolution"]
)
@pytest.mark.parametrize("samples", [1, 2, 7, 60])
def test_the_border_is_what_zero_maps_to_however_many_samples(
    name: str, samples: int, tmp_path: Path
) -> None:
    """A few samples may not reach 0; the zeros around a convolution's inputs are codes all the same."""
    case = CASES[name](tmp_path)
    imported = import_model(case.model, samples=case.x[:samples], input_shape=case.shape)
    assert isinstance(imported.network, ConvNetwork)
    padded = imported.network.stages[1]
    before = imported.network.stages[0].dense.activation
    assert before is not None
    assert 0.0 <= padded.pad <= 1.0
    # The first samples lie in every table's span: there the network is the model.
    seen = case.x[:samples]
    floats = imported.network.forward(imported.inputs.unit(seen))
    np.testing.assert_allclose(floats, case.outputs(seen), atol=0.01 * np.abs(case.outputs(seen)).max())


def test_progress_counts_layers_and_the_measurement() -> None:
    from tests.emulator.importing.models import nn, normal

    seen: list[tuple[int, int]] = []
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    import_model(model, samples=normal(20, 6), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]

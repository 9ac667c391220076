"""Every model of the matrix equals its own library's float outputs within the error
that its report states."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import softmax

from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import map_network
from ndrite.emulator.network import load_network
from ndrite.emulator.network.importing import Imported, import_model
from ndrite.emulator.network.importing.composite import prepared
from ndrite.emulator.network.importing.graph import Op
from ndrite.emulator.network.importing.reading import Reading
from ndrite.emulator.network.importing.simplify import simplified
from ndrite.emulator.network.importing.view import View, in_codes
from tests.emulator.network.importing import composed_models
from tests.emulator.network.importing.cases import Case, net, nn, normal, seeded, torch, torch_case
from tests.emulator.network.importing.onnx_models import ONNX
from tests.emulator.network.importing.sklearn_models import SKLEARN
from tests.emulator.network.importing.torch_models import TORCH
from tests.extras import needs

CASES = {**TORCH, **ONNX, **SKLEARN, **composed_models.FILES}
"""By name; each is built in a folder of its own."""


class Model(NamedTuple):
    name: str
    case: Case
    imported: Imported
    folder: Path


EXPORTED = ("lenet", "gru, calls first", "random 5")
"""Of the newer exporter's, which takes seconds each, those that `make test` has;
the others are long."""

MADE = {
    "torch resnet-8": {"product": 10, "pool": 1, "skip": 3},
    "torch residual mlp": {"product": 7, "skip": 3},
    "torch mobilenet v2 blocks": {"product": 8, "pool": 1, "skip": 2, "groups": 2},
    "torch gru": {"product": 5, "gate": 2, "skip": 1},
    "torch lstm, calls first": {"product": 5, "gate": 2, "table": 1},
    "torch two inputs": {"product": 3},
    "torch two maps added": {"product": 4, "skip": 1},
}
"""Nodes of some networks, products with a second operand and of groups among them:
nothing is made that a product can take in."""
assert MADE.keys() <= CASES.keys()


def marked(name: str) -> Any:
    """A model of the matrix, with the mark of what it costs."""
    if name.endswith("export exporter") and not any(some in name for some in EXPORTED):
        return pytest.param(name, marks=pytest.mark.long)
    return name


def made(name: str, folder: Path, samples: int | None = None) -> Model:
    """Imported with so many of its samples, or all."""
    case = CASES[name](folder)
    imported = import_model(case.model, samples=case.x[:samples], input_shape=case.shape)
    return Model(name, case, imported, folder)


@pytest.fixture(scope="module", params=map(marked, CASES))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return made(request.param, tmp_path_factory.mktemp("model"))


def test_a_model_equals_its_float_reference(model: Model) -> None:
    name, case, imported, folder = model
    report, network = imported.report, imported.network
    # Sums are second operands, functions end products, batch norms are in the weights.
    made = Counter(node.kind for node in network.nodes)
    made += Counter({"skip": sum(product.skip is not None for product in network.products)})
    made += Counter({"groups": sum(product.patches.groups > 1 for product in network.products)})
    assert made == MADE.get(name, made)
    after = partial(softmax, axis=1) if any("softmax" in note for note in report.notes) else (lambda z: z)
    wanted = case.outputs(case.x)
    scale = float(np.abs(wanted).max())
    # The graph is the model; the network is the graph, but for the sampling of its functions.
    own = imported.reference(case.x)
    np.testing.assert_allclose(after(own), wanted, atol=2e-5 * scale, rtol=0)
    floats = network.forward(imported.inputs.unit(case.x))
    np.testing.assert_allclose(after(floats), wanted, atol=0.01 * scale, rtol=0)
    assert report.float_error == pytest.approx(np.abs(floats - own).max(), rel=0.1, abs=1e-6 * scale)
    # Codes and tables: what the report says, and on inputs it has not seen, within its range.
    assert report.output_rms == pytest.approx(np.sqrt(np.square(own).mean()))
    seen = in_codes(network, imported.inputs.encode(case.x)) - own
    assert np.sqrt(np.square(seen).mean()) == pytest.approx(report.error_rms, rel=1e-6)
    few = len(case.x) < 20
    middle = case.x.mean(axis=0)
    fresh = 0.9 * case.x + 0.1 * middle if len(case.x) < 100 else 0.9 * case.x[:50] + 0.1 * middle
    unit = imported.inputs.unit(fresh)
    error = in_codes(network, np.rint(unit * 255).astype(np.uint8)) - imported.reference(fresh)
    if not few:
        assert np.sqrt(np.square(error).mean()) <= 2 * report.error_rms
        assert report.error_rms < 0.1 * np.sqrt(own.var(axis=0).mean()), "the stated error says nothing"
    # The file is the network.
    network.save(folder / "float.npz")
    again = load_network(folder / "float.npz")
    assert again.digest() == network.digest()
    np.testing.assert_array_equal(again.forward(unit[:2]), network.forward(unit[:2]))


def test_mapped_for_the_ideal_chip_it_still_does(model: Model) -> None:
    """Program and golden model know nothing of the import: they give the
    model's own outputs."""
    _, case, imported, _ = model
    codes = imported.inputs.encode(case.x)
    enough = np.concatenate([codes] * -(-16 // len(codes)))
    mapped = map_network(imported.network, "ideal", enough)
    step = np.asarray(mapped.die.arrays[-1].step)
    sums = Core(mapped.program).infer(codes).reshape(len(codes), len(step), -1)
    error = (sums * step[:, None]).reshape(len(codes), -1) - imported.reference(case.x)
    assert np.sqrt(np.square(error).mean()) < 1.5 * imported.report.error_rms
    assert mapped.program.meaning.as_dict()["inputs"] == imported.inputs.as_dict()


@pytest.mark.parametrize(
    "name", ["torch relu, average pooling, padded convolution", "torch sigmoid, padded convolution"]
)
@pytest.mark.parametrize("samples", [1, 2, 7, 60])
def test_the_border_is_what_zero_maps_to_however_many_samples(
    name: str, samples: int, tmp_path: Path
) -> None:
    """A few samples may not reach 0; the zeros around a convolution's inputs are
    codes all the same."""
    _, case, imported, _ = made(name, tmp_path, samples)
    padded = imported.network.products[1]
    assert any(padded.patches.padding)
    code = padded.pad * 255
    assert 0 <= code <= 255
    assert code == pytest.approx(round(code), abs=1e-5)
    # The first samples lie in every table's span: there the network is the model.
    seen = case.x[:samples]
    floats = imported.network.forward(imported.inputs.unit(seen))
    np.testing.assert_allclose(floats, case.outputs(seen), atol=0.01 * np.abs(case.outputs(seen)).max())


def test_gates_count_from_codes(tmp_path: Path) -> None:
    highway = made("torch highway", tmp_path).imported.network
    gates = [node for node in highway.nodes if node.kind == "gate"]
    numbers = [v for g in gates for t in g.terms for v in (t.a_zero, t.b_zero)] + [g.zero for g in gates]
    assert len(numbers) == 8
    np.testing.assert_allclose(np.array(numbers) * 255, np.rint(np.array(numbers) * 255), atol=1e-3)


def test_progress_rises_to_its_total() -> None:
    seen: list[tuple[int, int]] = []
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    import_model(model, samples=normal(20, 6), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 3) for i in range(4)]  # the input and two products, one with its function


@net(6)
def bounded(m: Any, x: Any) -> Any:
    """Sums and products of branches whose functions have bounds."""
    a, b = torch.tanh(m.full(x, 8)), torch.sigmoid(m.full(x, 8))
    y = a * b + a
    return m.full(torch.sigmoid(torch.tanh(m.full(y, 8) + b) - y) + y, 3)


def test_without_samples_ranges_follow_from_what_is_read() -> None:
    case = torch_case(seeded(bounded), np.random.default_rng(0).uniform(-2, 2, (500, 6)).astype(np.float32))
    imported = import_model(case.model, input_range=(-2, 2))
    assert imported.report.error_rms is None
    wanted = case.outputs(case.x)
    network, inputs = imported.network, imported.inputs
    np.testing.assert_allclose(network.forward(inputs.unit(case.x)), wanted, atol=1e-4)
    error = in_codes(network, inputs.encode(case.x)) - wanted
    assert np.abs(error).max() < 0.1 * np.ptp(wanted)


def test_inputs_whose_range_has_no_zero_get_codes_that_have_one() -> None:
    """A border of zeros is exact all the same; without a range given the
    inputs' own is widened."""
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(48, 2))
    x = np.random.default_rng(0).uniform(1, 2, (50, 1, 4, 4)).astype(np.float32)
    case = torch_case(seeded(lambda: model), x)
    for given, kinds in (((1, 2), ["table", "product", "product"]), (None, ["product", "product"])):
        imported = import_model(case.model, samples=x, input_range=given)
        assert [node.kind for node in imported.network.nodes] == kinds
        floats = imported.network.forward(imported.inputs.unit(x))
        np.testing.assert_allclose(floats, case.outputs(x), atol=1e-5)


onnx = needs("onnx")

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
READ = {
    "squeezenet": {"join": 8},
    "shufflenet": {"gate": 13, "join": 3, "pick": 16},
    "densenet121": {"join": 58},
    "inception_v2": {"join": 16},
}
"""Sums, joins and shuffles that are left of each."""


def kind(op: Op) -> str:
    if not isinstance(op.node, View):
        return op.kind
    picks = op.node.index is not None and not op.node.flat
    return "join" if len(op.inputs) > 1 else "pick" if picks else "view"


@pytest.mark.parametrize("name", READ)
def test_every_product_is_read(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    kinds = Counter(node.op_type for node in onnx.load(path).graph.node)
    graph = simplified(Reading(prepared(onnx.load(path))).graph)
    found = Counter(kind(op) for op in graph.uses)
    assert found["product"] == kinds["Conv"] + kinds["Gemm"]
    assert {key: found[key] for key in READ[name]} == READ[name]

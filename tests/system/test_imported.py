"""Models that are easily misread, on compiled gateware: every output of those that import, bit for bit."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs ndrite[train]")
pytest.importorskip("skl2onnx", reason="needs ndrite[sklearn]")

import ndrite
from ndrite.networks import import_model
from tests.emulator.network.importing import test_hostile as hostile
from tests.emulator.network.importing.cases import normal, seeded
from tests.emulator.network.importing.sklearn_models import ESTIMATORS, fitted
from tests.stimulus import ran

pytestmark = pytest.mark.long
SAMPLES = 6
CASES = [
    *(("module", name) for name in hostile.MODULES),
    *(("file", name) for name in hostile.FILES),
    *(("estimator", name) for name, (_, _, features) in ESTIMATORS.items() if features < 10),
]


def given(kind: str, name: str, folder: Path) -> tuple[Any, np.ndarray]:
    """The model and its samples, as the importer's own tests have them."""
    if kind == "module":
        return seeded(hostile.MODULES[name][0]), normal(60, 8)
    if kind == "estimator":
        build, *target = ESTIMATORS[name]
        return fitted(build(), *target)
    nodes, shape, outputs = hostile.FILES[name]
    return hostile.hostile_file(folder, nodes, shape, outputs), normal(60, *shape)


@pytest.fixture(scope="module")
def board() -> Any:
    """One for all of them: it settles on one size."""
    with ndrite.connect("sim:") as connected:
        yield connected


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}: {name}" for kind, name in CASES])
def test_gateware_gives_the_golden_models_outputs(kind: str, name: str, board: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, x = given(kind, name, tmp_path)
        imported = import_model(model, samples=x)
        for chip in ("ideal", "wan2022"):
            codes = imported.inputs.encode(x.reshape(len(x), -1))
            program = ndrite.compile(imported.network, chip, samples=x).program
            ran(board, program, codes[:SAMPLES], seed=3)

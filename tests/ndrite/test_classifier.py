"""Classifier: same kind out as in, scores, pipelines, convolutional images, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ndrite
from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import Dense, InputRange, Meaning, Named, Network
from emulator.network.datasets import digits
from emulator.spec import Program
from host import InputError
from ndrite.files import InputWarning


@pytest.fixture(scope="module")
def trained() -> tuple[Program, np.ndarray, np.ndarray]:
    """Digits by least squares on random features, on the wan2022 chip; test images and labels."""
    x, labels, test, test_labels = digits()
    rng = np.random.default_rng(0)
    hidden = Dense(rng.normal(size=(64, 120)) / 3, rng.normal(size=120) / 3, Named("relu"))
    assert hidden.activation is not None
    features = hidden.activation(x / np.float32(255) @ hidden.weights + hidden.bias)
    extended = np.hstack([features, np.ones((len(x), 1))])
    solution = np.linalg.lstsq(
        extended.T @ extended + np.eye(121) * 0.1, extended.T @ (2.0 * np.eye(10)[labels] - 1), rcond=None
    )[0]
    network = Network.chain(
        (hidden, Dense(solution[:-1], solution[-1])), "digits", meaning=Meaning(inputs=InputRange([0], [16]))
    )
    return map_network(network, "wan2022", x[:256]).program, test, test_labels


def test_predict_and_score(trained: tuple[Program, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    program, x, labels = trained
    classifier = ndrite.Classifier(program, seed=3, codes=True)
    y = classifier.predict(x)
    np.testing.assert_array_equal(y, Core(program).infer(x, seed=3).argmax(axis=1))
    assert classifier.score(x, labels) == (y == labels).mean() > 0.85
    program.save(tmp_path / "program.npz")
    np.testing.assert_array_equal(
        ndrite.Classifier(tmp_path / "program.npz", seed=3, codes=True).predict(x), y
    )
    named = ndrite.Classifier(program, seed=3, classes=list("abcdefghij"), codes=True)
    assert named.predict(x[:3]).tolist() == ["abcdefghij"[v] for v in y[:3]]
    # Floats in the unit that the network was imported with, and images that are not flat.
    own_unit = ndrite.Classifier(program, seed=3)
    grey = x.reshape(-1, 8, 8) / 255 * 16
    np.testing.assert_array_equal(own_unit.predict(grey), y)
    # The same grey values 0..16 as bytes are in the same unit: a dtype does not make them codes.
    np.testing.assert_array_equal(own_unit.predict(np.rint(grey).astype(np.uint8)), y)


def test_values_outside_the_stored_range_are_counted(
    trained: tuple[Program, np.ndarray, np.ndarray],
) -> None:
    program, x, _ = trained
    grey = x[:4] / 255 * 16
    grey[0, :3] = 20.0
    with pytest.warns(InputWarning, match=r"^x: 3 of 256 input values \(1.2 %\) lie outside .* 0..16"):
        ndrite.Classifier(program).predict(grey)
    with pytest.raises(InputError, match=r"values are 0..255; accepted: .*, 0..16 in the program; .*codes"):
        ndrite.Classifier(program).predict(x)


def test_tensors_give_tensors(trained: tuple[Program, np.ndarray, np.ndarray]) -> None:
    torch = pytest.importorskip("torch", reason="needs ndrite[train]")
    program, x, labels = trained
    classifier = ndrite.Classifier(program, codes=True)
    y = classifier.predict(torch.tensor(x))
    assert isinstance(y, torch.Tensor)
    np.testing.assert_array_equal(y.numpy(), classifier.predict(x))
    assert isinstance(classifier.predict(x), np.ndarray)
    assert classifier.score(torch.tensor(x), torch.tensor(labels)) == classifier.score(x, labels)


def test_in_a_pipeline(trained: tuple[Program, np.ndarray, np.ndarray]) -> None:
    pytest.importorskip("sklearn", reason="needs ndrite[import-check]")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    program, x, labels = trained
    classifier = ndrite.Classifier(program, codes=True)
    pipeline = make_pipeline(FunctionTransformer(lambda v: v * 16.0), ndrite.Classifier(program))
    assert clone(classifier).codes
    assert is_classifier(pipeline)
    assert pipeline.fit(x / 255, labels).score(x / 255, labels) == classifier.score(x, labels)
    assert len(cross_val_score(classifier, x, labels, cv=3)) == 3


@pytest.mark.slow
def test_on_gateware(trained: tuple[Program, np.ndarray, np.ndarray]) -> None:
    program, x, _ = trained
    on_rtl = ndrite.Classifier(program, "sim:", seed=1, codes=True).decision_function(x[:5])
    np.testing.assert_array_equal(
        on_rtl, ndrite.Classifier(program, seed=1, codes=True).decision_function(x[:5])
    )


def test_refusals(trained: tuple[Program, np.ndarray, np.ndarray], program: Program) -> None:
    classifier = ndrite.Classifier(trained[0], codes=True)
    with pytest.raises(InputError, match=r"x: shape \(3, 60\); accepted: \(n, 64\)"):
        classifier.predict(np.zeros((3, 60), np.uint8))
    with pytest.raises(InputError, match="x: dtype int64; accepted: uint8"):
        ndrite.Classifier(trained[0], codes=True).predict(np.zeros((3, 64), np.int64))
    with pytest.raises(InputError, match=r"x: dtype float64; accepted: uint8, .*the program stores no"):
        ndrite.Classifier(program).predict(np.zeros((3, program.inputs)))
    with pytest.raises(InputError, match="label is 12"):
        classifier.fit(trained[1], np.full(len(trained[1]), 12))
    with pytest.raises(InputError, match="parameter is 'depth'"):
        classifier.set_params(depth=3)
    with pytest.raises(InputError, match=r"labels have shape \(2,\)"):
        classifier.score(trained[1], [1, 2])

"""Rules of learning in situ as published, on devices of few states: what they get
right, and by how much."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ndrite
from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.learning.labelled import Labelled
from studies import runs, table
from studies.data import data as data_of
from studies.data import whole_mnist
from studies.dies import changed, on_die
from studies.published import Found, percent
from studies.runs import Bools, Floats, Row, Runs
from studies.table import points

RECIPES = runs.described("published_rules")


def run(data: str, case: str, seed: int, epochs: int, images: int) -> Row:
    """Learn in situ from random initial weights and the first ``images`` images; return
    which test images are right afterwards."""
    of = RECIPES[data]
    recipe = {"device": of["device"], **of["common"], **of["cases"][case]}
    right = trained(data, recipe, seed, epochs, images)
    return {"after": runs.packed(right), "samples": len(right)}


def trained(
    data: str, recipe: dict[str, Any], seed: int, epochs: int, images: int, held_out: int = 0
) -> Bools:
    """Learn in situ from the first ``images`` images. Return which test samples the
    die then gets right, or, with ``held_out``, which of the last ``held_out``
    training samples."""
    of = classes_of(data)
    learned: Any = ndrite.learn(
        of.x[: images + 1],  # one more image: `learn` must hold one out
        of.labels[: images + 1],
        held_out=1,
        epochs=epochs,
        seed=seed,
        learning_seed=seed,
        **recipe | {"device": described_device(recipe["device"])},
    )
    x, labels = (of.x[-held_out:], of.labels[-held_out:]) if held_out else (of.test_x, of.test_labels)
    return on_die(learned.compiled.program, seed, x, labels)


def classes_of(data: str) -> Labelled:
    """Return the data for a recipe: Fashion-MNIST or MNIST; "mnist 0 and 1" is MNIST
    with only its classes 0 and 1."""
    if data == "fashion-mnist":
        return data_of(data)
    x, labels, test_x, test_labels = whole_mnist()
    train, test = (y < (2 if data == "mnist 0 and 1" else 10) for y in (labels, test_labels))
    return Labelled(data, x[train], labels[train], test_x[test], test_labels[test], 28)


def described_device(device: str | int) -> Chip:
    """Return a device by the name of a file beside the studies' modules. If
    ``device`` is a number of states, return a device with soft bounds (aihwkit's
    ``SoftBoundsDevice``) whose steps vary by 30 % between devices and by 30 %
    from pulse to pulse."""
    if isinstance(device, str):
        return load_chip(f"ideal+{Path(__file__).parent / device}.yaml")
    return changed(
        "ideal+ecram-tang2018",
        ecram__step_up=2 / device,
        ecram__step_down=2 / device,
        **RECIPES["soft bounds"],
    )


def found(of: Runs) -> dict[str, Found]:
    """Return accuracies by data and case in percent, and those differences of
    accuracies, in percentage points, that publications state."""
    cases = {", ".join(key): runs.right(g, "after") for key, g in runs.by(of, "data", "case").items()}
    return {key: percent(values) for key, values in (cases | differences(of)).items()}


def differences(of: Runs) -> dict[str, Floats]:
    """Return, by key, the right answers of one case minus those of another case from
    the same initial weights, (starts, 1, n)."""
    right = {key: runs.right(g, "after") for key, g in runs.by(of, "data", "case").items()}
    return {
        key: right[data, case] - right[data, other]
        for key, (data, case, other) in RECIPES["compared"].items()
        if (data, case) in right and (data, other) in right
    }


def tables(of: Runs) -> list[table.Table]:
    """Return a table of test accuracies by data and case, and a table of differences."""
    columns: dict[str, Callable[[Runs], str]] = {
        "starts": lambda g: str(len(g)),
        "test accuracy, %": lambda g: points(runs.right(g, "after")),
    }
    groups = runs.by(of, "data", "case")
    of_pairs = {(key,): values for key, values in differences(of).items()}
    return [
        table.table("rules on devices of few states", ("data", "rule"), groups, columns),
        table.table("from the same starts", ("compared",), of_pairs, {"difference, points": points}),
    ]

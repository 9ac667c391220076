"""ReLU, fixed NDR and trained NDR at equal size and budget, weights trained, with and
without normalisation.

The epoch is chosen on held-out training images. ``ndr-fixed`` trains weights and the
bias before the neuron, not the curve.
"""

from studies import runs, table
from studies.data import data as data_of
from studies.runs import Row, Runs
from studies.training import train

KINDS = ("relu", "ndr-fixed", "ndr-shared", "ndr")


def run(data: str, neuron: str, normalise: bool, seed: int, epochs: int) -> Row:
    """Train one network with the activation ``neuron`` and return its test accuracy."""
    labelled, large = data_of(data), data == "fashion-mnist"
    width, held_out, batch, average = (128, 5000, 256, 0.995) if large else (32, 108, 64, 0.97)
    rate = 8e-3 if normalise else 3e-3
    net, _ = train(
        labelled,
        hidden=(width,),
        neuron=neuron,
        normalise=normalise,
        epochs=epochs,
        batch=batch,
        learning_rate=rate,
        average=average,
        held_out=held_out,
        seed=seed,
        shift=int(large),
    )
    return {"accuracy": net.accuracy(labelled.test_x, labelled.test_labels)}


def tables(found: Runs) -> list[table.Table]:
    """Return a table of accuracies, and a table of the accuracy gained by training the
    curve, over pairs of runs with equal seeds."""
    groups = {
        (data, "yes" if normalise else "no", kind): mine
        for data, normalise in runs.by(
            sorted(found, key=lambda r: KINDS.index(r["neuron"])), "data", "normalise"
        )
        for kind in KINDS
        if (mine := runs.where(found, data=data, normalise=normalise, neuron=kind))
    }

    def against_fixed(group: Runs) -> str:
        first = group[0]
        if first["neuron"] == "ndr-fixed":
            return "-"
        fixed_curves = runs.where(found, data=first["data"], normalise=first["normalise"], neuron="ndr-fixed")
        fixed = {r["seed"]: r["accuracy"] for r in fixed_curves}
        return table.over_seeds(
            [100 * (r["accuracy"] - fixed[r["seed"]]) for r in group if r["seed"] in fixed]
        )

    columns = {
        "seeds": lambda group: str(len(group)),
        "test accuracy, %": lambda group: table.over_seeds([100 * r["accuracy"] for r in group]),
        "against ndr-fixed, points": against_fixed,
    }
    return [table.table("float accuracy by activation", ("data", "normalised", "neuron"), groups, columns)]

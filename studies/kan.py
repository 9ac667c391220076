"""Kolmogorov-Arnold networks of NDR curves against published ones and against MLPs.

A KAN of K bases and widths I-H-O has K (I H + H O) weights, as many as an MLP
I-KH-O; a wider MLP takes as much energy. Losses are measured on dies, cause by
cause; nothing is tuned.
"""

from ndrite.costs.account import account_of
from ndrite.costs.constants import load_constants
from ndrite.emulator.device.rram.drift import DAY
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network import Network
from ndrite.intervals import crossed
from studies import dies, runs, table
from studies.data import data
from studies.kan_networks import CAUSES, KINDS, RELU, TASKS, rate_of, trained
from studies.runs import Bools, Floats, Row, Runs
from studies.table import points

DIES, ENERGY_CHIP, ENERGY_SAMPLES = 2, "wan2022", 100


def run(task: str, kind: str, seed: int, epochs: int) -> Row:
    """Train one network at the learning rate of its kind, and record which test samples
    it gets right in floats and on its dies."""
    rate, swept = rate_of(task, kind, epochs)
    network, held_out = trained(task, kind, rate, seed, epochs)
    labelled = data(TASKS[task]["data"])
    right_by_cause = {cause: on_dies(network, labelled, cause) for cause in CAUSES if applies(kind, cause)}
    return {
        "rate": rate,
        "swept": swept,
        "held_out": held_out,
        "weights": int(sum(layer.weights.size for layer in network.layers)),
        "energy_pJ": round(energy_pj(network, labelled), 1) if seed == 1 else None,
        **runs.kept(dies.in_float(network, labelled.test_x, labelled.test_labels), right_by_cause),
    }


def applies(kind: str, cause: str) -> bool:
    """Return whether networks of this kind can have this cause of error: ReLU networks
    have no errors of NDR curves."""
    return not kind.startswith(RELU) or not cause.startswith("NDR")


def energy_pj(network: Network, found: Labelled) -> float:
    """Return the modelled energy of one sample on ``ENERGY_CHIP`` in pJ, the typical
    value, as a mean over the first test samples."""
    mapped = dies.make(network, dies.changed(ENERGY_CHIP), 0, found.x[:512])
    account = account_of(mapped.program, mapped.die, found.test_x[:ENERGY_SAMPLES], load_constants())
    return float(account.total.energy_pJ[1])


def on_dies(network: Network, found: Labelled, cause: str) -> list[Bools]:
    """Return, for each die, which samples it gets right if it has only one cause of
    error; die d has seed d."""
    of, fit, right = CAUSES[cause], found.x[:512], []
    chip = dies.changed(of["chip"], **of["fields"])
    for die in range(DIES):
        aged = of.get("aged", False)
        mapped = dies.aged(network, chip, die, fit, DAY) if aged else dies.make(network, chip, die, fit)
        right.append(dies.on_die(mapped.program, die, found.test_x, found.test_labels))
    return right


def verdict(task: str, right: Floats) -> str:
    """Say whether the published accuracy lies inside, below or above the interval of
    the accuracy that was found."""
    published = TASKS[task]["published"]
    if published is None:
        return "no figure quoted"
    if not TASKS[task]["comparable"]:
        return "not comparable"
    low, high = crossed(right)
    return "above it" if low >= published else "below it" if high < published else "no difference shown"


def tables(found: Runs) -> list[table.Table]:
    """Return three tables: the KANs' accuracies beside published ones, the same
    accuracies beside those of MLPs, and the accuracy lost on chips."""
    order = sorted(found, key=lambda r: (list(TASKS).index(r["task"]), KINDS.index(r["kind"]), r["seed"]))
    groups = runs.by(order, "task", "kind")

    def against_relu(group: Runs) -> str:
        relu = groups[group[0]["task"], RELU]
        return "-" if group == relu else points(runs.right(group) - runs.right(relu))

    def losing(group: Runs, cause: str) -> str:
        return points(runs.lost(group, cause), same_dies=True) if applies(group[0]["kind"], cause) else "-"

    columns = {
        "weights": lambda g: str(g[0]["weights"]),
        "energy, nJ": lambda g: f"{g[0]['energy_pJ'] / 1000:.3g}",
        "rate": lambda g: f"{g[0]['rate']:g}",
        "test accuracy, %": lambda g: points(runs.right(g)),
        "against mlp relu, points": against_relu,
        "published, %": lambda g: (
            f"{100 * figure:.2f}" if (figure := TASKS[g[0]["task"]]["published"]) else "-"
        ),
        "accuracy against it": lambda g: verdict(g[0]["task"], runs.right(g)),
    }
    losses = {cause: lambda g, cause=cause: losing(g, cause) for cause in CAUSES}
    seeds, keys = len({r["seed"] for r in found}), ("task", "network")
    title = f"float accuracy, {seeds} seeds x test samples; energy modelled, on wan2022"
    on_chips = f"points lost on dies, {seeds} seeds x {DIES} dies x test samples"
    return [table.table(title, keys, groups, columns), table.table(on_chips, keys, groups, losses)]

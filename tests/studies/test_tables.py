"""Tables of studies, of networks whose answers are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies import adaptation, depth, insitu, kan, kan_networks, loss, recovery, runner, runs, table
from studies.data import data
from studies.dies import ANALOG
from studies.runs import FLOAT, Runs
from tests.extras import needs
from tests.studies.conftest import SEEDS, N, dies, ends, first, mean

CURVES, FIXED = "weights and curves", "weights, fixed curves"
pytestmark = pytest.mark.usefixtures("fewer_draws")


def test_what_is_right_is_networks_by_dies_by_samples() -> None:
    found = dies({"on": 880})
    right = runs.right(found, "on")
    assert right.shape == (3, 2, N)
    assert right.sum(axis=2).tolist() == [[880, 878]] * 3
    assert runs.right(found, FLOAT).mean() == 0.9
    assert runs.right(found[:-1], "on").shape == (3, 1, N), "as many dies as every network has"
    assert runs.size(found) == "3 networks x 2 dies x 1000 samples"
    lists = [{"seed": 1, **runs.kept(first(900), {"on": [first(880), first(878)]})}]
    np.testing.assert_array_equal(runs.right(lists, "on"), right[:1])


def test_recovery_is_of_the_loss_as_programmed() -> None:
    states = dict(zip(recovery.STATES["recovery"], (801, 851, 881, 891), strict=True))
    (shown,) = recovery.tables(dies(states, axis="programming error", value=3.0))
    ((chip, *lost, by_pulses, by_both, by_student),) = shown.rows
    assert chip == "programming error 3 x the preset's"
    assert [mean(cell) for cell in lost] == [10.0, 5.0, 2.0, 1.0]
    assert (mean(by_pulses), mean(by_both), mean(by_student)) == (50, 90, 1.0)
    same = np.zeros((3, 1, N))
    assert table.recovered(same, same) == "-", "nothing was lost"


def test_the_preset_is_a_point_on_every_axis() -> None:
    states = dict.fromkeys(recovery.STATES["recovery"], 880)
    found = dies(states, axis="programming error", value=1.0) + dies(states, axis="stuck cells", value=3.0)
    points = [("programming error", 1.0), ("stuck cells", 0.2), ("stuck cells", 3.0)]
    assert list(recovery.along(found, "recovery")) == [*points, ("wire resistance", 1.0), ("time", 86_400.0)]


def test_ecrams_are_compared_on_the_same_dies() -> None:
    found: Runs = []
    for axis, value, after in (("pulses", 8.0, 861), ("pulses", 64.0, 881), ("noise", 300.0, 871)):
        found += dies({"before": 801, "after": after}, axis=axis, value=value)
    (shown,) = recovery.tables(found)
    rows = {row[:2]: row[2:] for row in shown.rows}
    labels = {axis: of["label"] for axis, of in recovery.CASES["ecram"]["axes"].items()}
    assert [mean(cell) for cell in rows[labels["pulses"], "8"]] == [10.0, 4.0, 6.0, -2.0]
    assert rows[labels["pulses"], "64"][-1] == "-"
    assert mean(rows[labels["noise"], "300"][-1]) == -1.0
    assert mean(rows[labels["noise"], "0"][2]) == 8.0, "without noise it is the plain device"


def test_adaptation_compares_ways_on_the_same_dies() -> None:
    states = {adaptation.AS_IT_IS: 701, **dict(zip(adaptation.WAYS, (801, 701, 901), strict=True))}
    accuracies, gains = adaptation.tables(dies(states, task=adaptation.DARK))
    assert accuracies.rows[0] == (adaptation.DARK, "90.00", "70.00", "80.00", "70.00", "90.00")
    pulses, nothing, most = gains.rows[0][1:]
    assert nothing == "0.00 (0.00 .. 0.00)"
    assert (mean(pulses), mean(most)) == (10.0, 20.0)


def test_starts_in_the_loop_have_intervals_over_samples_too() -> None:
    """All starts of a case are alike here: what is left of the interval is of samples."""
    found = [
        {"data": "digits", "case": case, "seed": s, "samples": N, "pulses": 10 * s} | {"after": right}
        for s in SEEDS
        for case, right in ((CURVES, runs.packed(first(820))), (FIXED, runs.packed(first(800))))
    ]
    shown, compared = insitu.tables(found)
    curves, fixed = shown.rows
    assert (*curves[:3], curves[4]) == ("digits", CURVES, "3", "20")
    low, high = ends(fixed[3])
    assert 75 < low < 80 < high < 85
    ((_, case, other, difference),) = compared.rows
    assert (case, other, mean(difference)) == (CURVES, FIXED, 2.0)
    assert ends(difference)[0] > 0, "80 % of the samples are right in both"


@pytest.mark.parametrize("name", ["recovery", "ecram", "adaptation"])
def test_every_die_is_measured_in_every_case(name: str) -> None:
    cases: dict[str, list[tuple[int, int]]] = {}
    for r in runner.grid(name, False):
        rest = {name: value for name, value in r.items() if name not in ("seed", "die")}
        cases.setdefault(str(rest), []).append((r["seed"], r["die"]))
    assert len({tuple(sorted(found)) for found in cases.values()}) == 1
    assert len(cases) >= 5


def of_depths() -> Runs:
    """One hidden layer: 900 in software, 880 of the chip's network in float, 870 on its
    dies; two: 10 more are lost."""
    found = []
    for seed in SEEDS:
        for layers, hidden in enumerate(("32", "32, 32"), start=1):
            common = {"data": "digits", "hidden": hidden, "seed": seed}
            on_dies = {"on_dies": [first(880 - 10 * layers)] * 2}
            found.append({**common, "on": ANALOG, **runs.kept(first(880), on_dies)})
            found.append({**common, "on": "software", **runs.kept(first(900), {"on_dies": []})})
    return found


def test_a_line_for_each_depth() -> None:
    (shown,) = depth.tables(of_depths())
    assert [row[:3] for row in shown.rows] == [("digits", "32", "3 x 2"), ("digits", "32, 32", "3 x 2")]
    for layers, row in enumerate(shown.rows, start=1):
        assert [mean(cell) for cell in row[3:]] == [90.0, 88.0, 88.0 - layers, layers, 2.0 + layers]
    low, high = ends(shown.rows[0][6])
    assert 0 < low < 1.0 < high < 2, "networks and dies are all alike: the interval is of samples"


def of_losses() -> Runs:
    """Three networks of 90 %; their dies lose 2 points, worse ones 10, of which
    pulses take back 5; software of two rates, the better one on held-out samples
    worse on the test samples."""
    found: Runs = []
    for seed in SEEDS:
        common = {"seed": seed, "dies": 4}
        states = {
            loss.FIRST: [first(880)] * 4,
            loss.LAST: [first(800)] * (2 + seed % 2),
            loss.FIRST + loss.TUNED: [first(890)],
            loss.LAST + loss.TUNED: [first(850)],
        }
        found.append({"on": ANALOG, **common, **runs.kept(first(900), states), "held_out": 0.9})
        for rate, held, count in ((0.1, 0.93, 890), (0.2, 0.91, 950)):
            software = {"on": "software", "rate": rate, "held_out": held}
            found.append({**software, **common, **runs.kept(first(count), {})})
    return [*found, {**found[-1], "rate": 0.3, "held_out": 0.99}]  # one network only


def test_losses_are_against_the_networks_own_float() -> None:
    lost, behind, tuned = loss.tables(of_losses())
    assert lost.title == "accuracy lost, 3 networks x 4 dies x 1000 samples"
    assert [row[:3] for row in lost.rows] == [(ANALOG, loss.FIRST, "3 x 4"), (ANALOG, loss.LAST, "3 x 2")]
    assert [mean(row[-1]) for row in lost.rows] == [2.0, 10.0]
    low, high = ends(lost.rows[0][-1])
    assert low < 2.0 < high
    assert {chip for chip, _ in loss.correct(of_losses())} == {ANALOG}, "none on another chip"
    assert [row[:2] for row in behind.rows] == [
        ("ReLU in software, rate 0.1", "3"),
        (ANALOG, "3 x 4"),
        (f"{ANALOG}, after ECRAM pulses", "3 x 1"),
    ]
    assert mean(behind.rows[1][-1]) == 1.0
    assert tuned.rows[-1][2] == "3 x 1"
    assert mean(tuned.rows[-1][-1]) == 50


def test_software_is_chosen_on_held_out_samples() -> None:
    rate, group = runs.best_held_out(runs.where(of_losses(), on="software"), "rate")
    assert rate == 0.1, "not what is best on the test samples, nor what one seed alone has"
    assert len(group) == 3
    assert "0.3: 99.00 %" in loss.tables(of_losses())[1].title


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("1.5 (0.5 .. 2)", (1.5, 0.5, 2.0)),
        ("-1.5 ± 0.25", (-1.5, -1.75, -1.25)),
        ("43.1", (43.1, 43.1, 43.1)),
        ("-", None),
    ],
)
def test_a_cell_is_drawn_as_it_reads(cell: str, wanted: Any) -> None:
    assert table.interval(cell) == wanted


def results(task: str, share: float, mlp: float = 0.9) -> list[dict[str, Any]]:
    """Five seeds of every kind, right on such a share of the samples."""
    rng = np.random.default_rng(0)
    found = []
    for kind in kan_networks.KINDS:
        for seed in range(1, 6):
            right = rng.random(N) < (share if kind.startswith("kan") else mlp)
            worse = right & (rng.random(N) > 0.02)
            dies = {cause: [worse] * kan.DIES for cause in kan_networks.CAUSES if kan.applies(kind, cause)}
            of = {"task": task, "kind": kind, "seed": seed, "rate": 0.01, "weights": 192}
            energy = 12_345.0 if seed == 1 else None
            found.append({**of, "energy_pJ": energy, **runs.kept(right, dies)})
    return found


@pytest.mark.parametrize(
    ("task", "share", "said"),
    [
        ("wine 13-4-3", 0.995, "above it"),
        ("wine 13-4-3", 0.98, "no difference shown"),
        ("wine 13-4-3", 0.983, "no difference shown"),
        ("wine 13-4-3", 0.95, "below it"),
        ("moons 2-4-2", 0.995, "not comparable"),
        ("mnist 196-64-10, 2 bases", 0.99, "no figure quoted"),
    ],
)
def test_only_the_interval_claims(task: str, share: float, said: str) -> None:
    shown, _ = kan.tables(results(task, share))
    row = dict(zip(shown.header, shown.rows[0], strict=True))
    assert row["accuracy against it"] == said
    low, high = ends(row["test accuracy, %"])
    accuracy = mean(row["test accuracy, %"])
    assert accuracy == pytest.approx(100 * share, abs=1)
    assert low <= accuracy <= high
    less, more = ends(row["against mlp relu, points"])
    assert less < 100 * share - 90 < more
    published = kan_networks.TASKS[task]["published"]
    assert row["published, %"] == ("-" if published is None else f"{100 * published:.2f}")


def test_losses_of_curves_are_against_the_networks_own_float() -> None:
    table, chips = kan.tables(results("wine 13-4-3", 0.98))
    assert [row[1] for row in table.rows] == list(kan_networks.KINDS)
    assert "5 seeds x 2 dies" in chips.title
    for row in chips.rows:
        shown = dict(zip(chips.header, row, strict=True))
        nothing = {cause for cause in kan_networks.CAUSES if shown[cause] == "-"}
        of_devices = {cause for cause in kan_networks.CAUSES if "NDR" in cause}
        assert nothing == (of_devices if "relu" in row[1] else set())
        assert mean(shown["both"]) == pytest.approx(2.0 * (0.98 if "kan" in row[1] else 0.9), abs=0.5)


@pytest.mark.parametrize("task", kan_networks.TASKS)
def test_networks_of_a_row_have_equal_weights(task: str) -> None:
    needs("torch")
    inputs, *_, outputs = (int(word) for word in task.split(",")[0].split()[1].split("-"))
    of = kan_networks.TASKS[task]
    for kind in ("kan", "kan each"):
        of_curves = sum(layer.weight.numel() for layer in list(kan_networks.kan(task, kind))[1::2])
        assert of_curves == of["bases"] * of["width"] * (inputs + outputs)


@pytest.mark.parametrize("task", kan_networks.TASKS)
def test_the_wide_network_takes_as_much_energy(task: str) -> None:
    """The committed rows: the command wrote both figures, of trained networks."""
    kept = json.loads(Path("docs/results/kan.json").read_text())["runs"]
    energies = {r["kind"]: r["energy_pJ"] for r in kept if r["task"] == task and r["seed"] == 1}
    assert energies[kan_networks.WIDE] == pytest.approx(energies["kan"], rel=0.05)


def test_wine_is_split_as_the_published_figure_is() -> None:
    needs("sklearn")
    found = data("wine")
    assert (found.x.shape, found.test_x.shape) == ((124, 13), (54, 13))
    assert (found.x.min(axis=0).tolist(), found.x.max(axis=0).tolist()) == ([0] * 13, [255] * 13)
    assert set(found.labels) == set(found.test_labels) == {0, 1, 2}
    both = {tuple(row) for row in found.x} & {tuple(row) for row in found.test_x}
    assert not both


def test_what_moved_beyond_its_interval_is_listed() -> None:
    """Rows are found by name, wherever they stand; cells without an interval do not count."""
    header = ("chip", "cells", "float, %", "loss, points", "recovered")
    before = table.Table(
        "t",
        header,
        [
            ("a", "new", "89.3", "0.5 (0.3 .. 0.7)", "30% (20% .. 40%)"),
            ("b", "new", "80.0", "1.00 ± 0.25", "-"),
            ("c", "new", "1", "0.5 (0.3 .. 0.7)", "-"),
        ],
    )
    after = table.Table(
        "t",
        header,
        [
            ("b", "new", "99.0", "1.26 ± 0.01", "-"),
            ("a", "new", "10.0", "0.7 (0.6 .. 0.8)", "41% (0% .. 90%)"),
            ("d", "new", "1", "9.0 (8.0 .. 9.5)", "-"),
        ],
    )
    assert table.moved([before], [after]).rows == [
        ("t", "b, new", "loss, points", "1.00 ± 0.25", "1.26 ± 0.01"),
        ("t", "a, new", "recovered", "30% (20% .. 40%)", "41% (0% .. 90%)"),
    ]
    assert table.moved([before], [before]).rows == []

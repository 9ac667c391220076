"""ndrite replicate: the registry, verdicts, what is kept, and a quick run of each."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.network.datasets.cifar10 import TEST, TRAIN
from emulator.network.datasets.speech_commands import WORDS
from ndrite.cli.main import BAD_INPUT, FAILED_CHECK, OK, run
from ndrite.replicate import NAMES, boltzmann, neurram_lstm, neurram_resnet
from ndrite.replicate import runner as of_replications
from ndrite.replicate.grid import share
from ndrite.replicate.page import page
from ndrite.replicate.published import EXPLAINED, OUTSIDE, WITHIN, Explained, Found, Published, verdict

ROOT = Path(__file__).parents[2]
TORCH = ("neurram-mnist", "neurram-resnet", "neurram-lstm", "analognets")


def number(explained: Explained | None = None, **changed: Any) -> Published:
    values: dict[str, Any] = {"value": 10.0, "low": 9.0, "high": 11.0, **changed}
    return Published(
        what="w", unit="%", how="measured", where="Table 1", why="because", explained=explained, **values
    )


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (Found(10, 9.9, 10.1), WITHIN),
        (Found(8, 7, 9), WITHIN),
        (Found(8, 7, 8.9), EXPLAINED),
        (Found(11.5, 11.2, 11.8), OUTSIDE),
        (Found(4.9, 4, 5), OUTSIDE),
        (Found(float("nan"), float("nan"), float("nan")), OUTSIDE),
    ],
)
def test_verdicts(found: Found, wanted: str) -> None:
    reason = Explained(low=5, high=9, why="less of it")
    assert verdict(number(reason), found) == wanted
    if wanted == EXPLAINED:
        assert verdict(number(), found) == OUTSIDE


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_its_place_and_its_reasons(name: str, tmp_path: Path) -> None:
    of = of_replications.load(name)
    assert of.TITLE
    assert any(mark in of.SOURCE for mark in ("doi 10.", "arXiv "))
    for folder in (None, tmp_path):
        for key, n in of.published(folder).items():
            assert n.where, key
            assert len(n.why) > 10, key
            assert n.how.split()[0] in ("measured", "simulated"), key
            assert n.low <= n.high, key
            assert bool(n.stand_in) <= bool(of.NOT_RUN), key
    plan = of.runs(False, None)
    assert len({json.dumps(p, sort_keys=True) for p in plan}) == len(plan)
    seeds = {p["seed"] for p in plan if "seed" in p}
    assert len(seeds) >= 3 or name.endswith("energy")


def test_shares_by_hand() -> None:
    assert share(neurram_resnet.THEIRS, 0.2, 0.1) == pytest.approx(100 * (85.61 - 25.68) / (87.25 - 25.68))
    assert share(neurram_lstm.THEIRS, 0.2, 0.15) == pytest.approx(100 * (86.10 - 74.80) / (87.86 - 74.80))


class Fake:
    """A replication whose number comes out as it is told."""

    TITLE, SOURCE, RUN, OVER, NOT_RUN, FOLDER = "Fake", "doi 10.1", "nothing.", "over seeds", "", ""

    def __init__(self, value: float) -> None:
        self.value = value

    def published(self, folder: Path | None) -> dict[str, Published]:
        return {"n": number(Explained(low=5, high=9, why="A reason."))}

    def runs(self, quick: bool, folder: Path | None) -> list[dict[str, Any]]:
        return [{"seed": 1}]

    def run(self, folder: Path | None, seed: int) -> dict[str, Any]:
        return {"value": self.value}

    def found(self, results: list[dict[str, Any]]) -> dict[str, Found]:
        value = results[0]["value"]
        return {"n": Found(value, value, value)}

    def tables(self, results: list[dict[str, Any]]) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("value", "said", "code"), [(10.0, WITHIN, OK), (6.0, EXPLAINED, OK), (20.0, OUTSIDE, FAILED_CHECK)]
)
def test_the_exit_code_says_whether_a_number_is_met(
    value: float,
    said: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(of_replications, "load", lambda name: Fake(value))
    assert run(["replicate", "cmo-hfox", "-o", str(tmp_path), "--json"]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["numbers"][0]["verdict"] == said
    kept = json.loads((tmp_path / "replicate.json").read_text())
    assert kept["cmo-hfox"]["numbers"] == shown["numbers"]
    text = (tmp_path / "replicate.md").read_text()
    assert text == page(kept)
    assert ("A reason. This reaches from 5 to 9 %." in text) == (said == EXPLAINED)
    assert run(["replicate", "cmo-hfox", "-o", str(tmp_path), "--quick"]) == OK


def test_replications_are_kept_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["replicate", "neurram-energy", "-o", str(tmp_path)]) == OK
    assert run(["replicate", "hermes-energy", "-o", str(tmp_path)]) == OK
    kept = json.loads((tmp_path / "replicate.json").read_text())
    assert list(kept) == ["neurram-energy", "hermes-energy"]
    assert [n["ours"]["basis"] for of in kept.values() for n in of["numbers"]] == ["modelled"] * 8
    verdicts = [n["verdict"] for n in kept["neurram-energy"]["numbers"]]
    assert verdicts == [EXPLAINED] * 2 + [WITHIN] * 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["replicate.json", "replicate.md"]


def test_the_page_in_the_docs_is_of_its_data() -> None:
    folder = ROOT / "docs" / "results"
    kept = json.loads((folder / "replicate.json").read_text())
    assert (folder / "replicate.md").read_text() == page(kept), "run any ndrite replicate"
    assert list(kept) == list(NAMES)
    assert not any(of["quick"] for of in kept.values())
    for name, of in kept.items():
        registered = of_replications.load(name).published(None)
        assert [n["key"] for n in of["numbers"]] == list(registered), name
        for n in of["numbers"]:
            at = registered[n["key"]]
            assert (n["value"], n["low"], n["high"], n["why"]) == (at.value, at.low, at.high, at.why), n[
                "key"
            ]
            assert n["verdict"] == verdict(at, Found(**n["ours"])), n["key"]


def test_cells_of_another_chip_err_more(tmp_path: Path) -> None:
    assert run(["replicate", "cmo-hfox", "--quick", "-o", str(tmp_path)]) == OK
    kept = json.loads((tmp_path / "replicate.json").read_text())["cmo-hfox"]
    first = kept["runs"][0]
    # By hand: sqrt(64) inputs of 1/sqrt(3), and weights off by twice a cell's deviation over its range.
    own = np.sqrt(64 / 3) * 2 * np.hypot(0.4118, 0.17) / (90 - 8)
    assert first["ibm-cmo-hfox-0.2, 1 s, single"] == pytest.approx(own, rel=0.15)
    assert kept["quick"]


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bright squares whose place says the class: what a network learns in one epoch."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    x = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(x, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[9 * row : 9 * row + 8, 7 * column : 7 * column + 6] = 255
    return x.reshape(count, 784), labels


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    from ndrite.replicate import neurram_mnist, neurram_rbm

    for module in (neurram_mnist, neurram_rbm):
        monkeypatch.setattr(module, "mnist", lambda folder: (*digits(2000), *digits(300)))


@pytest.mark.slow
@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize(
    "name", ["neurram-mnist", "neurram-rbm", "neurram-resnet", "neurram-lstm", "analognets"]
)
def test_quick_runs(name: str, tmp_path: Path) -> None:
    if name in TORCH:
        pytest.importorskip("torch", reason="needs ndrite[train]")
    if name in ("neurram-lstm", "analognets"):
        pytest.importorskip("aeon", reason="needs aeon, whose files it reads")
    assert run(["replicate", name, "--quick", "-o", str(tmp_path)]) == OK
    kept = json.loads((tmp_path / "replicate.json").read_text())[name]
    assert kept["numbers"]
    assert kept["tables"]
    of = of_replications.load(name)
    stands_in = {n["stand_in"] for n in kept["numbers"]} - {""}
    assert bool(stands_in) == bool(of.NOT_RUN)
    assert ("**Not run here**" in (tmp_path / "replicate.md").read_text()) == bool(of.NOT_RUN)


def test_a_die_repairs_as_floats_do() -> None:
    from ndrite.replicate import neurram_rbm

    x, labels = digits(600)
    visible = boltzmann.with_labels(x, labels)
    machine = boltzmann.train(visible, noise=0.1, seed=1, epochs=6)
    up, down, costs = neurram_rbm.on_die(machine, visible[:200], 5)
    known_up, known_down = neurram_rbm.in_floats(machine, 0.0, np.random.default_rng(0))
    h = boltzmann.drawn(boltzmann.sigmoid(known_up(visible)), np.random.default_rng(1))
    for read, known, given in ((up, known_up, visible), (down, known_down, h)):
        assert np.corrcoef(read(given).ravel(), known(given).ravel())[0, 1] > 0.98
        assert (read(given) != read(given)).any()  # every read has noise of its own
    assert set(costs) == {"rows to columns", "columns to rows"}
    pictures = visible[:, :784]
    rng = np.random.default_rng(2)
    before, after = boltzmann.repaired(pictures, labels, "flipped", up, down, rng)
    assert after.mean() < 0.6 * before.mean()
    damaged, where = boltzmann.damaged(pictures, "occluded", rng)
    assert where.mean() == pytest.approx(10 / 28)
    assert (damaged[~where] == pictures[~where]).all()


def test_noise_on_weights_comes_and_goes() -> None:
    torch = pytest.importorskip("torch", reason="needs ndrite[train]")
    from ndrite.replicate.noisy import FewBits, noisy_weights

    model = torch.nn.Sequential(torch.nn.Linear(200, 100), torch.nn.BatchNorm1d(100), FewBits(3))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad(), noisy_weights(model, 0.1):
        off = model[0].weight - before["0.weight"]
        assert float(off.std()) == pytest.approx(0.1 * float(before["0.weight"].abs().max()), rel=0.05)
        assert (model[0].bias != before["0.bias"]).any()
        assert (model[1].weight == before["1.weight"]).all()
    assert all((v == before[k]).all() for k, v in model.state_dict().items())
    y = FewBits(3, top=2.0)(torch.linspace(-1, 3, 400))
    assert len(y.unique()) == 8
    assert float(y.max()) == 2.0


def cifar(folder: Path) -> None:
    """CIFAR-10's layout, 40 records a file."""
    rng = np.random.default_rng(1)
    for name in (*TRAIN, TEST):
        records = rng.integers(0, 256, (80, 3073), dtype=np.uint8)
        records[:, 0] = rng.integers(0, 10, 80)
        (folder / name).write_bytes(records.tobytes())


def words(folder: Path) -> None:
    """Speech Commands' layout: a tone a word, six recordings of each."""
    testing = []
    for i, word in enumerate(WORDS):
        (folder / word).mkdir()
        for k in range(8):
            tone = 8000 * np.sin(2 * np.pi * (200 + 150 * i) * np.arange(16_000) / 16_000 + k)
            with wave.open(str(folder / word / f"{k}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes(tone.astype("<i2").tobytes())
        testing.append(f"{word}/7.wav")
    (folder / "testing_list.txt").write_text("\n".join(testing))
    (folder / "validation_list.txt").write_text(f"{WORDS[0]}/0.wav\n")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("name", "data"), [("neurram-resnet", cifar), ("neurram-lstm", words)])
def test_a_users_folder_is_run(name: str, data: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs ndrite[train]")
    folder = tmp_path / "data"
    folder.mkdir()
    data(folder)
    assert run(["replicate", name, "--quick", "--folder", str(folder), "-o", str(tmp_path)]) == OK
    kept = json.loads((tmp_path / "replicate.json").read_text())[name]
    assert {r["data"] for r in kept["runs"]} == {"cifar-10" if data is cifar else "speech-commands"}
    assert not any(n["stand_in"] for n in kept["numbers"])
    assert any(n["key"] == "0.2 0.1" for n in kept["numbers"])


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replicate", "none"]) == BAD_INPUT
    capsys.readouterr()
    assert run(["replicate", "neurram-energy", "-o", str(tmp_path / "none")]) == BAD_INPUT
    assert "output folder is" in capsys.readouterr().err
    (tmp_path / "replicate.json").write_text("[]")
    assert run(["replicate", "neurram-energy", "-o", str(tmp_path)]) == BAD_INPUT
    assert "replicate.json: not replications" in capsys.readouterr().err
    assert run(["replicate"]) == OK
    assert "Speech Commands" in capsys.readouterr().out
    assert run(["replicate", "--json"]) == OK
    assert [r["name"] for r in json.loads(capsys.readouterr().out)["replications"]] == list(NAMES)

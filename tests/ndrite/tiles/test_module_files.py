"""Modules from a user's file: commands, other processes, kept results, and what is
refused in one line."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.extras import needs

needs("torch")

import torch
from torch import nn

import ndrite
from ndrite.shell.main import BAD_INPUT, OK, run
from tests.docs.given import MODEL
from tests.refusals import refused


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder's model.py."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return path


def told(capsys: Any, words: str) -> Any:
    """What a command prints as JSON."""
    assert run([*words.split(), "--json"]) == OK
    return json.loads(capsys.readouterr().out)


def names(file: Path) -> Any:
    """The functions of a file."""
    space: dict[str, Any] = {}
    exec(file.read_text(), space)
    return space


def test_the_commands_do_what_the_functions_do(file: Path, capsys: Any) -> None:
    own = names(file)
    model, given = own["make"](), {"samples": own["samples"](), "metric": own["metric"]}
    loss = ndrite.explain(model, chip="wan2022", **given, seed=3, dies=2)
    assert told(capsys, "explain model.py:make --chip wan2022 --seed 3 --dies 2") == loss.as_dict()
    assert loss.seeds == (3, 4)
    assert list(loss.products) == ["0", "2"]
    without = told(capsys, "explain model.py:make --chip wan2022 --seed 3 --no-products")
    assert without["products"] == {}
    limit = 0.8 * abs(loss.causes["die (golden model)"][0] - loss.reference)
    placed = ndrite.place(model, "wan2022", **given, seed=3, loss=limit)
    assert len(placed.digital) == 1
    assert told(capsys, f"place model.py:make --chip wan2022 --seed 3 --loss {limit}") == placed.as_dict()
    account = ndrite.cost(model, chip="wan2022", samples=given["samples"])
    assert told(capsys, "cost model.py:make --chip wan2022") == account.as_dict()
    tiled = ndrite.analog(model, "wan2022", samples=given["samples"])
    assert account.as_dict() == ndrite.cost_of(tiled, given["samples"]).as_dict()
    file.write_text(MODEL + 'print("run", file=open("runs", "a"))\n')
    page = told(
        capsys, "report model.py:make --chip wan2022 --seed 3 --dies 2 -o page.html --figures pictures"
    )
    assert file.with_name("runs").read_text() == "run\n"
    on_first_die = ndrite.cost_of(
        ndrite.analog(model, "wan2022", samples=given["samples"], seed=3), given["samples"]
    )
    assert page == loss.as_dict() | {
        "multiplications_on_tiles": 1.0,
        "cost": on_first_die.as_dict(),
        "output": "page.html",
    }
    text = file.with_name("page.html").read_text().replace("<wbr>", "")
    for number in (
        *(f"{np.mean(values):.5g}" for values in loss.causes.values()),
        "model.py:make",
        "seeds</td><td>3, 4",
    ):
        assert number in text
    assert {path.name for path in (file.parent / "pictures").iterdir()} == {"loss.svg", "loss.pdf"}
    assert run(["explain", "model.py:make", "--chip", "wan2022", "--no-products", "-p", "loss.png"]) == OK
    assert file.with_name("loss.png").read_bytes()[:4] == b"\x89PNG"
    capsys.readouterr()
    few = ndrite.cost(model, chip="wan2022", samples=given["samples"], count=5)
    assert few.as_dict() == ndrite.cost_of(tiled, given["samples"][:5]).as_dict()


def test_other_processes_and_kept_results_give_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file itself, and from objects that pickle takes; a kept die
    is not done again."""
    here = ndrite.explain("model.py:make", chip="wan2022", dies=2)
    assert ndrite.explain("model.py:make", chip="wan2022", dies=2, workers=2).as_dict() == here.as_dict()
    model, x = nn.Linear(6, 3).eval(), torch.rand(64, 6)
    given: dict[str, Any] = {"chip": "wan2022", "samples": x, "metric": total}
    wanted = ndrite.explain(model, **given, dies=2).as_dict()
    (first,) = ndrite.explain(model, **given, folder="kept").causes["drift"]
    assert first == wanted["causes"]["drift"]["dies"][0]
    calls.clear()
    assert ndrite.explain(model, **given, folder="kept", dies=2).as_dict() == wanted
    assert len(calls) == 1 + len(wanted["causes"]) + 1, "the second die alone: floats, causes, one product"
    with pytest.raises(ndrite.InputError, match="metric cannot be sent to other processes"):
        ndrite.explain(model, chip="wan2022", samples=x, metric=lambda m: total(m), folder="kept")


calls: list[int] = []


def total(module: Any) -> Any:
    """Metric, told of in ``calls``."""
    calls.append(1)
    return module(torch.linspace(0, 1, 24).view(4, 6)).sum()


def test_time_that_is_up_ends_the_search_with_a_placement(file: Path) -> None:
    """Without time everything is digital, as nothing else is known to be good enough."""
    placed = ndrite.place("model.py:make", "wan2022", loss=1e-6, minutes=0)
    assert placed.digital == ("0", "2")
    assert placed.harm == {}
    assert placed.curve[-1] == (2, 0.0, pytest.approx(placed.reference))
    assert placed.curve[0][0] == 0
    assert placed.module.ndrite.digital == {"0", "2"}


def test_what_is_wrong_with_a_file_is_one_line(file: Path, capsys: Any) -> None:
    for old, new, words in (
        (
            "import torch\n",
            "import no_such\n",
            "model.py raised ModuleNotFoundError: No module named 'no_such'",
        ),
        ("import torch\n", "import torch\nraise SystemExit(3)\n", "model.py raised SystemExit: 3"),
        ("def samples", "def others", "model.py has no function samples; accepted: a file with samples()"),
        ("def metric", "def others", "model.py: metric is None; accepted: a function of the module"),
        ("import torch\n", "import torch\ndef (\n", "model.py raised SyntaxError: "),
        ("def make():\n", "def make():\n    1 / 0\n", "make() raised ZeroDivisionError: division by zero"),
        (
            "    return torch.rand",
            "    return 7 or torch.rand",
            "samples hold a int; accepted: tensors, tuples",
        ),
        (
            "(module):\n",
            "(module):\n    return [1]\n",
            "the metric gave [1]; accepted: a finite",
        ),
    ):
        file.write_text(MODEL.replace(old, new, 1))
        for words_of in ("explain model.py:make --chip ideal", "place model.py:make --chip ideal --loss 1"):
            assert run(words_of.split()) == BAD_INPUT
            error = capsys.readouterr().err.strip().splitlines()
            assert words in error[-1], error
            assert not any("Traceback" in line for line in error)
    for words_of, words in (
        ("explain model.py:none --chip ideal", "model.py has no function none; accepted: a file with none()"),
        ("explain gone.py:make --chip ideal", "gone.py: no such file"),
        ("explain model.py:make", "chip is missing; accepted: a preset"),
        ("cost model.py:make", "chip is missing; accepted: a preset"),
        (
            "explain model.py:make --chip ideal --count 5",
            "count is 5, but it does not apply to a PyTorch module",
        ),
        (
            "explain mine --chip ideal",
            "chip is ideal, but it does not apply to a compiled network; accepted options: inp",
        ),
        (
            "cost --chip ideal",
            "chip is ideal, but it does not apply to a compiled network; accepted options: inputs, data",
        ),
    ):
        file.write_text(MODEL)
        assert run(words_of.split()) == BAD_INPUT
        assert words in capsys.readouterr().err


LINEAR = nn.Linear(6, 3)
test_wrong_arguments_say_what_is_accepted = refused(
    (ndrite.InputError, ndrite.EmulatorError),
    (lambda: ndrite.explain(LINEAR, chip="ideal"), "samples is None; accepted: typical inputs"),
    (
        lambda: ndrite.place(LINEAR, "ideal", torch.rand(20, 6), 5, loss=1),
        "metric is 5; accepted: a function",
    ),
    (lambda: ndrite.place(7, "ideal", 1, total, loss=1), "model is a int; accepted: a torch.nn.Module"),
    (lambda: ndrite.explain("model.py:make", chip="ideal", samples=7), "samples hold a int; accepted"),
    (lambda: ndrite.explain("model.py:make", chip="ideal", metric=7), "metric is 7; accepted: a function"),
    (lambda: ndrite.explain(LINEAR, "ideal"), "inputs is ideal, but it does not apply to a PyTorch module"),
)


def test_a_sweep_of_a_module_has_the_metric_that_explain_has(file: Path, capsys: Any) -> None:
    """Its dies are those of explain and its cost that of cost; workers
    compute the same rows."""
    pytest.importorskip("pyarrow", reason="needs ndrite[sweep]")
    file.with_name("p.yaml").write_text(
        "chip: wan2022\nnetworks: ['model.py:make']\ngrid: {cell.levels: [4, 256]}\nseeds: [3, 4]\n"
    )
    rows = told(capsys, "sweep p.yaml")["rows"]
    wan = ndrite.load_chip("wan2022")
    for levels in (4, 256):
        chip = dataclasses.replace(wan, cell=dataclasses.replace(wan.cell, levels=levels))
        loss = ndrite.explain("model.py:make", chip=chip, seed=3, dies=2)
        mine = [row for row in rows if row["cell.levels"] == levels]
        assert [row["metric"] for row in mine] == list(loss.causes["die (golden model)"])
        assert {row["metric_float"] for row in mine} == {loss.reference}
        assert [row["change"] for row in mine] == [abs(row["metric"] - loss.reference) for row in mine]
        energy = float(ndrite.cost("model.py:make", chip=chip, count=32).total.energy_pJ[1])
        assert mine[0]["energy_pJ"] == pytest.approx(energy, rel=0.02)  # of die 0
    means = {
        levels: [
            sum(row[name] for row in rows if row["cell.levels"] == levels) for name in ("energy_pJ", "change")
        ]
        for levels in (4, 256)
    }
    for levels, other in ((4, 256), (256, 4)):
        is_beaten = all(a >= b for a, b in zip(means[levels], means[other], strict=True))
        fronts = {row["front"] for row in rows if row["cell.levels"] == levels}
        assert fronts == {not is_beaten}
    other = told(capsys, "sweep p.yaml -o other --workers 2")["rows"]
    times = {"seconds": None}
    assert [row | times for row in other] == [row | times for row in rows]


def test_a_sweep_divides_channels_as_explain_does(file: Path, capsys: Any) -> None:
    """The cost has a multiplication for each input more."""
    pytest.importorskip("pyarrow", reason="needs ndrite[sweep]")
    plan = "chip: wan2022\nnetworks: ['model.py:make']\nseeds: [3]\n"
    rows = []
    for number, more in enumerate(("", "channel_ranges: 0.5\n")):
        file.with_name("p.yaml").write_text(plan + more)
        rows += told(capsys, f"sweep p.yaml -o {number}")["rows"]
    loss = ndrite.explain("model.py:make", chip="wan2022", seed=3, channel_ranges=0.5)
    assert rows[1]["metric"] == loss.causes["die (golden model)"][0] != rows[0]["metric"]
    assert rows[1]["energy_pJ"] > rows[0]["energy_pJ"]


@pytest.mark.parametrize(
    ("plan", "said"),
    [  # fields of a plan besides chip, and what is refused
        ("networks: ['away.py:make']", "networks is away.py; accepted: an existing file"),
        ("networks: ['model.py:make', '{}']", "accepted: modules alone, or files of networks alone"),
        ("networks: ['model.py:make']\ncount: 20", "count is 20; accepted: none with modules"),
        ("networks: ['model.py:make']\ninputs: x.npy", "inputs is x.npy; accepted: none with modules"),
        (
            "networks: ['model.py:make']\nchannel_ranges: 1.5",
            "channel_ranges is 1.5; accepted: a share, 0.0..1.0",
        ),
        ("channel_ranges: 0.5", "channel_ranges is 0.5; accepted: none without modules"),
    ],
)
def test_a_plan_of_modules_is_checked(file: Path, capsys: Any, plan: str, said: str) -> None:
    network = str(ndrite.emulator.network.zoo.float_network())
    file.with_name("p.yaml").write_text(f"chip: wan2022\n{plan.replace('{}', network)}\n")
    assert run(["sweep", "p.yaml"]) == BAD_INPUT
    assert said in " ".join(capsys.readouterr().err.split())

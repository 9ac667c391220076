"""The engine of runs: nothing is lost, nothing is done twice, and everything that goes
wrong is one line."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.spec.errors import SpecError
from ndrite.emulator.spec.state_file import StateError, save_state
from ndrite.host.errors import DeviceError, LinkError
from ndrite.runs import File, Run, code, engine, execute, open_workers
from ndrite.runs.cluster import Cluster
from ndrite.runs.engine import Outcome, Share, folder_beside
from ndrite.runs.run import RunError
from ndrite.runs.workers import Here, WorkerLost, _perform
from tests.extras import needs

WORK = "tests.ndrite.runs_work"
ROOT = Path(__file__).parents[2]


def counted(folder: Path, count: int, **rest: Any) -> list[Run]:
    """Runs that note in ``folder`` that they were done."""
    return [Run(f"{WORK}:note", {"folder": str(folder), "number": i, **rest}) for i in range(count)]


def done(folder: Path) -> list[int]:
    """Numbers of the runs that were done, as often as they were."""
    return sorted(int(path.name.split(".")[0]) for path in folder.glob("*.done"))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


@pytest.mark.parametrize("count", [1, 3])
def test_rows_stand_in_the_order_of_the_runs_and_are_done_once(count: int, notes: Path) -> None:
    runs = counted(notes, 12)
    with open_workers(count) as workers:
        first = execute(runs[4:9], workers, notes / "out")
        whole = execute([*runs, runs[3]], workers, notes / "out")
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())  # Ctrl-C stops what follows
    assert [row["square"] for row in first.rows if row] == [16, 25, 36, 49, 64]
    assert [row["square"] for row in whole.rows if row] == [*(i * i for i in range(12)), 9]
    assert done(notes) == list(range(12))


def test_a_worker_process_computes_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are processors, in each of as many workers, would wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with open_workers(2) as workers:
        counts = workers.submit(Run(f"{WORK}:threads", {})).result()["counts"]
    assert len(counts) > 1
    assert set(counts) == {1}


def test_a_run_that_fails_is_kept_with_its_error_and_tried_again(notes: Path) -> None:
    runs = counted(notes, 5, fails=[3])
    said: list[str] = []
    with open_workers(2) as workers:
        outcome = execute(runs, workers, notes / "out", say=said.append)
    assert [row is None for row in outcome.rows] == [False, False, False, True, False]
    assert outcome.errors == {3: "ValueError: number 3 fails"}
    assert said == ["failed: number 3: ValueError: number 3 fails"]
    (notes / "mended").touch()
    with open_workers() as workers:
        assert not execute(runs, workers, notes / "out").errors
    assert done(notes) == [0, 1, 2, 3, 4]


def test_of_several_failures_the_first_is_named() -> None:
    outcome = Outcome([{"a": 1}, None, {"b": 2}, None], {3: "late", 1: "early"})
    with pytest.raises(RunError, match=r"^2 of 4 points failed; .*; first failure: point 1: early$"):
        outcome.done("points", lambda number: f"point {number}")
    of_a_share = Outcome([{"a": 1}, None, {}], {})
    assert of_a_share.done("points", str) == [{"a": 1}, {}]


def test_a_failed_run_is_described_by_its_first_eight_short_parameters(notes: Path) -> None:
    short, shown = {f"p{i}": i for i in range(6)}, "p0 0, p1 1, p2 2, p3 3, p4 4, p5 5"
    long = {"list": [1], "text": 30 * "x"}
    said: list[str] = []
    run = Run(f"{WORK}:fails", {**short, **long, "name": 29 * "y", "share": 0.5, "ninth": 9})
    execute([run], Here(), notes / "out", say=said.append)
    assert said[0].startswith(f"failed: {shown}, name {29 * 'y'}, share 0.5: TypeError:")


@pytest.mark.parametrize(("places", "under_way"), [(3, [3, 3, 3, 2, 1]), (0, [1, 1, 1, 1, 1])])
def test_as_many_runs_are_under_way_as_there_are_places(
    places: int, under_way: list[int], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waiting(Here):
        def submit(self, run: Run) -> Future[dict[str, Any]]:
            return Future()

    counts = []

    def end_first(futures: dict[Future[dict[str, Any]], str], return_when: str) -> Any:
        counts.append(len(futures))
        first = next(iter(futures))
        first.set_result({"square": 0})
        return SimpleNamespace(done={first})

    workers = Waiting()
    workers.places = places
    monkeypatch.setattr(engine, "wait", end_first)
    execute(counted(notes, 5), workers, notes / "out")
    assert counts == under_way


@pytest.mark.parametrize(
    ("error", "name"),
    [(WorkerLost("a board"), "a board"), (CancelledError(), "the connection to the workers")],
)
def test_a_run_that_loses_its_worker_three_times_fails(error: Exception, name: str, notes: Path) -> None:
    submitted, said = [], []

    class Losing(Here):
        def submit(self, run: Run) -> Future[dict[str, Any]]:
            submitted.append(run.key)
            future: Future[dict[str, Any]] = Future()
            future.set_exception(error)
            return future

    (run,) = counted(notes, 1)
    outcome = execute([run], Losing(), notes / "out", say=said.append)
    assert outcome.errors == {0: f"its worker went away 3 times ({name})"}
    assert submitted == [run.key] * 3
    assert said[0] == f"lost {name}; its run is done again"
    assert said[1].startswith("failed: ")


def test_a_result_is_stored_before_the_next_run_begins(notes: Path) -> None:
    stored = []

    def look(number: int, total: int) -> None:
        stored.append((number, len(done(notes)), len(list((notes / "out/runs").iterdir()))))

    execute(counted(notes, 3), Here(), notes / "out", progress=look)
    assert stored == [(n, n, n) for n in range(4)]


KINDS = ("ValueError", "TypeError", "OSError", "ZeroDivisionError", "IndexError", "MemoryError")


def test_whatever_goes_wrong_in_a_run_is_one_line_and_counted(notes: Path) -> None:
    """Those of one key, and those that are done, count once."""
    runs = [Run(f"{WORK}:fails", {"kind": kind}) for kind in KINDS]
    seen: list[tuple[int, int]] = []
    said: list[str] = []
    with open_workers() as workers:
        execute(counted(notes, 2), workers, notes / "out")
        outcome = execute(
            [*counted(notes, 3), *runs, runs[1]], workers, notes / "out", say=said.append,
            progress=lambda *at: seen.append(at),
        )  # fmt: skip
        texts = [f"{kind}: one two" for kind in KINDS]
        assert outcome.errors == dict(enumerate([*texts, texts[1]], 3))
        assert sorted(said) == sorted(f"failed: kind {k}: {t}" for k, t in zip(KINDS, texts, strict=True))
        assert seen == [(done, 9) for done in range(2, 10)]


def test_a_board_error_in_a_process_without_a_board_is_an_error_of_the_run() -> None:
    """From a user's metric, or the golden model: no other worker can do better."""
    with pytest.raises(RunError, match=r"^HostError: one"):
        _perform(Run(f"{WORK}:fails", {"kind": "HostError"}))


def test_a_worker_that_dies_is_named_and_its_runs_done_elsewhere(notes: Path) -> None:
    said: list[str] = []
    with open_workers(2) as workers:
        outcome = execute(counted(notes, 8, kills=[2]), workers, notes / "out", say=said.append)
    assert [row["square"] for row in outcome.rows if row] == [i * i for i in range(8)]
    assert re.search(r"lost a local process \(process \d+, exit code -9\)", said[0])


def asked(folder: Path, hung: int = 3) -> list[Run]:
    """Runs on boards, of which those with a geometry hang after so many."""
    return [Run(f"{WORK}:ask", {"folder": str(folder), "number": i, "hung": hung}) for i in range(8)]


def test_a_board_that_hangs_gives_its_run_to_another(notes: Path) -> None:
    said: list[str] = []
    with open_workers(boards=["golden:", "golden:tiny"]) as workers:
        outcome = execute(asked(notes, hung=0), workers, notes / "out", say=said.append)
    assert [row["square"] for row in outcome.rows if row] == [i * i for i in range(8)]
    assert done(notes) == list(range(8))
    (line,) = said
    assert line.startswith("lost board golden:tiny (device refused a run: hung;")


def test_without_a_board_that_works_what_is_done_stays(notes: Path) -> None:
    with (
        open_workers(boards=["golden:8-lane", "golden:tiny"]) as workers,
        pytest.raises(LinkError, match="no board is left; the last one failed: board golden:"),
    ):
        execute(asked(notes), workers, notes / "out")
    kept = done(notes)
    assert 3 <= len(kept) <= 4
    with open_workers(boards=["golden:tiny"]) as workers, pytest.raises(DeviceError, match="hung"):
        execute(asked(notes), workers, notes / "out")
    with open_workers(boards=["golden:", "golden:"]) as workers:
        assert all(execute(asked(notes), workers, notes / "out").rows)
    assert done(notes) == list(range(8))


def test_a_script_that_is_no_file_is_told_so_once(tmp_path: Path) -> None:
    """Its workers cannot import it."""
    code = "from ndrite.runs import open_workers\nwith open_workers(2): pass\n"
    script = subprocess.run(
        [sys.executable, "-"], input=code, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    guard = "a script in a file, its call below: if __name__"
    told = f"RunError: worker processes ended while starting; accepted: {guard}"
    assert told in script.stderr
    assert script.stderr.count("stdin") < 10


def test_a_run_that_kills_every_worker_fails_alone(notes: Path) -> None:
    with open_workers(2) as workers:
        outcome = execute(counted(notes, 5, kills=[1], always=True), workers, notes / "out")
    assert list(outcome.errors) == [1]
    assert "went away 3 times" in outcome.errors[1]
    assert set(done(notes)) == {0, 2, 3, 4}


def test_results_of_another_plan_are_told_and_left(notes: Path) -> None:
    told: list[str] = []
    for times, number in ((1, 3), (2, 2)):
        runs = counted(notes, number, pause=0.001 * times)
        with open_workers() as workers:
            execute(runs, workers, notes / "out", say=told.append)
    assert told == [f"{notes / 'out'} has 3 results of another plan or other code, which stay as they are"]
    assert len(list((notes / "out" / "runs").iterdir())) == 5


def test_shares_are_disjoint_and_joined_by_the_same_call(notes: Path) -> None:
    runs = counted(notes, 10)
    with open_workers() as workers:
        for i in (2, 3, 1):
            part = execute(runs, workers, notes / "out", share=(i, 3))
            assert all(row is not None for row in part.rows[i - 1 :: 3])
        assert len(done(notes)) == 10
        whole = execute(runs, workers, notes / "out")
    assert [row["square"] for row in whole.rows if row] == [i * i for i in range(10)]
    assert done(notes) == list(range(10))


def test_an_edited_or_torn_result_is_refused_by_name(notes: Path) -> None:
    runs = counted(notes, 2)
    with open_workers() as workers:
        execute(runs, workers, notes / "out")
        file = notes / "out" / "runs" / f"{runs[1].key}.run"
        for content in (
            file.read_bytes().replace(b'"square": 1', b'"square": 2'),
            file.read_bytes()[:-4],
            b"",
        ):
            file.write_bytes(content)
            with pytest.raises(SpecError, match=file.name):
                execute(runs, workers, notes / "out")


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_a_file_that_is_no_result_is_refused_with_what_to_do(content: bytes, notes: Path) -> None:
    (run,) = counted(notes, 1)
    execute([run], Here(), notes / "out")
    (file,) = (notes / "out/runs").iterdir()
    save_state(file, {"key": run.key}, content, code=run.key)
    with pytest.raises(
        StateError, match=f"{file.name}: not the result of a run; delete it to do the run again"
    ):
        execute([run], Here(), notes / "out")


def test_results_lie_beside_the_output_or_in_a_folder_that_goes_away(tmp_path: Path) -> None:
    with folder_beside(tmp_path / "page.html", (1, 2)) as folder:
        assert folder == tmp_path / ".page.html.runs"
    with folder_beside(None, None) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(RunError, match="shard is given without output"), folder_beside(None, (1, 2)):
        pass


@pytest.mark.parametrize(
    ("option", "given"),
    [("workers", {"count": 2}), ("scheduler", {"scheduler": "tcp://127.0.0.1:1"})],
)
def test_boards_and_other_workers_are_not_mixed(option: str, given: dict[str, Any]) -> None:
    refused = pytest.raises(RunError, match=f"{option} is given with board golden:tiny")
    with refused, open_workers(**given, boards=["golden:tiny"]):
        pass


def hold(folder: Path, ready: Any, go: Any) -> None:
    class Waiting:
        places = 1

        def submit(self, run: Run) -> Any:
            ready.set()
            go.wait()
            with open_workers() as workers:
                return workers.submit(run)

        def close(self) -> None: ...

    execute(counted(folder, 1), Waiting(), folder / "out")


def test_two_engines_on_one_folder(notes: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=hold, args=(notes, ready, go))
    other.start()
    try:
        assert ready.wait(60)
        with (
            open_workers() as workers,
            pytest.raises(RunError, match="another process is working in this folder"),
        ):
            execute(counted(notes, 1), workers, notes / "out")
    finally:
        go.set()
        other.join(60)
    assert other.exitcode == 0


# The share of the engine at work in the folder, that of a second engine (None: all
# runs), and whether the second is refused.
@pytest.mark.parametrize(
    ("share", "second_share", "refused"),
    [((1, 2), (2, 2), False), ((1, 2), (1, 2), True), ((1, 2), None, True), (None, (1, 2), True)],
)
def test_only_different_shares_work_in_one_folder(
    share: Share | None, second_share: Share | None, refused: bool, notes: Path
) -> None:
    runs = counted(notes, 2)

    def start_second(*progress: int) -> None:
        execute(runs, Here(), notes / "out", share=second_share)

    with pytest.raises(RunError, match="another process") if refused else contextlib.nullcontext():
        execute(runs, Here(), notes / "out", share=share, progress=start_second)
    assert done(notes) == ([] if refused else [0, 1])


TERMINATED = """
import os, signal
from ndrite.host.errors import LinkError
from ndrite.runs import workers
class Board:
    def close(self):
        print("closed", flush=True)
        raise LinkError("unplugged")
workers._connect = lambda url: Board()
workers._open("board:")
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_worker_that_is_terminated_closes_its_board() -> None:
    command = [sys.executable, "-c", TERMINATED]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "closed\n", "")


def test_a_key_is_of_content_and_code_and_not_of_comments(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "x.npy"
    np.save(file, np.arange(3))
    run = Run(f"{WORK}:total", {"x": File.of(file), "times": 2})
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "y.npy"
    moved.write_bytes(file.read_bytes())
    assert Run(f"{WORK}:total", {"x": File.of(moved), "times": 2}).key == run.key
    np.save(file, np.arange(4))
    changed = Run(f"{WORK}:total", {"x": File.of(file), "times": 2})
    assert len({run.key, changed.key, Run(run.function, {**run.parameters, "times": 3}).key}) == 3
    assert Run(run.function, {"times": 2, "x": File.of(moved)}).key == run.key
    assert changed.files == [changed.parameters["x"]]
    with pytest.raises(RunError, match=r"x\.npy has changed since the plan was read"):
        run.perform()


CODE = """
import json, sys
from ndrite.runs.code import code_digest, modules_of
print(json.dumps([code_digest("ndrite.sweeps.run"), len(modules_of("ndrite.sweeps.run"))]))
"""


def code_of(folder: Path) -> Any:
    env = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=folder, env=env, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_code_counts_without_comments(tmp_path: Path) -> None:
    for name in ("ndrite", "emulator", "boards", "host", "hdl"):
        for path in (ROOT / name).rglob("*.py"):
            copy = tmp_path / ("" if name == "ndrite" else "ndrite") / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    before, count = code_of(tmp_path)
    assert count > 100
    used = tmp_path / "ndrite/emulator/golden/noise.py"
    used.write_text("# A comment.\n\n" + used.read_text().replace('"""noise:', '"""the noise:'))
    (tmp_path / "ndrite/verbs/learn.py").write_text("raise ValueError")
    assert code_of(tmp_path)[0] == before
    used.write_text(used.read_text() + "\nMORE = 1\n")
    assert code_of(tmp_path)[0] != before


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``small``, a package whose code counts, without digests remembered
    from other tests."""
    monkeypatch.setattr(code, "OWN", ("small",))
    monkeypatch.setattr(code, "folder", lambda name: tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small/__init__.py").touch()
    return tmp_path / "small"


def digest_of(file: Path, text: str) -> str:
    """Write a module of ``small`` and return its code digest."""
    file.write_text(text)
    for remembered in (code.code_digest, code._modules, code._roots):
        remembered.cache_clear()
    return code.code_digest(f"small.{file.stem}")


IMPORTS = """
import small.whole, os.path
from json import loads
from small import member
from small.inner import module, CONSTANT
def work():
    from small.late import function
"""


def test_modules_are_found_in_every_form_of_import(small: Path) -> None:
    (small / "inner").mkdir()
    for name in ("whole", "member", "inner/__init__", "inner/module", "inner/unused", "late", "unused"):
        (small / f"{name}.py").touch()
    digest_of(small / "work.py", IMPORTS)
    used = ["inner", "inner.module", "late", "member", "whole", "work"]
    assert code.modules_of("small.work") == ["small", *(f"small.{name}" for name in used)]


def test_a_package_counts_with_the_only_module_that_is_imported(small: Path) -> None:
    (small / "inner").mkdir()
    for name in ("inner/__init__", "inner/module"):
        (small / f"{name}.py").touch()
    digest_of(small / "work.py", "from small.inner.module import function")
    assert code.modules_of("small.work") == ["small", "small.inner", "small.inner.module", "small.work"]


def test_modules_that_did_not_change_are_not_parsed_again(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = digest_of(small / "work.py", "SIZE = 1")
    monkeypatch.setattr(code, "_parsed", None)
    assert digest_of(small / "work.py", "SIZE = 1") == digest


DESCRIBED = """
'''a module'''
LIMIT = 1
'''a constant'''
class Box:
    '''a class'''
    size = 2
    def open(self):
        '''a method'''
        return 3
async def wait():
    '''a coroutine'''
    return 4
"""


def test_a_digest_is_of_statements_and_not_of_their_descriptions(small: Path) -> None:
    before = digest_of(small / "described.py", DESCRIBED)
    for word in re.findall("'''(.*)'''", DESCRIBED):
        assert digest_of(small / "described.py", DESCRIBED.replace(word, "other words")) == before, word
    for number in "1234":
        assert digest_of(small / "described.py", DESCRIBED.replace(number, "5")) != before, number


OTHER = {"ndrite": "0.0", "code of ndrite.emulator.golden.core": "other"}


@pytest.mark.parametrize(
    ("workers", "refusal"),
    [
        (ImportError("no ndrite\nhere"), r"cannot import ndrite \(ImportError: no ndrite here\)"),
        ({}, "has no worker; start one"),
        ({"tcp://one": OTHER}, "worker tcp://one: ndrite is 0.0; accepted: "),
    ],
)
def test_a_cluster_that_is_refused_is_left(workers: Any, refusal: str) -> None:
    class Client:
        closed = False

        def run(self, function: Any, needs: Any) -> Any:
            if isinstance(workers, Exception):
                raise workers
            return workers

        def close(self, timeout: float) -> None:
            self.closed = True

    cluster, client = Cluster.__new__(Cluster), Client()
    cluster._address, cluster._client = "tcp://127.0.0.1:1", client
    with pytest.raises(RunError, match=refusal):
        cluster._check(())
    assert client.closed


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:1"])
def test_a_scheduler_is_named_as_dask_does(address: str) -> None:
    needs("distributed")
    with pytest.raises(RunError, match="accepted: tcp://HOST:PORT or tls://HOST:PORT"):
        Cluster(address)

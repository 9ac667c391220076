"""The engine of runs: nothing is lost, nothing is done twice, and everything that goes wrong is one line."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.spec.errors import SpecError
from ndrite.runs import File, Run, execute, open_workers
from ndrite.runs.run import RunError
from ndrite.runs.workers import Cluster
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
    assert [row["square"] for row in first.rows if row] == [16, 25, 36, 49, 64]
    assert [row["square"] for row in whole.rows if row] == [*(i * i for i in range(12)), 9]
    assert done(notes) == list(range(12))


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


def test_a_worker_that_dies_is_named_and_its_runs_done_elsewhere(notes: Path) -> None:
    said: list[str] = []
    with open_workers(2) as workers:
        outcome = execute(counted(notes, 8, kills=[2]), workers, notes / "out", say=said.append)
    assert [row["square"] for row in outcome.rows if row] == [i * i for i in range(8)]
    assert re.search(r"lost a local process \(process \d+, exit code -9\)", said[0])
    assert outcome.lost


def test_a_run_that_kills_every_worker_fails_alone(notes: Path) -> None:
    with open_workers(2) as workers:
        outcome = execute(counted(notes, 5, kills=[1], always=True), workers, notes / "out")
    assert list(outcome.errors) == [1]
    assert "went away 3 times" in outcome.errors[1]
    assert set(done(notes)) == {0, 2, 3, 4}


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


def hold(folder: Path, ready: Any, go: Any) -> None:
    class Waiting:
        count = 1

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
        with open_workers() as workers, pytest.raises(RunError, match="another process works on it"):
            execute(counted(notes, 1), workers, notes / "out")
    finally:
        go.set()
        other.join(60)
    assert other.exitcode == 0


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


def process(*words: str, **environment: str) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])} | environment
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], env=env, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def secured(folder: Path) -> dict[str, str]:
    """Dask's settings for TLS, with a key and a certificate made now."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    settings = {"CA_FILE": certificate, "REQUIRE_ENCRYPTION": "True"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings |= {f"{role}__CERT": certificate, f"{role}__KEY": key}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(value) for name, value in settings.items()}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Address of a scheduler with two workers over TLS, and the three processes, all on 127.0.0.1."""
    needs("distributed")
    import dask

    for name, value in secured(tmp_path).items():
        monkeypatch.setenv(name, value)
    dask.config.refresh()
    file = tmp_path / "scheduler.json"
    plain = ("--scheduler-file", str(file))
    started: dict[str, subprocess.Popen[str]] = {}
    try:
        started["scheduler"] = process(
            "dask_scheduler",
            "--protocol",
            "tls",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            *plain,
        )
        for name in ("one", "two"):
            started[name] = process(
                "dask_worker", *plain, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name,
                "--local-directory", str(tmp_path),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], started
    finally:
        for each in started.values():
            each.kill()
            each.wait()
        monkeypatch.undo()
        dask.config.refresh()


def connected(address: str, workers: int = 2) -> Cluster:
    """The cluster once so many workers are there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            opened = Cluster(address)
        except RunError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            continue
        if opened.count >= workers:
            return opened
        opened.close()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_a_cluster_gives_the_rows_of_one_process(cluster: Any, notes: Path) -> None:
    address, started = cluster
    assert address.startswith("tls://127.0.0.1:")
    file = notes / "x.npy"
    np.save(file, np.arange(5))
    runs = [Run(f"{WORK}:total", {"x": File.of(file), "times": i}) for i in range(6)]
    runs += counted(notes, 20, pause=0.05)
    with open_workers() as workers:
        expected = execute(runs[:6], workers, notes / "alone")
    opened = connected(address)
    killed: list[bool] = []

    def kill(finished: int, total: int) -> None:
        if finished == 10 and not killed:
            killed.append(True)
            os.kill(started["one"].pid, signal.SIGKILL)

    try:
        outcome = execute(runs, opened, notes / "out", progress=kill)
    finally:
        opened.close()
    assert killed
    assert not outcome.errors
    assert outcome.rows[:6] == expected.rows
    assert [row["square"] for row in outcome.rows[6:] if row] == [i * i for i in range(20)]
    sealed = {path.name for path in (notes / "out" / "runs").iterdir()}
    assert sealed == {f"{run.key}.run" for run in runs}


@pytest.mark.slow
def test_a_scheduler_that_is_restarted_loses_nothing(cluster: Any, notes: Path) -> None:
    address, started = cluster
    runs = counted(notes, 8)
    opened = connected(address)
    try:
        execute(runs[:5], opened, notes / "out")
    finally:
        opened.close()
    for name in ("scheduler", "one", "two"):
        started[name].kill()
        started[name].wait()
    with pytest.raises(RunError, match="does not answer"):
        Cluster(address)
    assert done(notes) == [0, 1, 2, 3, 4]
    with open_workers() as workers:
        whole = execute(runs, workers, notes / "out")
    assert [row["square"] for row in whole.rows if row] == [i * i for i in range(8)]
    assert done(notes) == list(range(8))


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:1"])
def test_a_scheduler_is_named_as_dask_does(address: str) -> None:
    needs("distributed")
    with pytest.raises(RunError, match="accepted: tcp://HOST:PORT or tls://HOST:PORT"):
        Cluster(address)

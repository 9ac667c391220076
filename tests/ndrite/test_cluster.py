"""Runs on a Dask scheduler over TLS: the numbers of one process, whatever
dies in the middle."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.runs import File, Run, execute, open_workers
from ndrite.runs.cluster import AHEAD, Cluster
from ndrite.runs.run import RunError
from studies import runner
from tests.chips import centred_network, samples
from tests.extras import needs
from tests.ndrite.test_runs import ROOT, WORK, counted, done

pytestmark = pytest.mark.slow


def process(*words: str) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:], "--no-dashboard"]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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


class Started:
    """A scheduler and two workers, processes on 127.0.0.1 that talk over TLS."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, dict[str, subprocess.Popen[str]]()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tls://127.0.0.1:{free.getsockname()[1]}"
        self.start()

    def start(self) -> None:
        """Start the three of them, each anew where it is there."""
        self.kill(*self.processes)
        port = self.address.rpartition(":")[2]
        self.processes["scheduler"] = process(
            "dask_scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", port
        )
        for name in ("one", "two"):
            self.processes[name] = process(
                "dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--name", name,
                "--local-directory", str(self.folder),
            )  # fmt: skip

    def kill(self, *names: str) -> None:
        for name in names:
            self.processes[name].kill()
            self.processes[name].wait()

    def opened(self) -> Cluster:
        """The cluster once both workers are there."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(RunError):
                cluster = Cluster(self.address)
                if cluster.places == 2 * AHEAD:
                    return cluster
                cluster.close()
            time.sleep(0.1)
        raise AssertionError("no scheduler with two workers within a minute")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    needs("distributed")
    import dask

    for name, value in secured(tmp_path).items():
        monkeypatch.setenv(name, value)
    dask.config.refresh()
    started = Started(tmp_path)
    try:
        yield started
    finally:
        started.kill(*started.processes)
        monkeypatch.undo()
        dask.config.refresh()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def tables(scheduler: str | None) -> dict[str, Any]:
    """What a sweep, a study, a campaign and dies that learn say, without their seconds."""
    folder = Path("there" if scheduler else "here")
    folder.mkdir()
    plan = {"chip": "wan2022", "networks": ["small.npz"], "inputs": "x.npy", "labels": "y.npy", "seeds": 2}
    plan |= {"samples": 40, "count": 20, "grid": {"cell.levels": [8, 16]}}
    swept = ndrite.sweep(plan, output=folder / "swept", scheduler=scheduler)
    campaign = ndrite.campaign(
        "mine", "x.npy", "y.npy", chips=70, output=folder / "votes", scheduler=scheduler
    )
    how = {"data": "digits", "hidden": "8", "samples": 60, "epochs": 1, "dies": 3}
    ndrite.learn(output=folder / "learned", scheduler=scheduler, **how)
    with open_workers(1, scheduler) as workers:
        study = runner.execute("xor", folder, workers, smoke=True)
    assert study is not None
    assert {path.name for path in folder.iterdir()} >= {"swept", "votes", "learned", "xor.json"}
    return {
        "sweep": [{k: v for k, v in row.items() if k != "seconds"} for row in swept.rows],
        "campaign": campaign.as_dict(),
        "learned": json.loads((folder / "learned").read_text()),
        "study": study.value["runs"],
    }


def test_verbs_and_studies_give_the_tables_of_one_process(
    cluster: Started, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = centred_network(12)
    network.save("small.npz")
    x = samples(network, 60)
    np.save("x.npy", x)
    np.save("y.npy", network.forward(x / np.float32(255)).argmax(axis=1))
    ndrite.compile(network, "wan2022", samples=x, output="mine", nominal=True)
    monkeypatch.setattr("ndrite.wafers.INFERENCES", 16 * 60)
    curves = [{"curve": curve, "seed": 0, "starts": 1} for curve in ("relu", "sigmoid")]
    monkeypatch.setattr(runner, "grid", lambda name, smoke: curves)
    alone = tables(None)
    cluster.opened().close()
    assert tables(cluster.address) == alone
    Path("only_here.py").touch()
    monkeypatch.syspath_prepend(here)
    told = r"worker tls://.*: only_here is missing; accepted: there, as here"
    with pytest.raises(RunError, match=told):  # before anything runs
        Cluster(cluster.address, ["only_here"])


def test_what_dies_in_the_middle_loses_nothing(cluster: Started, notes: Path) -> None:
    file = notes / "x.npy"
    np.save(file, np.arange(5))
    runs = [Run(f"{WORK}:total", {"x": File.of(file), "times": i}) for i in range(6)]
    runs += counted(notes, 24, pause=0.05)
    runs += [Run(f"{WORK}:total", {"x": File.of(file), "times": i}) for i in range(6, 9)]
    opened = cluster.opened()
    sealed: dict[int, int] = {}  # how often each run had been computed when its row was on the disk

    def disturb(finished: int, total: int) -> None:
        if finished == 12:
            os.kill(cluster.processes["one"].pid, signal.SIGKILL)
        if finished == 20 and not sealed:
            rows = [json.loads(path.read_bytes().partition(b"\n")[2])["row"] for path in keys()]
            computed = done(notes)
            sealed.update((n, computed.count(n)) for n in range(24) if {"square": n * n} in rows)
            cluster.start()

    def keys() -> list[Path]:
        return list((notes / "out" / "runs").iterdir())

    try:
        outcome = execute(runs, opened, notes / "out", progress=disturb)
    finally:
        opened.close()
    assert len(sealed) > 5
    assert not outcome.errors
    assert [row["total"] for row in outcome.rows if row and "total" in row] == [10 * i for i in range(9)]
    assert [row["square"] for row in outcome.rows if row and "square" in row] == [i * i for i in range(24)]
    assert {path.stem for path in keys()} == {run.key for run in runs}
    computed = done(notes)
    assert {n: computed.count(n) for n in sealed} == sealed


def test_a_scheduler_that_stays_away_is_one_line_and_nothing_is_lost(
    cluster: Started, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndrite.runs.cluster.PATIENCE_S", 4.0)
    runs = counted(notes, 12, pause=0.05)
    opened = cluster.opened()

    def end(finished: int, total: int) -> None:
        if finished == 5:
            cluster.kill("one", "two", "scheduler")

    try:
        with pytest.raises(
            RunError, match="has gone away; finished runs are kept, and the same command continues"
        ):
            execute(runs, opened, notes / "out", progress=end)
    finally:
        opened.close()
    kept = {path.name for path in (notes / "out" / "runs").iterdir()}
    assert len(kept) >= 5
    with pytest.raises(RunError, match="does not answer"):
        Cluster(cluster.address)
    with open_workers() as workers:
        whole = execute(runs, workers, notes / "out")
    assert [row["square"] for row in whole.rows if row] == [i * i for i in range(12)]

"""ndrite report: its numbers, what it refuses, and the page in a real browser at two widths."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from emulator.golden import Core
from emulator.mapping import map_network
from emulator.network import Dense, Ndr, Network
from emulator.network.datasets import digits
from ndrite.cli.main import BAD_INPUT, OK, run
from ndrite.dies import save_both

SECTIONS = "chip network accuracy errors neurons cells tiles cycles cost board provenance".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run: 64 digit pixels, 12 NDR neurons, 10 outputs, on the dendritic chip."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(4)
    x, labels, test, test_labels = digits()
    activation = Ndr(rng.uniform(0.8, 1.5, 12), rng.choice([0.4, 0.6, 0.8, 1.0], 12))
    hidden = Dense(rng.normal(size=(64, 12)) / 4, rng.uniform(0.2, 0.6, 12), activation)
    features = np.hstack(
        [activation(x / np.float32(255) @ hidden.weights + hidden.bias), np.ones((len(x), 1))]
    )
    solution = np.linalg.lstsq(features, 2.0 * np.eye(10)[labels] - 1, rcond=None)[0]
    network = Network.chain((hidden, Dense(solution[:-1], solution[-1])), "digits & <NDR>")
    network.save(folder / "float.npz")
    program, die, _ = map_network(network, "dendritic-ndr", x[:200], seed=3)
    save_both(program, die, folder / "program.npz")
    np.save(folder / "samples.npy", x[:200])
    np.save(folder / "x.npy", test[:200])
    np.save(folder / "y.npy", test_labels[:200])
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """The page, with the timeline when that is asked for: the RTL has to be compiled with waveforms."""
    timeline = "--timeline" if os.environ.get("NDRITE_REPORT_TIMELINE") else "--no-timeline"
    assert run(["report", str(folder), "-o", str(folder / "report.html"), timeline]) == OK
    return folder / "report.html"


@pytest.mark.slow
def test_numbers_and_figures(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "-o",
        str(tmp_path / "r.html"),
        "--no-timeline",
        "--figures",
        str(tmp_path / "figures"),
        "--json",
    ]
    assert run(["report", str(folder), "--seed", "5", *options]) == OK
    result = json.loads(capsys.readouterr().out)
    from emulator.spec import Program

    y = Core(Program.load(folder / "program.npz")).infer(np.load(folder / "x.npy"), seed=5).argmax(axis=1)
    assert result["accuracy_golden"] == (y == np.load(folder / "y.npy")).mean()
    for name in ("confusion", "errors", "curves", "cells", "tiles"):
        assert (tmp_path / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert b"<svg" in (tmp_path / "figures" / f"{name}.svg").read_bytes()[:1000]


@pytest.mark.slow
def test_the_page_is_self_contained_and_the_same_again(page: Path, folder: Path) -> None:
    text = page.read_text()
    assert "digits &amp; &lt;NDR&gt;" in text
    links = re.findall(r'(?:src|href)="([^"]{0,40})', text)
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "<script" not in text
    for key in SECTIONS:
        assert f'id="{key}"' in text
    # Sources of the chip's values, and checksums.
    assert "aihwkit ReRamWan2022NoiseModel" in text
    assert "SHA-256 of what it computes" in text
    assert ("clock cycles; schedule bound" in text) == bool(os.environ.get("NDRITE_REPORT_TIMELINE"))
    if not os.environ.get("NDRITE_REPORT_TIMELINE"):
        assert run(["report", str(folder), "-o", str(folder / "again.html"), "--no-timeline"]) == OK
        assert (folder / "again.html").read_bytes() == page.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(page: Path, width: int, tmp_path: Path) -> None:
    """No console message, no request, every picture there, nothing wider than the window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs ndrite[browser]")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": width, "height": 900})
        said, asked = [], []
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("request", lambda request: asked.append(request.url))
        view.goto(page.as_uri())
        pictures = view.evaluate("[...document.images].map(i => i.complete ? i.naturalWidth : 0)")
        wide = view.evaluate("document.documentElement.scrollWidth")
        small = view.evaluate(
            "[...document.querySelectorAll('p, td, th, a, figcaption')]"
            ".filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).length"
        )
        headings = view.locator("h2").all_inner_texts()
        folder = Path(os.environ.get("NDRITE_SCREENSHOTS") or tmp_path)
        view.screenshot(path=folder / f"report-{width}.png", full_page=True)
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    assert len(pictures) >= 5
    assert min(pictures) > 100
    assert wide == width
    assert small == 0
    assert len(headings) == len(SECTIONS)


def test_refusals(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path), "-o", str(tmp_path / "r.html")]) == BAD_INPUT
    assert "no program.npz in this folder" in capsys.readouterr().err
    program = str(folder / "program.npz")
    assert (
        run(["report", program, "--inputs", str(folder / "x.npy"), "-o", str(tmp_path / "r.html")])
        == BAD_INPUT
    )
    assert "--inputs and --labels belong together" in capsys.readouterr().err
    assert run(["report", str(folder), "--fpga", "none", "-o", str(tmp_path / "r.html")]) == BAD_INPUT
    assert run(["report", str(folder), "--no-timeline", "-o", str(tmp_path / "no" / "r.html")]) == BAD_INPUT
    assert not (tmp_path / "r.html").exists()

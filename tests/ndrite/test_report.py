"""ndrite report: its numbers, what it refuses, and the page in a real browser at two widths."""

import contextlib
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ndrite
from ndrite.emulator.golden import Core
from ndrite.emulator.network import Dense, Named, Ndr, Network, Product
from ndrite.emulator.network.datasets import digits
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.patches import Patches
from ndrite.pages import drawing, figures
from ndrite.shell.main import OK, run
from tests.chips import random_network
from tests.docs.browser import browser

SECTIONS = "chip network accuracy errors neurons cells tiles cost board provenance".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run: 64 digit pixels, 12 NDR neurons, 10 outputs, on
    the dendritic chip."""
    folder = tmp_path_factory.mktemp("run")
    network = dataclasses.replace(random_network((64, 12, 10)), name="digits & <NDR>")
    x, _, test, labels = digits()
    ndrite.compile(network, "dendritic-ndr", samples=x[:200], seed=3, output=folder / "mine")
    np.save(folder / "x.npy", test[:200])
    np.save(folder / "y.npy", labels[:200])
    return folder


JUDGED = "report mine --inputs x.npy --labels y.npy"


def written(folder: Path, name: str) -> Path:
    """The page that the command writes there."""
    with contextlib.chdir(folder):
        assert run(f"{JUDGED} -o {name}".split()) == OK
    return folder / name


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """Of the one network."""
    return written(folder, "report.html")


@pytest.mark.slow
def test_numbers_and_figures(working: Path, said: Any) -> None:
    result = said(f"{JUDGED} --seed 5 -o r.html --figures figures")
    y = Core(Program.load("mine")).infer(np.load("x.npy"), seed=5).argmax(axis=1)
    assert result["accuracy_golden"] == (y == np.load("y.npy")).mean()
    assert result["bound_cycles"] == 64 + 12  # 8-bit DACs, both layers' columns at once on 64 lanes
    twos = said(f"{JUDGED} --fpga ecpix5-85f-maps-udp")
    assert twos["bound_cycles"] == 32 + 6
    for name in ("answers", "errors", "curves", "cells"):
        assert Path("figures", f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert b"<svg" in Path("figures", f"{name}.svg").read_bytes()[:1000]


@pytest.mark.slow
def test_the_page_is_self_contained_and_the_same_again(page: Path, folder: Path) -> None:
    text = page.read_text()
    assert "digits &amp; &lt;NDR&gt;" in text
    links = re.findall(r'(?:src|href)="([^"]{0,40})', text)
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "<script" not in text
    assert all(f'id="{key}"' in text for key in SECTIONS)
    # Sources of the chip's values, and checksums.
    assert "aihwkit ReRamWan2022NoiseModel" in text
    assert "SHA-256 of what it computes" in text
    assert written(folder, "again.html").read_bytes() == page.read_bytes()


def test_exact_neurons_have_a_curve_as_well() -> None:
    x = digits()[0]
    hidden = Dense(np.full((64, 4), 0.05), np.zeros(4), Named("relu"))
    whole = ndrite.compile(Network.chain((hidden, Dense(np.eye(4), np.zeros(4)))), "ideal", samples=x[:50])
    figure = drawing.figure(4, 4)
    assert figures.curves(whole, figure)
    shown = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert np.abs(shown["on the chip"] - shown["the float network's"]).max() <= 1


def test_neurons_of_several_places_have_their_own_curves() -> None:
    """On a board kernels are programmed several times over; heights go with the channel."""
    patches = Patches(shape=(1, 6, 6), kernel=(3, 3))
    heights = np.array([0.2, 0.5, 0.9])
    maps = Dense(np.full((9, 3), 0.1), np.zeros(3), Ndr(np.ones(3), heights))
    out = Product(Dense(np.full((48, 2), 0.1), np.zeros(2)), (1,), Patches.whole((3, 4, 4)))
    network = Network((Product(maps, (0,), patches), out), (1, 6, 6))
    x = np.random.default_rng(0).integers(0, 256, (20, 36)).astype(np.uint8)
    whole = ndrite.compile(network, "ideal", samples=x, target="ecpix5-85f-maps-udp")
    assert whole.program.products[0].block != (1, 1)
    figure = drawing.figure(4, 4)
    assert figures.curves(whole, figure)
    tops = [line.get_ydata().max() for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(np.sort(tops), 255 * heights, rtol=0.01)


@pytest.mark.slow
def test_in_a_browser(page: Path) -> None:
    """No console message, no request, every picture there, at two widths, light and
    dark; by keyboard."""
    with browser() as view:
        view.open(page)
        view.check(4)
        assert view.page.locator("section > h2").count() == len(SECTIONS)
        smallest = view.page.evaluate(
            "Math.min(...[...document.querySelectorAll('p, td, th, a, figcaption')]"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        )
        assert smallest >= 12
        view.open(page)
        reached = view.tabbed(len(SECTIONS))
        assert reached[:3] == ["Accuracy", "Where the accuracy goes", "Network"]
        assert reached[-1] == "Provenance"
        view.page.keyboard.press("Enter")
        assert view.page.evaluate("location.hash") == "#provenance"
        view.page.locator("summary").focus()
        view.page.keyboard.press("Enter")
        assert view.page.evaluate("document.querySelector('details').open")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("report none -o refused.html", "none: no such file"),
        ("report mine --inputs x.npy -o refused.html", "inputs and labels belong together"),
        (f"{JUDGED} --fpga none -o refused.html", "none"),
        (f"{JUDGED} --count 100000 -o refused.html", "count is 100000; accepted: 1.."),
        (f"{JUDGED} --figures mine -o refused.html", "figures is mine, a file; accepted: a folder"),
        (f"{JUDGED} --figures mine/in -o refused.html", "mine/in: Not a directory"),
    ],
)
def test_refusals(line: str, told: str, working: Path, fails: Any) -> None:
    fails(line, told)
    assert not Path("refused.html").exists()

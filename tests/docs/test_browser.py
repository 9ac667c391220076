"""The documentation and pages of points in a real browser: two widths, light and dark, by keyboard.

No page says anything to the console or asks another host for anything.
"""

import functools
import http.server
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from emulator.device.description import load_chip
from emulator.spec.campaign import CampaignResult
from emulator.spec.reference import reference
from ndrite.pages.chips import draw
from ndrite.pages.sweep import front, sweep_page
from ndrite.sweeps.plan import load_plan, plan_of
from ndrite.verbs.campaign import summary
from tests.docs.browser import View, browser

ROOT = Path(__file__).parents[2]
ONE_OF_EACH = ("index", "cost", "tutorial", "pytorch", "results/index", "api")
"""Pages with a table, code, a picture, a wide table."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation; building it warns of nothing."""
    if any(importlib.util.find_spec(name) is None for name in ("mkdocs", "mkdocstrings")):
        pytest.skip("needs ndrite[docs]")
    folder = tmp_path_factory.mktemp("site")
    (ROOT / "docs" / "reference.md").write_text(reference())
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_documentation(site: Path, view: View) -> None:
    """One page of each kind; by keyboard; served, by searching. One test, as the site is built once."""
    api = (site / "api.html").read_text()
    assert all(f'id="ndrite.{name}"' in api for name in ("compile", "fit", "analog", "Program.load"))
    for name in ONE_OF_EACH:
        view.open(site / f"{name}.html")
        view.check()
    _search(site, view)
    # Tab reaches the navigation, Enter follows a link.
    view.page.set_viewport_size({"width": 1280, "height": 900})
    view.open(site / "index.html")
    reached = view.tabbed(12)
    assert "Ten-minute tutorial" in reached
    for _ in range(len(reached) - reached.index("Ten-minute tutorial") - 1):
        view.page.keyboard.press("Shift+Tab")
    view.page.keyboard.press("Enter")
    view.page.wait_for_url("**/tutorial.html*")


@pytest.mark.long
def test_every_page_of_the_documentation(site: Path, view: View) -> None:
    pictures = 0
    for page in sorted(set(site.rglob("*.html")) - {site / "404.html"}):  # that one needs its server
        view.open(page)
        view.check()
        pictures += view.page.evaluate("document.images.length")
    assert pictures >= 15
    assert len(list(site.rglob("*.html"))) >= 18


def _search(site: Path, view: View) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        view.said.clear()
        view.page.goto(f"{address}/search.html?q=crossbar")
        view.page.wait_for_selector("#mkdocs-search-results article")
        assert [line for line in view.said if not line.startswith("log: ")] == []  # it tells how it gets on
    finally:
        server.shutdown()
        server.server_close()


PLAN = {"name": "bits & <levels>", "chip": "wan2022", "seeds": [3, 4], "count": 50}
PLAN |= {"grid": {"cell.levels": [8, 16], "readout.adc_bits": [4, 6, 8]}}


def rows_of(plan: Any) -> list[dict[str, Any]]:
    """A row for each point, made up: as a sweep's."""
    return [
        {
            "key": point.key,
            **dict(point.axes),
            "count": 50,
            "accuracy": (30 + 7 * i % 20) / 50,
            "accuracy_half_interval_95": None,
            "energy_pJ": 1e4 * (1 + 7 * i % 20 + i * i % 7),
            "latency_ns": 500.0 + i,
            "area_um2": 1e6 * (1 + 5 * i % 9),
            "snr_db": 20.0,
        }
        for i, point in enumerate(plan.points)
    ]


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("plotly", reason="needs ndrite[sweep]")
    folder = tmp_path_factory.mktemp("points")
    plan = plan_of(PLAN)
    (folder / "sweep.html").write_text(sweep_page(plan, rows_of(plan)))
    votes = np.tile(np.array([2, 1, 1]), (20, 1))
    labels = np.zeros(20, np.int64)
    found = summary(CampaignResult(votes, np.array([10, 14, 12, 19]), 1, 7, 0), labels, threshold=0.5)
    found |= {"samples": 20, "trials": 1, "seed": 7}
    draw(found, folder / "campaign.html", name="mine")
    return folder


@pytest.mark.parametrize("name", ["sweep", "campaign"])
def test_a_page_of_points(points: Path, view: View, name: str) -> None:
    view.open(points / f"{name}.html")
    assert view.page.locator(".scatterlayer .trace path.point").count() >= 4
    view.check()


def test_points_chosen_by_keyboard_come_back_as_yaml(points: Path, view: View, tmp_path: Path) -> None:
    view.open(points / "sweep.html")
    assert view.tabbed(3)[0] == "x"
    view.page.locator("#points").focus()
    view.page.keyboard.press("ArrowDown")
    one = view.page.input_value("#yaml")
    (tmp_path / "selection.yaml").write_text(one)
    chip = load_chip(f"wan2022+{tmp_path / 'selection.yaml'}")
    assert (chip.cell.levels, chip.readout.adc_bits) == (8, 4)
    for _ in range(3):
        view.page.keyboard.press("Shift+ArrowDown")
    assert view.page.inner_text("#said") == "4 points are selected."
    (tmp_path / "plan.yaml").write_text(view.page.input_value("#yaml"))
    plan = load_plan(tmp_path / "plan.yaml")
    varied = yaml.safe_load((tmp_path / "plan.yaml").read_text())
    assert varied["grid"] == {"cell.levels": [8], "readout.adc_bits": [4, 6]}
    assert varied["seeds"] == [3, 4]
    # What the plan computes is what was selected: the same keys, so a sweep finds it done.
    assert [point.key for point in plan.points] == [point.key for point in plan_of(PLAN).points[:4]]
    with view.page.expect_download() as saved:
        view.page.locator("#save").focus()
        view.page.keyboard.press("Enter")
    assert Path(saved.value.path()).read_text() == (tmp_path / "plan.yaml").read_text()
    assert view.said == []


def test_axes_are_chosen_and_a_click_selects(points: Path, view: View) -> None:
    view.page.set_viewport_size({"width": 1280, "height": 900})
    view.open(points / "sweep.html")
    title = "document.querySelector('.xtitle').textContent"
    assert view.page.evaluate(title).startswith("energy, nJ (modelled")
    # The front is that of the command, whose arithmetic is another's.
    plan = plan_of(PLAN)
    best = [(1e-3 * row["energy_pJ"], 100 * row["accuracy"]) for row in front(rows_of(plan))]
    drawn = view.page.evaluate("[plot.data[0].x, plot.data[0].y]")
    assert len(best) >= 3
    assert np.transpose(drawn) == pytest.approx(np.array(best))
    view.page.locator("#x").focus()
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("ArrowDown")
    assert view.page.evaluate(title).startswith("area, mm")
    # cell.levels: neither high nor low is better.
    view.page.evaluate("document.getElementById('x').value = 5")
    view.page.locator("#x").dispatch_event("change")
    assert view.page.evaluate("plot.data[0].x.length") == 0
    point = view.page.locator(".scatterlayer .trace path.point").first
    point.hover(force=True)
    view.page.wait_for_selector(".hoverlayer .hovertext")
    box = point.bounding_box()
    view.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    view.page.wait_for_function("document.getElementById('yaml').value.includes('cell:')")
    assert view.said == []

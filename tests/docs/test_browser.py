"""The documentation in a real browser: two widths, light and dark, by keyboard.

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

import pytest

from ndrite.boards.reference import reference
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
    """One page of each kind; by keyboard; served, by searching. One test, as the
    site is built once."""
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

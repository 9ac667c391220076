"""Pages in the machine's own Chromium, at the widths and in the schemes that readers have."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.extras import needs

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class View:
    """A page that is open, and what it said to the console and asked others for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """Forget the page before and open a file."""
        self.said.clear()
        self.asked.clear()
        self.page.goto(path.as_uri())

    def check(self, figures: int = 0) -> None:
        """At every width and in both schemes: nothing said, nothing asked for outside
        the folder, every picture there and at least ``figures`` of them, nothing wider
        than the window, text to be read."""
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            contrast = self.page.evaluate(CONTRAST)
            assert contrast >= 4.5, (scheme, contrast)
            for width in WIDTHS:
                self.page.set_viewport_size({"width": width, "height": 900})
                # A plot follows the window a moment later.
                self.page.wait_for_function(f"document.documentElement.scrollWidth === {width}")
        pictures = self.page.evaluate(
            "[...document.images].map(i => [i.getAttribute('src'), i.naturalWidth])"
        )
        assert [source[:80] for source, size in pictures if not size] == []
        assert len(pictures) >= figures
        assert self.said == []
        assert [url for url in self.asked if not url.startswith(("file:", "data:"))] == []

    def focused(self) -> str:
        """What the keyboard is on: an id, else its text."""
        return str(self.page.evaluate("document.activeElement.id || document.activeElement.innerText"))

    def tabbed(self, presses: int) -> list[str]:
        """What Tab reaches, one after the other."""
        found = []
        for _ in range(presses):
            self.page.keyboard.press("Tab")
            found.append(self.focused())
        return found


CONTRAST = """(() => {
  const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = rgb(c).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (rgb(c)[3] !== 0) return c; } return "rgb(255, 255, 255)"; };
  const texts = "p, td, th, h1, h2, figcaption, label, pre, option, textarea";
  return Math.min(...[...document.querySelectorAll(texts)]
    .filter((e) => e.innerText?.trim() && e.checkVisibility()).map((e) => {
      const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
      return (a + 0.05) / (b + 0.05); }));
})()"""
"""The least contrast of text (W3C, Web Content Accessibility Guidelines 2.1, 1.4.3):
4.5 is what they ask."""


@contextlib.contextmanager
def browser() -> Iterator[View]:
    """A page of its own. Skips where Chromium or playwright is missing."""
    sync_api = needs("playwright.sync_api")
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium; `make doctor` says how to get it")
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = chromium.new_page()
        # A page of 5 MB on a machine that has other work.
        page.set_default_timeout(120_000)
        view = View(page)
        view.page.on("console", lambda message: view.said.append(f"{message.type}: {message.text}"))
        view.page.on("pageerror", lambda error: view.said.append(str(error)))
        view.page.on("request", lambda request: view.asked.append(request.url))
        try:
            yield view
        finally:
            chromium.close()

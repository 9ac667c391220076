"""Pictures of pages for the documentation: ``python -m tests.docs.pictures docs/images`` (`make pictures`).

A plan's points, and the terminal cast. What is drawn is computed here and now.
"""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from ndrite.shell.main import OK, run
from tests.docs import cast
from tests.docs.browser import View, browser

PLAN = "chip: dendritic-ndr\ngrid: {readout.adc_bits: [4, 5, 6, 8], input.dac_bits: [1, 2, 8]}\ncount: 1000\n"


def draw(into: Path) -> None:
    """Write ``explore.png`` and ``cast.svg``."""
    with contextlib.chdir(tempfile.mkdtemp()), browser() as view:
        Path("plan.yaml").write_text(PLAN)
        assert run(["sweep", "plan.yaml", "-p", "explore.html"]) == OK
        _photograph(view, Path("explore.html").resolve(), into / "explore.png", "main", "#points")
    cast.main(into / "cast.svg")


def _photograph(view: View, page: Path, picture: Path, what: str, pressed: str | None = None) -> None:
    """A part of a page, with a key pressed in a list first."""
    sheet: Any = view.page
    sheet.set_viewport_size({"width": 1000, "height": 900})
    view.open(page)
    if pressed is not None:
        sheet.locator(pressed).focus()
        sheet.keyboard.press("ArrowDown")
        sheet.wait_for_timeout(500)
    sheet.locator(what).screenshot(path=str(picture))


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())

"""Pictures of pages for the documentation: ``python -m tests.docs.pictures docs/images`` (`make pictures`).

A plan's points, and the terminal cast. What is drawn is computed here and now.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from ndrite.shell.main import OK, run
from tests.docs import cast
from tests.docs.browser import browser

PLAN = "chip: dendritic-ndr\ngrid: {readout.adc_bits: [4, 5, 6, 8], input.dac_bits: [1, 2, 8]}\ncount: 1000\n"


def draw(into: Path) -> None:
    """Write ``explore.png``, with a point chosen, and ``cast.svg``."""
    with contextlib.chdir(tempfile.mkdtemp()), browser() as view:
        Path("plan.yaml").write_text(PLAN)
        assert run(["sweep", "plan.yaml", "-p", "explore.html"]) == OK
        view.page.set_viewport_size({"width": 1000, "height": 900})
        view.open(Path("explore.html").resolve())
        view.page.locator("#points").focus()
        view.page.keyboard.press("ArrowDown")
        view.page.wait_for_timeout(500)
        view.page.locator("main").screenshot(path=str(into / "explore.png"))
    cast.main(into / "cast.svg")


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())

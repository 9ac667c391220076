"""A terminal cast: from ``ndrite --help`` to the first accuracy of a model of one's
own, in five commands.

``.venv/bin/python .ci/cast.py docs/images/cast.svg`` runs them in an empty folder and
writes what they printed as one animated SVG, which needs neither script nor font from
elsewhere. It fails where a command fails or takes longer than ``SECONDS_MAX``.
"""

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "ndrite --help",
    "python digits.py",
    "ndrite compile digits.onnx --chip wan2022 --samples train.npy -o mine",
    "ndrite evaluate mine --inputs x.npy --labels y.npy",
    "ndrite cost mine",
)
"""``digits.py`` is the tutorial's."""
DIGITS = re.compile(r"Save this as `digits\.py`:\n\n```python\n(.*?)^```$", re.M | re.S)
SECONDS_MAX = 30.0
COLUMNS, LINES = 92, 36
SHOWN_S = 6
"""Of each command."""
SCENE = """<g class="scene" style="animation-delay: {delay}s"><style>{{styles}}
.{{unique_id}}-matrix {{{{ font-family: monospace; font-size: {{char_height}}px; }}}}</style>
<defs>{{lines}}</defs><g transform="translate(16, 16)">{{backgrounds}}
<g class="{{unique_id}}-matrix">{{matrix}}</g></g></g>"""


@dataclass(frozen=True)
class Scene:
    """One command, what it printed, and how long it took."""

    command: str
    printed: str
    seconds: float


def record(folder: Path) -> list[Scene]:
    """Run all commands in ``folder``; RuntimeError names one that failed or took too long."""
    code = DIGITS.search((ROOT / "docs" / "tutorial.md").read_text())
    if code is None:
        raise RuntimeError("the tutorial does not say: Save this as `digits.py`")
    (folder / "digits.py").write_text(code[1])
    environment = os.environ | {"COLUMNS": str(COLUMNS), "PYTHONPATH": str(ROOT)}
    scenes = []
    for command in COMMANDS:
        first, *rest = shlex.split(command)
        program = Path(sys.executable).with_name("ndrite") if first == "ndrite" else sys.executable
        words = [str(program), *rest]
        began = time.monotonic()
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode or seconds > SECONDS_MAX:
            raise RuntimeError(f"{command}: exit code {done.returncode}, {seconds:.0f} s\n{done.stderr}")
        scenes.append(Scene(command, done.stdout, seconds))
    return scenes


def svg(scenes: list[Scene]) -> str:
    """One picture in which the commands follow one another; all but the last are
    hidden without motion."""
    total = SHOWN_S * len(scenes)
    drawn = "".join(_scene(scene, i) for i, scene in enumerate(scenes))
    # The size of a character in rich's SVG.
    width, height = round(COLUMNS * 12.2) + 32, round((LINES + 3) * 24.4) + 32
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{len(scenes)} commands, from ndrite --help to an accuracy</title>\n<style>\n"
        f".scene {{ opacity: 0; animation: shown {total}s step-end infinite; }}\n"
        f"@keyframes shown {{ 0% {{ opacity: 1; }} {100 / len(scenes):g}% {{ opacity: 0; }} }}\n"
        "@media (prefers-reduced-motion: reduce) { .scene { animation: none; } "
        ".scene:last-of-type { opacity: 1; } }\n</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#12181e"/>\n{drawn}</svg>\n'
    )


def _scene(scene: Scene, number: int) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (scene.command, "bold white")))
    lines = scene.printed.rstrip().splitlines()
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], "..."]
    console.print("\n".join(lines), style="#dde5ec", markup=False, highlight=False)
    console.print(f"[{scene.seconds:.1f} s]", style="#8fa3b5", markup=False, highlight=False)
    template = SCENE.format(delay=number * SHOWN_S)
    return console.export_svg(title="", code_format=template, unique_id=f"scene{number}")


def main(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path.write_text(svg(record(Path(folder))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

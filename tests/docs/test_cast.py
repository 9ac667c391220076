"""The terminal cast: the committed one is of the present commands, and they still do what it shows."""

import re
from pathlib import Path

import pytest

from tests.docs.cast import COMMANDS, SECONDS_MAX, Scene, record, svg

ROOT = Path(__file__).parents[2]


def said(picture: str) -> str:
    """All text of a picture; rich writes spaces that do not break."""
    return re.sub(r"<[^>]+>", "\n", picture).replace("&#160;", " ")


def test_the_committed_cast_is_of_these_commands() -> None:
    picture = (ROOT / "docs" / "images" / "cast.svg").read_text()
    lines = said(picture).splitlines()
    assert len(COMMANDS) == 5
    for command in COMMANDS:
        assert any(command in line for line in lines), command
    times = [float(seconds) for seconds in re.findall(r"^\[([\d.]+) s\]$", said(picture), re.M)]
    assert len(times) == 5
    assert max(times) <= SECONDS_MAX
    assert re.search(r"accuracy\s+│\s+0\.[89]\d+ │", said(picture))
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_text_of_a_program_is_no_markup() -> None:
    picture = svg([Scene("echo", "[bold]<b>&\n", 1.0)])
    assert "[bold]&lt;b&gt;&amp;" in picture


@pytest.mark.long
def test_the_commands_run(tmp_path: Path) -> None:
    for package in ("sklearn", "skl2onnx", "onnx"):
        pytest.importorskip(package, reason="needs ndrite[import-check]")
    scenes = record(tmp_path)
    assert [scene.command for scene in scenes] == list(COMMANDS)
    accuracy = re.search(r"accuracy\s+│\s+([\d.]+) │", "".join(scene.printed for scene in scenes))
    assert accuracy is not None
    assert float(accuracy[1]) > 0.85

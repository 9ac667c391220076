"""Every code block of every page runs, in order, from an empty folder.

A page says itself what it needs: ``<!-- files: program.npz x.npy -->`` names files of
``tests/docs/given.py``, ``<!-- not run: why -->`` before a block leaves it out. Those
are counted here.
"""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ndrite.emulator.network.datasets import fashion_mnist_test
from ndrite.shell.main import OK, run
from tests.docs.given import in_shell, shorter, write_files, write_onnx
from tests.extras import needs

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NOT_RUN = 4
"""Blocks that need a board, a cluster, minutes or a folder of yours, on all pages together."""
CODE = ("sh", "python")
TEXT = ("", "text", "toml", "yaml")
SIMULATED = re.compile(r"sim:|ndrite demo|bringup --simulated")
EXTRAS = {
    "README.md": ("torch", "onnx"),
    "networks.md": ("torch", "onnx"),
    "add-an-operator.md": ("torch", "onnx"),
    "pytorch.md": ("torch",),
    "training.md": ("torch", "onnx"),
    "physics.md": ("torch",),
    "tutorial.md": ("onnx", "sklearn", "skl2onnx"),
    "cost.md": ("pyarrow",),
}
BLOCK = re.compile(
    r"^(?P<before>(?:<!--[^>]*-->\n|Save this as `[\w.]+`:\n\n)*)```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
BEFORE = re.compile(r"(?:[^\n]*Save this as `(?P<name>[\w.]+)`:\n\n)$")


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    reason: str | None
    """Why it is not run."""
    file: str | None
    """What it is saved as."""


def blocks(page: Path) -> list[Block]:
    found, text = [], page.read_text()
    for match in BLOCK.finditer(text):
        reason = re.search(r"<!-- not run: (.+?) -->", match["before"])
        saved = BEFORE.search(text[: match.start("kind") - 3])
        found.append(Block(match["kind"], match["text"], reason and reason[1], saved and saved["name"]))
    return found


def name_of(page: Path) -> str:
    return page.relative_to(ROOT / "docs").as_posix() if page.parent != ROOT else page.name


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind in CODE and block.reason is None]


def test_no_code_hides() -> None:
    """Fences open and close, have a known kind, and commands stand in none but
    those of a shell."""
    skipped = 0
    for page in PAGES:
        text, found = page.read_text(), blocks(page)
        assert text.count("\n```") == 2 * len(found), f"{page.name}: a fence that is not read"
        assert not re.findall(r"^    (?:ndrite|python|make) .*", text, re.M), f"{page.name}: indented command"
        for block in found:
            assert block.kind in (*CODE, *TEXT), f"{page.name}: ```{block.kind}"
            if block.kind not in CODE:
                assert not re.findall(r"^(?:ndrite|python|pip|make) ", block.text, re.M), page.name
            skipped += block.reason is not None
    assert skipped == NOT_RUN


LONG = ("tutorial.md", "hardware.md", "training.md", "atlas.md", "campaigns.md")


def marks(page: Path) -> list[pytest.MarkDecorator]:
    slow = any(SIMULATED.search(b.text) for b in runnable(page))
    return [pytest.mark.slow] * slow + [pytest.mark.long] * (name_of(page) in LONG)


CASES = [pytest.param(page, id=name_of(page), marks=marks(page)) for page in PAGES if runnable(page)]


@pytest.mark.parametrize("page", CASES)
def test_its_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in EXTRAS.get(name_of(page), ()):
        needs(package)
    given = tmp_path / "given"
    given.mkdir()
    monkeypatch.chdir(given)
    wanted = " ".join(re.findall(r"<!-- files: (.+?) -->", page.read_text())).split()
    if wanted:
        write_files()
        if "model.onnx" in wanted:
            write_onnx(Path("model.onnx"))
    # Fashion-MNIST's training images do not ship; a few of the test images stand in for them.
    few = tuple(part[:600] for part in fashion_mnist_test())
    monkeypatch.setattr("ndrite.emulator.network.datasets.fashion_mnist_train", lambda folder=None: few)
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in wanted:
        shutil.copy(given / name, folder / name)
        if name == "program.npz":
            shutil.copy(given / "program.die.npz", folder)
    monkeypatch.chdir(folder)
    held: dict[str, object] = {"__name__": "page"}
    for block in runnable(page):
        if block.file is not None:
            Path(block.file).write_text(block.text)
        elif block.kind == "python":
            exec(compile(block.text, str(page), "exec"), held)
        else:
            for line, code in commands(block.text):
                execute(shorter(line), code)


def commands(text: str) -> Iterator[tuple[str, int]]:
    """Lines without their comments, and the exit code that a comment promises; none
    of them installs."""
    for line in text.splitlines():
        bare = re.sub(r"\s+#.*", "", line).strip()
        if bare and not bare.startswith(("#", "pip ")):
            promised = re.search(r"# exit code (\d+)", line)
            yield bare, int(promised[1]) if promised else OK


def execute(line: str, code: int) -> None:
    words = shlex.split(line)
    if any(word in ("|", ">", "<") for word in words):
        in_shell(line)
    elif words[0] == "python":
        subprocess.run([sys.executable, *words[1:]], check=True)
    else:
        assert words[0] == "ndrite", line
        words += ["--epochs", "1"] if words[1] == "train" and "--epochs" not in words else []
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            assert run(words[1:]) == code, f"{line}\n{said.getvalue()}"

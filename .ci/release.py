"""What a release needs, walked step by step: it stops at the first that does not hold,
and says what to do.

    make release    all steps
    make package    wheel and sdist alone: checked, installed in empty environments, first accuracy timed

It publishes nothing: the last lines say what a person does.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PERSON = """by hand:
  write the day into CHANGELOG.md and commit it
  git tag -s v{version} -m "ndrite {version}"
  git push origin v{version}
  .venv/bin/python -m twine upload dist/*{version}*
  the release's text is the changelog's section"""

SAYING = {
    "CITATION.cff": r"^version: ([\d.]+)$",
    "ndrite/__init__.py": r"^__version__ = \"([\d.]+)\"$",
    "CHANGELOG.md": r"^## ([\d.]+) \(",
}


class Missing(Exception):
    """Something that a release needs and that is not there; the message says what to do."""


def output(*words: str) -> str:
    """What a command prints."""
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def run(*words: str, **environment: str) -> None:
    """A command that has to end well; it prints as it goes."""
    if subprocess.run(words, cwd=ROOT, env=os.environ | environment, check=False).returncode:
        raise Missing(f"mend what {' '.join(words)} says")


def version() -> str:
    """Of pyproject.toml."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def clean() -> None:
    """The tree is what is committed."""
    if changed := output("git", "status", "--porcelain"):
        raise Missing(f"commit or remove first:\n{changed}")


def numbered() -> None:
    """All files that say the version say the same one, which is not tagged yet."""
    now = version()
    for name, pattern in SAYING.items():
        found = re.search(pattern, (ROOT / name).read_text(), re.MULTILINE)
        if found is None or found[1] != now:
            raise Missing(
                f"{name} says {found[1] if found else 'no version'}; write {now}, as pyproject.toml"
            )
    if f"v{now}" in output("git", "tag").split():
        raise Missing(f"v{now} is tagged; count pyproject.toml's version on")


def linted() -> None:
    """Style, types and layering."""
    run("make", "lint")


def tested() -> None:
    """The suite, its long part, and what is the same whatever was installed before."""
    run("make", "test")
    run("make", "test-long")


def environment(folder: Path) -> Path:
    """Make an empty virtual environment; return its folder of programs."""
    run(sys.executable, "-m", "venv", str(folder))
    return folder / "bin"


def packaged() -> None:
    """Wheel and sdist in ``dist/``, checked by twine and cffconvert, each run in an
    empty environment."""
    for old in (ROOT / "dist").glob("*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools = environment(folder / "tools")
        run(str(tools / "pip"), "install", "--quiet", "build", "twine", "cffconvert")
        run(str(tools / "python"), "-m", "build", "--outdir", "dist")
        files = sorted(map(str, (ROOT / "dist").iterdir()))
        run(str(tools / "twine"), "check", "--strict", *files)
        run(str(tools / "cffconvert"), "--validate")
        for file in files:
            programs = environment(folder / Path(file).suffix[1:])
            began = time.monotonic()
            run(str(programs / "pip"), "install", "--quiet", file)
            installed = time.monotonic() - began
            command = [str(programs / "ndrite"), "evaluate", _shipped(programs), "--count", "1000", "--json"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise Missing(f"mend what {file} says once installed:\n{done.stderr}")
            accuracy, seconds = json.loads(done.stdout)["accuracy"], time.monotonic() - began
            print(
                f"{Path(file).name}: installed after {installed:.0f} s, first accuracy {accuracy:.1%} after "
                f"{seconds:.0f} s"
            )


def _shipped(programs: Path) -> str:
    """Path of the compiled network that the installed package ships."""
    code = "from ndrite.emulator.network import zoo; print(zoo.program())"
    return output(str(programs / "python"), "-c", code).strip()


def built() -> None:
    """The wheel and the sdist run the demo in empty environments; the notebooks run."""
    run("make", "test-release", NDRITE_DIST=str(ROOT / "dist"))


STEPS: tuple[Callable[[], None], ...] = (clean, numbered, linted, tested, packaged, built)


def main() -> None:
    """Walk through all steps, or through packaging alone."""
    steps = (packaged,) if sys.argv[1:] == ["package"] else STEPS
    for number, step in enumerate(steps, 1):
        said = " ".join((step.__doc__ or "").split())
        print(f"[{number}/{len(steps)}] {said}", flush=True)
        try:
            step()
        except Missing as missing:
            sys.exit(f"release: {missing}")
    if steps is STEPS:
        print(PERSON.format(version=version()))


if __name__ == "__main__":
    main()

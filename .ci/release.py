"""What a release needs, walked step by step: it stops at the first that does not hold, and says what to do.

    make release

Builds ``dist/`` and runs the wheel's and the sdist's demo in empty environments. It publishes nothing: the
last lines say what a person does.
"""

import os
import re
import subprocess
import sys
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


def built() -> None:
    """Wheel and sdist in ``dist/``; both run the demo in empty environments; the notebooks run."""
    for old in (ROOT / "dist").glob("*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", "dist")
    run("make", "test-release", NDRITE_DIST=str(ROOT / "dist"))


STEPS: tuple[Callable[[], None], ...] = (clean, numbered, linted, tested, built)


def main() -> None:
    """Walk through all steps."""
    for number, step in enumerate(STEPS, 1):
        said = " ".join((step.__doc__ or "").split())
        print(f"[{number}/{len(STEPS)}] {said}", flush=True)
        try:
            step()
        except Missing as missing:
            sys.exit(f"release: {missing}")
    print(PERSON.format(version=version()))


if __name__ == "__main__":
    main()

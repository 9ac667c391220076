"""What of a Python file may be changed without a red test: `make mutants FILE=... TESTS=...`.

    python -m tests.trust.mutants emulator/spec/arithmetic.py [tests/emulator/spec ...]

mutmut changes the functions of the file in a copy of the tree, one change at a time, runs the tests (of the
file's folder, the short ones, unless others are named) and lists the changes that none of them notices. It
does not reach gateware, which Amaranth builds out of such functions: ``hdl`` tries ``faults.yaml``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.trust.fault import TREE, copy_tree, tried

PACKAGES = ("emulator", "hdl", "host", "boards", "ndrite", "studies", "docs")


def settings(file: str, tests: list[str]) -> str:
    """What mutmut reads from setup.cfg."""
    lists = {
        "source_paths": [file.partition("/")[0]],
        "only_mutate": [file],
        "also_copy": [name for name in PACKAGES if (TREE / name).is_dir()],
        "pytest_add_cli_args_test_selection": tests or [str(Path("tests", file).parent)],
        "pytest_add_cli_args": ["-m", "not slow and not long"],
    }
    lines = [line for key, values in lists.items() for line in (f"{key} =", *(f"    {v}" for v in values))]
    return "\n".join(["[mutmut]", *lines]) + "\n"


def main(file: str, *tests: str) -> int:
    """The exit code."""
    if file.startswith("hdl"):
        return tried(file)
    if not (TREE / file).is_file():
        sys.exit(f"FILE is {file}; accepted: a Python file of this repository")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        copy_tree(copy)
        (copy / "setup.cfg").write_text(settings(file, list(tests)))
        for verb in ("run", "results"):
            code = subprocess.run([sys.executable, "-m", "mutmut", verb], cwd=copy).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

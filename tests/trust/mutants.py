"""What may be changed without a red test: `make mutants`.

    python -m tests.trust.mutants emulator/spec/arithmetic.py [tests/emulator/spec ...]
    python -m tests.trust.mutants hdl
    python -m tests.trust.mutants --sample 400 --seed 1 [--package host]

mutmut changes the functions of the file in a copy of the tree, one change at a time,
runs the tests (of the file's folder, the short ones, unless others are named) and lists
the changes that none of them notices. Of a folder the faults in ``faults.yaml`` are
tried; mutmut does not reach gateware, which Amaranth builds out of such functions. A
sample is of small changes of many packages (``sample.py``).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.trust.fault import TREE, copy_tree, tried
from tests.trust.sample import sampled

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
    if (TREE / file).is_dir() or file.startswith("hdl"):
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
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", default="")
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--package", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-suite", action="store_true", help="what the packages' tests let live, as it is")
    given = parser.parse_args()
    if given.sample is None:
        sys.exit(main(given.file, *given.tests))
    sys.exit(
        sampled(given.sample, given.seed, given.package, workers=given.workers, suite=not given.no_suite)
    )

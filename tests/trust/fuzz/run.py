"""Coverage-guided fuzzing of one target: ``python -m tests.trust.fuzz.run
TARGET [--seconds S]``.

A finding is an exception other than the parser's own error; atheris then prints the
input and ends with a status other than 0.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found,unused-ignore]

with atheris.instrument_imports(include=["ndrite"]):
    from tests.trust.fuzz import targets


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=list(targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="how long (default: 30)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        # Inputs that once were findings, or reach what mutation takes long to reach.
        targets.SCRATCH = Path(folder)
        for i, seed in enumerate(targets.seeds(arguments.target)):
            (corpus / f"seed-{i}").write_bytes(seed)
        options = [f"-max_total_time={arguments.seconds}", "-print_final_stats=1", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], targets.TARGETS[arguments.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()

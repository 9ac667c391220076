"""Tokens a second of the language model of examples/ on a die, one thread, read noise on.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/decoding.py [--peer PYTHON] [--json]

All products are on tiles, the head among them; mapping is not timed. ``--peer`` runs
the same model with the same noise in aihwkit-lightning too, before and after: the
Python of the environment that ``benchmarks/peers/install.sh`` makes. Rates are the best
of three; ratios are over the peer's better run.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

import ndrite

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples"))
from language_model import WINDOW, model_file, noisy_chip, with_read_noise  # noqa: E402  on the path only now
from llama import Gguf, Llama, tokens_per_second  # noqa: E402

PERCENT = 4.0
"""Weight error of the peer's, in percent of a column's largest weight."""


def ours(file: Path) -> dict[str, float]:
    """Return tokens a second by kind of reading."""
    windows = torch.arange(4 * WINDOW).view(4, WINDOW)
    model = Llama(Gguf(file)).eval()
    die = ndrite.analog(model, with_read_noise(noisy_chip(PERCENT)), samples=windows[:1], seed=0)
    return {name: clock for name, (clock, _) in tokens_per_second(die, windows).items()}


def peer(python: Path, file: Path) -> dict[str, float]:
    """Return tokens a second of aihwkit-lightning."""
    command = [python, HERE / "peers" / "lightning_llama.py", file]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rates: dict[str, float] = json.loads(done.stdout.splitlines()[-1])["tokens_per_s"]
    return rates


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="also aihwkit-lightning, in this Python")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")):
        sys.exit("set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 before Python starts")
    file = model_file()
    before = {} if options.peer is None else peer(options.peer, file)
    rates = {"ndrite": ours(file)}
    if options.peer is not None:
        after = peer(options.peer, file)
        rates["aihwkit-lightning"] = {name: max(rate, after[name]) for name, rate in before.items()}
        rates["ratio"] = {
            name: rate / rates["aihwkit-lightning"][name] for name, rate in rates["ndrite"].items()
        }
    if options.json:
        print(json.dumps(rates, indent=2))
    for name, values in () if options.json else rates.items():
        print(f"{name}: {', '.join(f'{kind} {value:.2f}' for kind, value in values.items())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

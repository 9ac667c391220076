"""Records of a study's runs: their parameters, and which answers are right sample by
sample, small enough for a JSON file."""

import base64
import itertools
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.yaml_file import read_yaml

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Row = dict[str, Any]
"""Results of a run; not imported from the engine, whose code makes no study stale."""
Runs = list[Row]

FLOAT = "float"
"""Key under which a record keeps what the network gets right in floats; results of dies
are kept as differences from it."""


def described(name: str) -> Any:
    """Return the contents of the file ``NAME.yaml`` beside the studies' modules."""
    return read_yaml(Path(__file__).parent / f"{name}.yaml", EmulatorError)


def packed(right: Bools, like: Bools | None = None) -> str:
    """Encode ``right`` (n,) as compressed text; if ``like`` is given, encode only where
    the two differ, which is shorter."""
    bits = right if like is None else right ^ like
    return base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()


def unpacked(text: str, n: int, like: Bools | None = None) -> Bools:
    """Return the array (n,) that ``packed`` encoded as ``text``, with the same ``like``."""
    packed_bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    bits = np.unpackbits(packed_bits, count=n).astype(bool)
    return bits if like is None else bits ^ like


def kept(own: Bools, others: Mapping[str, Bools | list[Bools]]) -> Row:
    """Return the record of a run: which samples the float network gets right (``own``),
    and which one or several dies get right in each state."""
    texts = {
        state: [packed(r, own) for r in right] if isinstance(right, list) else packed(right, own)
        for state, right in others.items()
    }
    return {"samples": len(own), FLOAT: packed(own), **texts}


def right(runs: Iterable[Row], what: str = FLOAT) -> Floats:
    """Return which answers are right (networks, dies, n), from the records of runs;
    runs with equal ``seed`` are of the same network.

    Parameters
    ----------
    what:
        ``FLOAT``, or a state that ``kept`` was given: of one die a run, or of a list of
        them. Dies that not every network has are left out.
    """
    of_network: dict[int, list[Bools]] = {}
    for r in runs:
        n, value = r["samples"], r[what]
        in_float = unpacked(r[FLOAT], n) if FLOAT in r else None
        texts = value if isinstance(value, list) else [value]
        of_run = [
            in_float if what == FLOAT and in_float is not None else unpacked(text, n, in_float)
            for text in texts
        ]
        of_network.setdefault(r["seed"], []).extend(of_run)
    dies = min((len(of_run) for of_run in of_network.values()), default=0)
    return np.array([of_run[:dies] for of_run in of_network.values()], np.float64)


def lost(runs: Iterable[Row], what: str) -> Floats:
    """Compare dies with the float network, sample by sample: return (networks,
    dies, n) with 1 if only the float network is right, -1 if only the die is
    right, and 0 otherwise."""
    runs = list(runs)
    return right(runs) - right(runs, what)


def where(runs: Runs, **fields: Any) -> Runs:
    """Select the runs that have the parameter values ``fields``."""
    return [r for r in runs if all(r.get(key) == value for key, value in fields.items())]


def by(runs: Runs, *fields: str) -> dict[tuple[Any, ...], Runs]:
    """Group runs by their values of the parameters ``fields``, in the order of each
    group's first run."""
    groups: dict[tuple[Any, ...], Runs] = {}
    for r in runs:
        groups.setdefault(tuple(r[field] for field in fields), []).append(r)
    return groups


def held_out(found: Runs) -> float:
    """Return the mean over runs of the accuracy on held-out training samples."""
    return float(np.mean([r["held_out"] for r in found]))


def best_held_out(found: Runs, field: str) -> tuple[Any, Runs]:
    """Return the value of parameter ``field`` with the best accuracy on held-out
    samples, and the runs with that value. Only values with the largest number of
    runs are compared."""
    groups = by(found, field)
    largest = max(len(group) for group in groups.values())
    (value,), group = max((g for g in groups.items() if len(g[1]) == largest), key=lambda g: held_out(g[1]))
    return value, group


def product(**axes: Iterable[Any]) -> Runs:
    """Return the parameters of every combination of values of the ``axes``; the last
    parameter changes fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def shape(right: Floats) -> str:
    """Format how many networks and dies the array ``right`` (networks, dies, n) covers."""
    return f"{right.shape[0]} x {right.shape[1]}"


def size(runs: Runs) -> str:
    """Format how many networks, dies and samples the runs cover."""
    dies = {r["die"] for r in runs} if "die" in runs[0] else range(max(r.get("dies", 0) for r in runs))
    return f"{len({r['seed'] for r in runs})} networks x {len(dies)} dies x {runs[0]['samples']} samples"

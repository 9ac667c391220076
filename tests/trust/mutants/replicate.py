"""Published chips' numbers: arrays read from both sides, verdicts, noise, costs of modules, readers."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

BOTH = ("tests/emulator/mapping/test_both_directions.py",)
REPLICATE = ("tests/ndrite/test_replicate.py", "-m", "not slow")
COST = ("tests/ndrite/tiles/test_cost_of.py",)
FOLDERS = ("tests/emulator/network/datasets/test_folders.py",)

MUTANTS = (
    Mutant(
        "emulator/mapping/layer.py",
        "mapped = options.programmed or map_weights(",
        "mapped = map_weights(",
        "an array read from its columns has new cells",
        BOTH,
    ),
    Mutant(
        "emulator/mapping/weights.py",
        "codes=np.ascontiguousarray(mapped.codes.T),",
        "codes=np.ascontiguousarray(mapped.codes[::-1].T),",
        "columns are read in another order than rows",
        BOTH,
    ),
    Mutant(
        "ndrite/replicate/published.py",
        "if found.low <= published.high and published.low <= found.high:",
        "if found.low <= published.high or published.low <= found.high:",
        "everything is within",
        REPLICATE,
    ),
    Mutant(
        "ndrite/replicate/published.py",
        "reason.low <= found.value <= reason.high",
        "found.value <= reason.high",
        "a reason reaches further than it is registered",
        REPLICATE,
    ),
    Mutant(
        "ndrite/replicate/runner.py",
        "together = _together(output / JSON) | {name: value}",
        "together = {name: value}",
        "a replication forgets the others",
        REPLICATE,
    ),
    Mutant(
        "ndrite/replicate/noisy.py",
        "            p.data = data\n",
        "            pass\n",
        "noise on weights stays",
        REPLICATE,
    ),
    Mutant(
        "ndrite/replicate/boltzmann.py",
        "OCCLUDED = slice(18 * 28, PIXELS)",
        "OCCLUDED = slice(14 * 28, PIXELS)",
        "half of a picture is hidden",
        REPLICATE,
    ),
    Mutant(
        "ndrite/replicate/cmo_hfox.py",
        "return np.asarray(2 * (read - cell.g_min_uS) / span - 1)",
        "return np.asarray(2 * read / span - 1)",
        "single cells' lowest conductance counts as weight",
        REPLICATE,
    ),
    Mutant(
        "ndrite/tiles/cost.py",
        "w.times(len(codes) / count)",
        "w",
        "frames of a sequence cost once",
        COST,
    ),
    Mutant(
        "ndrite/tiles/placement.py",
        "if self.read is not None and not self.watching:",
        "if self.read is not None:",
        "what samples read while products are mapped is counted too",
        COST,
    ),
    Mutant(
        "emulator/network/datasets/cifar10.py",
        "return train[:, 1:], train[:, 0],",
        "return train[:, :-1], train[:, 0],",
        "a label is the first pixel",
        FOLDERS,
    ),
    Mutant(
        "emulator/network/datasets/speech_commands.py",
        '(f"{name}/{f.name}" in lists["testing"]) == test',
        '(f"{name}/{f.name}" in lists["testing"]) != test',
        "training and test set are the wrong way round",
        FOLDERS,
    ),
)

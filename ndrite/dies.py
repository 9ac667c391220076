"""dies: compiles one network anew for many dies of its chip, and scores each, by
the engine of runs."""

import dataclasses
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ndrite.boards.golden import GoldenBoard
from ndrite.compiled import Compiled, compiled_of, load
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.mapping import MapOptions, map_network
from ndrite.emulator.mapping.explain import explain
from ndrite.emulator.spec.arithmetic import Floats
from ndrite.files import array_of, save_array
from ndrite.host import BoardApi
from ndrite.intervals import mean_interval
from ndrite.results import Result, Table
from ndrite.runs import Crew, File, Row, Run, execute
from ndrite.samples import EvaluationSet, Judged, judged_samples
from ndrite.signature import Stages

MODULE = "ndrite.dies"


@dataclass(frozen=True, eq=False, repr=False)
class OverDies(Result):
    """The result of scoring several dies of one chip: the program as it is, or each
    cause of error alone.

    Attributes
    ----------
    name, measure, judged_by:
        Network and chip, the measure, and where samples and labels are from.
    samples:
        Samples that every die was judged on.
    reference:
        The float network's score.
    rows:
        Name -> score of each die, float64 (dies,); the program as compiled is the last one.
    is_share:
        Whether scores are shares of right answers, 0..1.
    seeds:
        Seeds of the dies.
    """

    name: str
    measure: str
    judged_by: str
    samples: int
    reference: float
    rows: dict[str, Floats]
    is_share: bool
    seeds: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        rows = {
            name: {"mean": mean, "half_interval_95": half, "per_die": scores.tolist()}
            for name, scores in self.rows.items()
            for mean, half in [mean_interval(scores)]
        }
        return {
            "measure": self.measure,
            "samples": self.samples,
            "judged_by": self.judged_by,
            "float": self.reference,
            "dies": list(self.seeds),
            "rows": rows,
        }

    def tables(self) -> Iterable[Table]:
        factor, unit = (100, " %") if self.is_share else (1, "")
        words = self.measure.replace("_", " ")
        title = (
            f"{self.name}: float {factor * self.reference:.4g}{unit} over {self.samples:,} samples "
            f"({self.judged_by}); {len(self.seeds)} dies, 95 % by Student's t over dies"
        )
        rows = []
        for name, scores in self.rows.items():
            mean, half = mean_interval(factor * scores)
            change, by = mean_interval(factor * (self.reference - scores))
            either = "" if half is None else f" ± {half:.2g}"
            rows.append(
                (
                    name,
                    f"{mean:.4g}{either}",
                    f"{change if self.is_share else -change:.2f}" + ("" if by is None else f" ± {by:.2g}"),
                )
            )
        lost = "points lost" if self.is_share else f"added {words}"
        yield Table(title, ("", f"{words}{', %' if self.is_share else ''}", lost), rows)


def evaluated(
    *,
    compiled: File,
    inputs: File | None,
    labels: File | None,
    die: int,
    how: dict[str, Any],
    board: BoardApi | None = None,
) -> Row:
    """Compile a network anew for die number ``die`` of its chip, and score it on a
    board or on the golden model; return a row of results."""
    compiled_die, judged = _on_die(compiled, inputs, labels, die, how)
    board = GoldenBoard() if board is None else board
    board.program(compiled_die.program)
    outputs = board.infer(judged.x, seed=how["seed"], noise=how["noise"])
    score = judged.task.score(outputs * (compiled_die.program.meaning.output_step or 1.0), judged.labels)
    return {"program": score, **_reference(compiled_die, judged)}


def explained(
    *, compiled: File, inputs: File | None, labels: File | None, die: int, how: dict[str, Any]
) -> Row:
    """Compile a network anew for die number ``die`` of its chip, and score it with one
    cause of error at a time; return a row of results."""
    compiled_die, (x, truth, by, task) = _on_die(compiled, inputs, labels, die, how)
    explanation = explain(
        compiled_die.network,
        compiled_die.program,
        compiled_die.die,
        compiled_die.samples,
        x,
        truth,
        task=task,
        seed=how["seed"],
    )
    return {row.cause: row.score for row in explanation.rows} | _reference(
        compiled_die, Judged(x, truth, by, task)
    )


def _reference(whole: Compiled, judged: Judged) -> Row:
    floats = whole.network.forward(judged.x / np.float32(255))
    return {
        "float": judged.task.score(floats, judged.labels),
        "measure": judged.task.measure,
        "is_share": judged.task.is_share,
        "samples": len(judged.x),
        "judged_by": judged.by,
    }


def _on_die(
    compiled: File, inputs: File | None, labels: File | None, die: int, how: dict[str, Any]
) -> tuple[Compiled, Judged]:
    compiled.read()
    loaded = load(compiled.path)
    x, y = (None if file is None else file.array() for file in (inputs, labels))
    options = {name: how[name] for name in ("data", "codes", "measure", "seen")}
    wanted = EvaluationSet(x, y, **options)
    judged = judged_samples(loaded.program, loaded, wanted).first(how["count"], how["most"])
    with warnings.catch_warnings(action="ignore", category=CompileWarning):
        mapped = map_network(
            loaded.network,
            loaded.die.chip,
            loaded.samples,
            seed=die,
            options=MapOptions(mitigation=loaded.die.mitigation),
        )
    return dataclasses.replace(loaded, program=mapped.program, die=mapped.die), judged


def over_dies(
    function: Callable[..., Row],
    source: object,
    wanted: EvaluationSet,
    dies: int,
    crew: Crew,
    progress: Stages,
    **how: int | bool | None,
) -> OverDies:
    """Run ``evaluated`` or ``explained`` on the dies number 0 .. dies - 1 of the chip
    for which ``source`` was compiled, and join the results.

    ``how``: read noise (``seed``, ``noise``) and how many of the ``wanted`` samples are
    used (``count``, ``most``, as for ``Judged.first``). Raises RunError naming the
    first die that failed.
    """
    compiled = compiled_of(source)
    with (
        crew.open(MODULE) as opened,
        progress("dies") as report,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name)
        files: dict[str, File | None] = {"compiled": File.of(compiled.save(folder / "compiled"))}
        for parameter, values in (("inputs", wanted.inputs), ("labels", wanted.labels)):
            path = None if values is None else save_array(folder / f"{parameter}.npy", array_of(values))
            files[parameter] = None if path is None else File.of(path)
        options = {"data": wanted.data, "codes": wanted.codes, "measure": wanted.measure, "seen": wanted.seen}
        call = f"{MODULE}:{function.__name__}"
        runs = [Run(call, {**files, "die": die, "how": options | how}) for die in range(dies)]
        outcome = execute(runs, opened, folder, progress=report, say=crew.announce)
    rows = outcome.done("dies", lambda number: f"die {number}")
    fixed = ("float", "measure", "is_share", "samples", "judged_by")
    return OverDies(
        name=f"{compiled.network.name} on {compiled.die.chip.name}",
        reference=rows[0]["float"],
        rows={key: np.array([row[key] for row in rows]) for key in rows[0] if key not in fixed},
        seeds=tuple(range(dies)),
        **{key: rows[0][key] for key in fixed[1:]},
    )

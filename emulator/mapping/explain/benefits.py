"""Effect of each measure against a chip's errors on score and SNR."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileWarning
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping import NOTHING, MapOptions, Mapped, Mitigation, map_network
from ndrite.emulator.mapping.explain.explain import Judge, snr_db
from ndrite.emulator.network import Network
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Array, Codes, Floats
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.task import Task

WRITE_VERIFY_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Result of one compilation on the golden model: its score in ``measure``, and its
    SNR in dB relative to the float network."""

    name: str
    measure: str
    score: float
    snr_db: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain types for JSON; the score has the name of the
        measure as its key."""
        return {"name": self.name, "snr_db": self.snr_db, self.measure: self.score}


@record()
class Trial:
    """A float network, and labelled samples on which programs of it are judged.

    ``x``: uint8 (n, inputs); ``labels``, ``task``: as for ``explain``.
    """

    network: Network
    x: Codes
    labels: Array
    task: Task | None = None

    @cached_property
    def reference(self) -> Floats:
        """Outputs of the float network for the samples, float64 (n, M)."""
        return self.network.forward(self.x.astype(np.float32) / np.float32(INPUT_MAX)).astype(np.float64)

    def judge(self, name: str, compiled: Mapped, *, seed: int = 0) -> Outcome:
        """Return score and SNR of one compilation of the network on the golden model.
        ``seed`` is that of the read noise."""
        out = Core(compiled.program).infer(self.x, seed=seed)
        logits = out.astype(np.float64) * (compiled.program.meaning.output_step or 1.0)
        judge = Judge(self.labels, self.reference, self.task)
        score = judge.score(logits)
        return Outcome(name=name, measure=judge.measure, score=score, snr_db=snr_db(self.reference, logits))


def mitigations(chip: Chip) -> dict[str, Mitigation]:
    """Return the sets of mitigation measures to compare, by name: none, the
    defaults, the defaults with each measure switched on or off in turn, and the
    defaults with write-verify."""
    default = Mitigation()
    default = dataclasses.replace(
        default,
        gain_calibration=default.calibrates_gain(chip),
        wire_compensation=default.compensates_wires(chip),
    )
    cases = {"none": NOTHING, "default": default}
    defaults = dataclasses.asdict(default)
    for field in (
        "range_calibration",
        "bias_correction",
        "gain_calibration",
        "fault_aware",
        "row_placement",
        "wire_compensation",
    ):
        name = field.replace("_", " ")
        flipped = not defaults[field]
        cases[f"default {'+' if flipped else '-'} {name}"] = dataclasses.replace(default, **{field: flipped})
    cases[f"default + {WRITE_VERIFY_ATTEMPTS} write-verify passes"] = dataclasses.replace(
        default, write_verify_attempts=WRITE_VERIFY_ATTEMPTS
    )
    return cases


def mitigation_benefits(
    trial: Trial,
    chip: Chip,
    samples: Codes,
    *,
    seeds: Iterable[int] = (0,),
    reads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Return score and SNR of the trial's network for each set of measures in
    ``mitigations``, as means over the chips ``seeds``. ``samples`` calibrate;
    ``reads`` is the seed of the read noise."""
    outcomes: list[Outcome] = []
    cases = mitigations(chip)
    for name, measures in cases.items():
        outcomes_of_dies = []
        for seed in seeds:
            with warnings.catch_warnings(action="ignore", category=CompileWarning):
                compiled = map_network(
                    trial.network, chip, samples, seed=seed, options=MapOptions(mitigation=measures)
                )
            read = seed if reads is None else reads
            outcomes_of_dies.append(trial.judge(name, compiled, seed=read))
        score = float(np.mean([o.score for o in outcomes_of_dies]))
        snr = float(np.mean([o.snr_db for o in outcomes_of_dies]))
        measure = outcomes_of_dies[0].measure
        outcomes.append(Outcome(name=name, measure=measure, score=score, snr_db=snr))
        if progress is not None:
            progress(len(outcomes), len(cases))
    return outcomes

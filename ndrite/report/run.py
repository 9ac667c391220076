"""gather: every number of a report."""

from __future__ import annotations

import hashlib
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boards.fpga.reports import load as board_report
from emulator.golden import Core
from emulator.mapping.explain import Explanation, explain
from emulator.spec import Geometry, Program
from emulator.spec.brief import brief_repr
from host import InputError
from host.api import Progress
from ndrite.arrays import load_array
from ndrite.cost import Account, account_of
from ndrite.explain import Subject, shipped_samples, subject_of
from ndrite.inputs import encode
from ndrite.labelled import check_classes, chosen_data_set, judging_set, typical
from ndrite.report.files import RunFiles
from ndrite.trace import Trace, on_array, trace_inference
from ndrite.url import geometry_for

CLASSES_MAX = 32
"""Classes that a confusion matrix is drawn for."""
COST_SAMPLES = 100
"""Inputs that the cost of an inference is counted on."""


@dataclass(frozen=True, eq=False)
class Report:
    """All of it; accuracies 0..1.

    ``confusion`` int64 (label, answer), of the golden model; ``trace`` None where none was asked for or
    the program does not fit; ``cost`` what an inference costs, modelled; ``board`` the committed report of an
    FPGA build, if any.
    """

    __repr__ = brief_repr

    subject: Subject
    explanation: Explanation
    accuracy_float: float
    accuracy_golden: float
    images: int
    confusion: npt.NDArray[np.int64]
    trace: Trace | None
    cost: Account
    geometry: Geometry
    board: dict[str, Any] | None
    seed: int
    provenance: dict[str, str]


def gather(
    files: RunFiles,
    *,
    preset: str | None = None,
    product: int | None = None,
    timeline: bool = True,
    fpga: str | None = None,
    images: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Read program and die, run, trace one inference.

    Parameters
    ----------
    preset:
        The array that tiles are laid out for and the timeline is simulated on; None: one as large as the
        program needs.
    product:
        Of a program that is no chain: which product the timeline shows; None: the first on the array.
    timeline:
        Whether to simulate one inference; the first time, the RTL is compiled with waveforms.
    fpga:
        Board whose committed build is shown.
    images:
        Most inputs to judge by; default: all.
    seed:
        Read-noise seed.

    Raises
    ------
    FileNotFoundError, EmulatorError, SpecError, InputError
        When a file is missing or wrong, or something that does not ship was not given.
    HostError
        When the simulation fails.
    """
    program, board = Program.load(files.program), None if fpga is None else _board(fpga)
    geometry = geometry_for(on_array(program, product), preset)
    wanted = "--inputs X.npy, --labels Y.npy and --samples S.npy"
    own = files.inputs is not None and files.labels is not None
    name = None if own else chosen_data_set(program.meaning, program.inputs, files.data, wanted)
    warnings: list[str] = []

    def codes_in(path: Path) -> npt.NDArray[np.uint8]:
        encoded = encode(load_array(path), program.meaning, program.inputs, what=str(path), codes=files.codes)
        if encoded.warning is not None:
            warnings.append(f"{path.name}: {encoded.warning}")
        return encoded.codes

    if files.inputs is not None and files.labels is not None:
        x, labels = codes_in(files.inputs), load_array(files.labels)
    else:
        assert name is not None
        x, labels = judging_set(name)
    check_classes(labels, len(x), program.outputs, str(files.labels))
    samples = shipped_samples(program) if files.samples is None else codes_in(files.samples)
    if samples is None:
        if name is None:
            raise InputError(
                f"{files.program}: --samples is missing; accepted: a file, as --inputs are your own data"
            )
        samples = typical(name)
    x, labels = x[:images], labels[:images]
    step = _steps(progress, 4 if timeline else 3)
    subject = subject_of(files.program, chip=None, network=files.network, samples=samples, seed=None)
    step()
    explanation = explain(subject.network, subject.program, subject.die, samples, x, labels, seed=seed)
    step()
    answers = Core(subject.program).infer(x, seed=seed).argmax(axis=1)
    classes = subject.program.outputs
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    step()
    trace = None
    if timeline:
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "trace.vcd"
            trace = trace_inference(subject.program, x[0], path, geometry, product=product, seed=seed)
        step()
    return Report(
        subject=subject,
        explanation=explanation,
        accuracy_float=explanation.reference,
        accuracy_golden=float((answers == labels).mean()),
        images=len(x),
        confusion=confusion,
        trace=trace,
        cost=account_of(subject.program, subject.die, x[:COST_SAMPLES]),
        geometry=geometry,
        board=board,
        seed=seed,
        provenance=_provenance(files, subject, x, labels, seed)
        | ({"warnings": "; ".join(warnings)} if warnings else {}),
    )


def _board(name: str) -> dict[str, Any]:
    from boards.fpga.registry import find_target

    find_target(name)
    report = board_report(name)
    if report is None:
        raise InputError(
            f"board {name!r} has no committed build; accepted: one of `ndrite boards` with figures"
        )
    return report


def _provenance(
    files: RunFiles, subject: Subject, x: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int
) -> dict[str, str]:
    from importlib.metadata import version

    import scipy

    return {
        "program": f"{files.program.name}, SHA-256 of what it computes {subject.program.checksum()}",
        "die": f"SHA-256 {subject.program.provenance['die']}",
        "float network": subject.network.name + ("" if files.network is None else f", {_sha(files.network)}"),
        "inputs": f"{len(x)}, SHA-256 {hashlib.sha256(x.tobytes()).hexdigest()}",
        "labels": f"SHA-256 {hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()}",
        "chip seed": str(subject.die.seed),
        "read-noise seed": str(seed),
        "versions": f"ndrite {version('ndrite')}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"Python {platform.python_version()}",
    }


def _sha(path: Path) -> str:
    return f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _steps(progress: Progress | None, total: int) -> Any:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return step

"""Accuracy and output SNR by cause: each alone, all together, and the chip image itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.chips import Chip
from emulator.compile import Compiled
from emulator.explain.causes import CAUSES
from emulator.explain.forward import logits, stages
from emulator.golden import Core
from emulator.network import Network
from emulator.spec import Program
from emulator.spec.brief import brief_repr

Floats = npt.NDArray[np.float64]

ALL, IMAGE = "all causes", "chip image (golden model)"
SNR_MAX_DB = 100.0
"""Given for outputs that deviate by less: the reference itself is in 32-bit floats."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cause. Accuracies 0..1, SNR in dB, against the float network's outputs.

    ``*_corrected``: with the column gains and biases fitted on the samples, as compiling does; None for the
    chip image, which has whatever it was compiled with.
    """

    cause: str
    covers: str
    accuracy: float
    snr_db: float
    accuracy_corrected: float | None
    snr_corrected_db: float | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All rows, causes first; ``reference`` is the float network's accuracy."""

    __repr__ = brief_repr

    network: str
    chip: str
    images: int
    reference: float
    rows: tuple[Row, ...]

    def row(self, cause: str) -> Row:
        """The row of that name."""
        return next(row for row in self.rows if row.cause == cause)

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return dataclasses.asdict(self)


def explain(
    network: Network,
    chip: Chip,
    compiled: Compiled,
    samples: npt.NDArray[np.uint8],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    *,
    image: Program | None = None,
    seed: int = 0,
) -> Explanation:
    """Break a compiled network's loss down.

    Every cause is taken from the one chip in hand: the programming error of its cells, not of cells at large.
    Causes do not add up: noise powers do when errors are small and independent, accuracies hardly ever.

    Parameters
    ----------
    network, chip, compiled:
        What was compiled, onto what, and the result.
    samples:
        The inputs it was calibrated on, uint8 (n, inputs).
    images, labels:
        uint8 (n, inputs) and (n,) to judge by.
    image:
        The chip image for the last row; ``compiled``'s by default.
    seed:
        Read-noise seed.
    """
    image = image or compiled.program
    built = stages(network, chip, compiled.program.layers, compiled.details)
    segments = image.curve_base.shape[1]
    bits = image.layers[0].table_bits
    reference = network.forward(images.astype(np.float32) / np.float32(255)).astype(np.float64)
    both = np.concatenate([samples, images])

    def measure(causes: list[str], corrected: int) -> tuple[float, float]:
        out = logits(
            built, chip, both, causes, corrected=corrected, segments=segments, table_bits=bits, seed=seed
        )[len(samples) :]
        return _accuracy(out, labels), snr_db(reference, out)

    rows = []
    for name, covers, causes in [
        *((c, covers, [c]) for c, covers in CAUSES.items()),
        (ALL, "in floating point, tables and converters included", list(CAUSES)),
    ]:
        accuracy, snr = measure(causes, 0)
        accuracy_corrected, snr_corrected = measure(causes, len(samples))
        rows.append(
            Row(
                cause=name,
                covers=covers,
                accuracy=accuracy,
                snr_db=snr,
                accuracy_corrected=accuracy_corrected,
                snr_corrected_db=snr_corrected,
            )
        )
    golden = Core(image).infer(images, seed=seed).astype(np.float64)
    if image.checksum() == compiled.program.checksum():
        golden = golden * compiled.details[-1].step
    else:
        golden = golden * _unit(golden, reference)
    rows.append(
        Row(
            cause=IMAGE,
            covers="the integers the gateware computes, as compiled",
            accuracy=_accuracy(golden, labels),
            snr_db=snr_db(reference, golden),
            accuracy_corrected=None,
            snr_corrected_db=None,
        )
    )
    return Explanation(
        network=network.name,
        chip=chip.name,
        images=len(images),
        reference=_accuracy(reference, labels),
        rows=tuple(rows),
    )


def snr_db(reference: Floats, out: Floats) -> float:
    """Power of ``reference`` (n, M) about its columns' means over that of ``out - reference``, decibels."""
    error = float(np.square(out - reference).mean(axis=0).sum())
    signal = float(reference.var(axis=0).sum())
    if error <= signal * 10 ** (-SNR_MAX_DB / 10):
        return SNR_MAX_DB
    return float(10 * np.log10(max(signal, 1e-300) / error))


def _unit(out: Floats, reference: Floats) -> float:
    """The output step that brings an image of unknown step closest to ``reference``."""
    a, b = out - out.mean(axis=0), reference - reference.mean(axis=0)
    return float((a * b).sum() / max(float(np.square(a).sum()), 1e-300))


def _accuracy(out: Floats, labels: npt.NDArray[np.integer]) -> float:
    return float((out.argmax(axis=1) == labels).mean())

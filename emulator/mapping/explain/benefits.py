"""What each measure against a chip's errors is worth, and what each preset loses."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.errors import CompileWarning
from emulator.golden import Core
from emulator.mapping import NOTHING, MapOptions, Mapped, Mitigation, map_network
from emulator.mapping.explain.explain import snr_db
from emulator.network import Network

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.integer]

WRITE_VERIFY_ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One compilation on the golden model: accuracy 0..1, SNR in dB against the float network."""

    name: str
    accuracy: float
    snr_db: float

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return dataclasses.asdict(self)


def mitigations(chip: Chip) -> dict[str, Mitigation]:
    """None, the default ones, the default ones less each, and write-verify on top."""
    default = Mitigation()
    default = dataclasses.replace(
        default,
        gain_calibration=default.calibrates_gain(chip),
        wire_compensation=default.compensates_wires(chip),
    )
    cases = {"none": NOTHING, "default": default}
    for field in (
        "range_calibration",
        "bias_correction",
        "gain_calibration",
        "fault_aware",
        "wire_compensation",
    ):
        name = field.replace("_", " ")
        flipped = not getattr(default, field)
        cases[f"default {'+' if flipped else '-'} {name}"] = dataclasses.replace(default, **{field: flipped})
    cases[f"default + {WRITE_VERIFY_ATTEMPTS} write-verify passes"] = dataclasses.replace(
        default, write_verify_attempts=WRITE_VERIFY_ATTEMPTS
    )
    return cases


def mitigation_benefits(
    network: Network,
    chip: Chip,
    samples: Images,
    images: Images,
    labels: Labels,
    *,
    seeds: Iterable[int] = (0,),
) -> list[Outcome]:
    """Accuracy and SNR with each set of ``mitigations``, means over chips (and read noise) of these seeds."""
    outcomes = []
    for name, measures in mitigations(chip).items():
        each = []
        for seed in seeds:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CompileWarning)
                compiled = map_network(
                    network, chip, samples, seed=seed, options=MapOptions(mitigation=measures)
                )
            each.append(judge(name, network, compiled, images, labels, seed=seed))
        accuracy, snr = np.mean([o.accuracy for o in each]), np.mean([o.snr_db for o in each])
        outcomes.append(Outcome(name=name, accuracy=float(accuracy), snr_db=float(snr)))
    return outcomes


def judge(
    name: str,
    network: Network,
    compiled: Mapped,
    images: Images,
    labels: Labels,
    *,
    seed: int = 0,
    noise: bool = True,
) -> Outcome:
    """Accuracy and SNR of one compiled network on the golden model."""
    out = Core(compiled.program).infer(images, seed=seed, noise=noise)
    logits = out.astype(np.float64) * (compiled.program.meaning.output_step or 1.0)
    reference = network.forward(images.astype(np.float32) / np.float32(255)).astype(np.float64)
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return Outcome(name=name, accuracy=accuracy, snr_db=snr_db(reference, logits))

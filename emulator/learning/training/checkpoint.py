"""The whole state of a training after an epoch, so that going on from it gives what never stopping would."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError
from emulator.files import whole_file
from emulator.learning.training.extra import torch


@dataclass(frozen=True)
class Run:
    """What a training step changes: model, averaged model, optimiser, schedule, generator of the batches."""

    model: torch.nn.Module
    average: torch.nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator


def save_state(path: Path, run: Run, mark: dict[str, Any], epoch: int, best: float) -> None:
    """Write the state in whole or not at all; ``mark``: what training depends on, plain values by name."""
    content = {
        "mark": mark,
        "epoch": epoch,
        "best": best,
        "model": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "schedule": run.schedule.state_dict(),
        "generator": run.generator.get_state(),
        "torch_generator": torch.get_rng_state(),
    }
    with whole_file(path) as file:
        torch.save(content, file)


def load_state(path: Path, run: Run, mark: dict[str, Any]) -> tuple[int, float]:
    """Put the state into ``run``; the epochs done and the best held-out accuracy. Nothing in it is executed.

    Raises
    ------
    EmulatorError
        When the file is no such state, or one of another training: model, recipe, settings or samples.
    """
    try:
        content = torch.load(path, weights_only=True)
        if content["mark"] != mark:
            changed = sorted(k for k in mark if content["mark"].get(k) != mark[k])
            raise EmulatorError(
                f"{path}: state of a training with another {', '.join(changed)}; accepted: the "
                "same training, or delete the file to start anew"
            )
        run.model.load_state_dict(content["model"])
        run.average.load_state_dict(content["average"])
        run.optimiser.load_state_dict(content["optimiser"])
        run.schedule.load_state_dict(content["schedule"])
        run.generator.set_state(content["generator"])
        torch.set_rng_state(content["torch_generator"])
        return int(content["epoch"]), float(content["best"])
    except EmulatorError:
        raise
    except (
        RuntimeError,
        KeyError,
        TypeError,
        ValueError,
        OSError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EmulatorError(f"{path}: not the state of this training ({line})") from None

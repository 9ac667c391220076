"""The whole state of a training after an epoch, so that going on from it gives what never stopping would."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError
from emulator.learning.training.extra import torch
from emulator.spec import state_file


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
        "epoch": epoch,
        "best": best,
        "model": run.model.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "schedule": run.schedule.state_dict(),
        "generator": run.generator.get_state(),
        "torch_generator": torch.get_rng_state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    state_file.save_state(path, mark, buffer.getvalue())


def load_state(path: Path, run: Run, mark: dict[str, Any]) -> tuple[int, float]:
    """Put the state into ``run``; the epochs done and the best held-out accuracy. Nothing in it is executed.

    Raises
    ------
    StateError
        When the file is no state, was edited, or is one of another training: model, recipe, settings,
        samples or code.
    EmulatorError
        When its content does not fit the model.
    """
    kept = state_file.load_state(path, mark)
    try:
        content = torch.load(io.BytesIO(kept), weights_only=True)
        run.model.load_state_dict(content["model"])
        run.average.load_state_dict(content["average"])
        run.optimiser.load_state_dict(content["optimiser"])
        run.schedule.load_state_dict(content["schedule"])
        run.generator.set_state(content["generator"])
        torch.set_rng_state(content["torch_generator"])
        return int(content["epoch"]), float(content["best"])
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EmulatorError(f"{path}: not the state of this training ({line})") from None

"""The training loop: Adam, one-cycle schedule, averaged weights, best checkpoint
by held-out images."""

import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.model import TrainedNetwork, settle_normalisation
from ndrite.emulator.learning.training.view import Tensor, torch
from ndrite.emulator.spec import state_file


class Augment:
    """Random augmentation: shifts half of the images by up to ``shift`` pixels in each
    direction, and with ``flip`` mirrors half of them.

    Mirroring asks too much of 128 neurons (held-out accuracy 87.8 % with it, 89.7 %
    without), not of convolutions. Built once over all images (n, side * side);
    ``batch`` gathers augmented rows.
    """

    def __init__(
        self, images: Tensor, side: int, generator: torch.Generator, *, shift: int = 1, flip: bool = False
    ) -> None:
        n = images.shape[0]
        padded = torch.zeros(n, side + 2 * shift, side + 2 * shift)
        padded[:, shift : shift + side, shift : shift + side] = images.view(n, side, side)
        self.width = side + 2 * shift
        self.flat = padded.reshape(n, -1)
        self.shift, self.flip, self.generator = shift, flip, generator
        columns = torch.arange(side)
        grid = columns.unsqueeze(1) * self.width + columns
        self.centre = grid.reshape(1, -1)
        self.mirrored = grid.flip(1).reshape(1, -1)

    def batch(self, rows: Tensor) -> Tensor:
        """Return augmented copies (len(rows), side * side) of the images numbered ``rows``."""
        n = rows.shape[0]
        shift = torch.randint(0, 2 * self.shift + 1, (n, 2), generator=self.generator)
        still = torch.rand(n, 1, generator=self.generator) < 0.5
        shift = shift.masked_fill(still, self.shift)
        index = self.centre
        if self.flip:
            index = torch.where(torch.rand(n, 1, generator=self.generator) < 0.5, self.mirrored, index)
        index = index + shift[:, :1] * self.width + shift[:, 1:]
        return self.flat[rows].gather(1, index)


@dataclass(frozen=True)
class StateFile:
    """The file that keeps the state of a training run after each epoch. ``mark``: what
    training depends on, plain values by name; it tells whether a file belongs to the
    same training run."""

    path: Path
    mark: dict[str, Any]

    def save(self, run: dict[str, Any], batches: torch.Generator, epoch: int, best: float) -> None:
        """Write the state of a training run; the file is written completely or not at all.

        ``run``: what a training step changes, by name; ``batches``: the generator of
        their order.
        """
        content = {name: part.state_dict() for name, part in run.items()}
        generators = {"generator": batches.get_state(), "torch_generator": torch.get_rng_state()}
        buffer = io.BytesIO()
        torch.save({"epoch": epoch, "best": best, **content, **generators}, buffer)
        state_file.save_state(self.path, self.mark, buffer.getvalue())

    def load(self, run: dict[str, Any], batches: torch.Generator) -> tuple[int, float]:
        """Restore ``run`` and ``batches`` from a saved state; return the number of
        epochs done and the best held-out accuracy. Nothing in the file is executed.
        Raises StateError when the file is not a state, was edited, or belongs to
        another training run."""
        saved = state_file.load_state(self.path, self.mark)
        try:
            content = torch.load(io.BytesIO(saved), weights_only=True)
            for name, part in run.items():
                part.load_state_dict(content[name])
            batches.set_state(content["generator"])
            torch.set_rng_state(content["torch_generator"])
            return int(content["epoch"]), float(content["best"])
        except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EmulatorError(f"{self.path}: not the state of this training ({line})") from None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Hyperparameters of training; ``average`` is the decay per step of the exponential
    average of the weights.

    ``shift``, ``flip``: largest shift in pixels, and whether images are mirrored;
    square images only.
    """

    epochs: int = 100
    batch: int = 256
    learning_rate: float = 8e-3
    weight_decay: float = 0.0
    smoothing: float = 0.05
    average: float = 0.999
    seed: int = 1
    shift: int = 1
    flip: bool = False


def averaging(steps: int) -> float:
    """Return the decay per step of the weight average: 0.999, or less if there are
    under 5,000 ``steps``, so that less than a hundredth of the initial weights
    remains in the average."""
    return min(Recipe.average, max(0.0, 1.0 - 5.0 / max(steps, 1)))


@dataclass(frozen=True)
class Split:
    """Training images and held-out images (n, inputs) in [0, 1], and the labels
    (n,) int64 of both. ``side``: side of square images, which may be augmented; None:
    inputs are taken as they are."""

    images: Tensor
    labels: Tensor
    held_images: Tensor
    held_labels: Tensor
    side: int | None = None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed after ``epoch`` complete epochs, whose results are kept."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch


def train(
    model: TrainedNetwork,
    split: Split,
    recipe: Recipe,
    *,
    checkpoint: Callable[[TrainedNetwork, int, float], None],
    state: StateFile | None = None,
    progress: Callable[[int, int, float, float], None] | None = None,
) -> float:
    """Train a model in place; call ``checkpoint(model, epoch, accuracy)`` whenever the
    held-out accuracy is the best so far.

    Accuracy is that of the averaged float weights on the held-out images, noise off.
    Returns the best one. Raises EmulatorError: ``state`` belongs to another training,
    or the training set is smaller than a batch. Raises Interrupted after Ctrl-C; the
    best checkpoint so far is kept.

    Parameters
    ----------
    state:
        Where every epoch's whole state goes, and where training goes on from if the
        file is there: the result is that of an uninterrupted run.
    progress:
        Called as ``progress(epoch, epochs, accuracy, best)`` after every epoch.
    """
    n = split.images.shape[0]
    if n < recipe.batch:
        raise EmulatorError(f"training set holds {n} samples; accepted: at least batch ({recipe.batch})")
    generator = torch.Generator().manual_seed(recipe.seed)
    augment = None
    if split.side is not None and (recipe.shift or recipe.flip):
        augment = Augment(split.images, split.side, generator, shift=recipe.shift, flip=recipe.flip)
    steps = n // recipe.batch
    device = [p for name, p in model.named_parameters() if "log_" in name or "shift" in name]
    weights = [p for name, p in model.named_parameters() if not ("log_" in name or "shift" in name)]
    optimiser = torch.optim.AdamW(
        [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": device, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=max(recipe.epochs * steps, 2), pct_start=0.15
    )
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    average = copy.deepcopy(model)
    run = {"model": model, "average": average, "optimiser": optimiser, "schedule": schedule}
    best, done = 0.0, 0
    if state is not None and state.path.exists():
        done, best = state.load(run, generator)
    try:
        for epoch in range(done + 1, recipe.epochs + 1):
            model.train()
            order = torch.randperm(n, generator=generator)
            for rows in order[: steps * recipe.batch].view(steps, recipe.batch):
                x = split.images[rows] if augment is None else augment.batch(rows)
                loss = loss_of(model(x), split.labels[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                with torch.no_grad():
                    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                        mean.lerp_(now, 1.0 - recipe.average)
            settle_normalisation(average, split.images)
            accuracy = evaluate(average, split.held_images, split.held_labels)
            if accuracy > best:
                best = accuracy
                checkpoint(average, epoch, accuracy)
            done = epoch
            if state is not None:
                state.save(run, generator, done, best)
            if progress is not None:
                progress(epoch, recipe.epochs, accuracy, best)
    except KeyboardInterrupt:
        raise Interrupted(done) from None
    return best


def evaluate(model: TrainedNetwork, images: Tensor, labels: Tensor) -> float:
    """Return the accuracy of the model's float weights on images, with noise off."""
    return float((model.outputs_of(images).argmax(dim=1) == labels).double().mean())

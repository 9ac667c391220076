"""A residual network trained through a chip's errors, in a plain PyTorch loop:
what it recovers.

    python examples/hardware_aware.py                            # five seeds, half an hour
    python examples/hardware_aware.py --seeds 1 --scale 3
    python examples/hardware_aware.py --keep FOLDER              # seeds that are there are not run again

A seed is a network of its own: trained in floats, then on from there at the same rate,
either in floats or through ``ndrite.analog(...).train()``. The latter is taught by the
former: half of its loss is the distance to that network's answers (Hinton et al. 2015,
arXiv 1503.02531, at a temperature of 2). A third one, the control, is taught alike, in
floats. All are put on the same dies, and read with the die's noise seed. ``recovered``
is the part of the float network's loss on the dies that training through errors took
back. The clip was chosen of five with seed 0, which is not among the seeds. Needs
ndrite[train] and Fashion-MNIST's training images (Debian's package
dataset-fashion-mnist, or --folder).
"""

import argparse
import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import ndrite
from ndrite import intervals

BATCH, RATE, TEMPERATURE = 100, 0.01, 2.0


class Residual(nn.Module):  # type: ignore[misc]
    """Two convolutions beside a straight connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Any) -> Any:
        return torch.relu(x + self.layers(x))


def network() -> nn.Module:
    stem = [nn.Conv2d(1, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, Residual(16), Residual(16), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(784, 10))


def train(model: Any, x: Any, labels: Any, epochs: int, rate: float, teacher: Any = None) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * -(-len(x) // BATCH))
    model.train()
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(BATCH):
            answers = model(x[part])
            loss = functional.cross_entropy(answers, labels[part], label_smoothing=0.05)
            if teacher is not None:
                loss = (loss + distance(answers, teacher(x[part]))) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()


def distance(answers: Any, taught: Any) -> Any:
    """Kullback-Leibler divergence of softened answers; its gradients are as large as
    without softening."""
    wanted = (taught.detach() / TEMPERATURE).log_softmax(dim=1)
    found = (answers / TEMPERATURE).log_softmax(dim=1)
    return TEMPERATURE**2 * functional.kl_div(found, wanted, reduction="batchmean", log_target=True)


def right(model: Any, x: Any, labels: Any) -> Any:
    """Whether each answer is right, float64 (n,) of 0 and 1."""
    found = []
    with torch.no_grad():
        for start in range(0, len(x), 500):
            if hasattr(model, "ndrite"):
                model.ndrite.first_index = start
            answers = model(x[start : start + 500]).argmax(dim=1)
            found.append((answers == labels[start : start + 500]).double())
    return torch.cat(found).numpy()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chip", default="wan2022")
    parser.add_argument("--scale", type=float, default=2.0, help="factor on its programming error and drift")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--dies", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4, help="in floats")
    parser.add_argument("--more", type=int, default=4, help="epochs after them, in floats or through errors")
    parser.add_argument("--train", type=int, default=20_000, help="training pictures")
    parser.add_argument("--clip", type=float, default=1.5, help="clip_rms of training through errors")
    parser.add_argument("--folder", help="folder with Fashion-MNIST's training files")
    parser.add_argument("--keep", type=Path, help="folder for what every seed's networks answer")
    return parser.parse_args()


def run(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Which answers are right: of the float network (n,), and on dies (dies, n)
    "before" and "after"; of the control in floats (n,) and on dies (dies, n)."""
    chip = ndrite.load_chip(options.chip)
    chip = dataclasses.replace(chip, cell=dataclasses.replace(chip.cell, error_scale=options.scale))
    data = ndrite.data_set("fashion-mnist", options.folder)
    images, classes = data.x[: options.train], data.labels[: options.train]
    x, labels = torch.tensor(images / 255).float().view(-1, 1, 28, 28), torch.tensor(classes).long()
    test_x = torch.tensor(data.test_x / 255).float().view(-1, 1, 28, 28)
    test_labels = torch.tensor(data.test_labels).long()

    def on_dies(model: Any, clip: float | None) -> Any:
        chips = (
            ndrite.analog(model, chip, samples=x[:512], seed=die, clip_rms=clip)
            for die in range(options.dies)
        )
        return np.stack([right(c, test_x, test_labels) for c in chips])

    torch.manual_seed(seed)
    plain = network()
    train(plain, x, labels, options.epochs, RATE)
    control = copy.deepcopy(plain)
    through = ndrite.analog(
        copy.deepcopy(plain), chip, samples=x[:512], seed=1000 + seed, clip_rms=options.clip
    )
    train(plain, x, labels, options.more, RATE)
    train(through, x, labels, options.more, RATE, plain)
    trained = network().eval()
    trained.load_state_dict(through.state_dict())
    torch.manual_seed(2000 + seed)
    train(control, x, labels, options.more, RATE, plain)
    return {
        "float": right(plain, test_x, test_labels),
        "before": on_dies(plain, None),
        "after": on_dies(trained, options.clip),
        "control": right(control, test_x, test_labels),
        "control_on_dies": on_dies(control, None),
    }


def main() -> None:
    options = arguments()
    print(f"{options.chip} at {options.scale:g} times its error; accuracies in percent, {options.dies} dies")
    print("seed  float  on dies  trained  recovered")
    found = []
    for seed in range(options.first, options.first + options.seeds):
        settings = [
            seed,
            options.epochs,
            options.more,
            options.train,
            options.dies,
            options.scale,
            options.clip,
            TEMPERATURE,
        ]
        name = f"{options.chip}-{'-'.join(f'{value:g}' for value in settings)}.npz"
        kept = None if options.keep is None else options.keep / name
        if kept is not None and kept.exists():
            with np.load(kept) as archive:
                found.append(dict(archive))
        else:
            found.append(run(options, seed))
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez_compressed(kept, **found[-1])
        known, before, after = (found[-1][key] for key in ("float", "before", "after"))
        print(
            f"{seed:4}  {100 * known.mean():5.2f}  {100 * before.mean():7.2f}  {100 * after.mean():7.2f}"
            f"  {(after.mean() - before.mean()) / (known.mean() - before.mean()):9.2f}   dies "
            + ", ".join(
                f"{100 * b.mean():.2f} -> {100 * a.mean():.2f}" for b, a in zip(before, after, strict=True)
            ),
            flush=True,
        )
    after = np.stack([f["after"] for f in found])
    summary("", found, "float", "before", after)
    summary("against the control: ", found, "control", "control_on_dies", after)


def summary(words: str, found: list[dict[str, Any]], in_float: str, on_dies: str, after: Any) -> None:
    """What the network ``in_float`` loses on dies, and what of that training through
    them brings back."""
    before = np.stack([f[on_dies] for f in found])
    known = np.broadcast_to(np.stack([f[in_float] for f in found])[:, None], before.shape)
    k, b, a = (part.mean(axis=(1, 2)) for part in (known, before, after))
    for what, values, unit in (
        ("lost", 100 * (k - b), " points"),
        ("brought back", 100 * (a - b), " points"),
        ("recovered", (a - b) / (k - b), ""),
    ):
        mean, half = intervals.mean_interval(values)
        print(
            f"{words}{what} {mean:.2f}{unit}"
            + ("" if half is None else f" ({mean - half:.2f} .. {mean + half:.2f}) over seeds")
        )
    low, high = intervals.crossed_of(lambda k, b, a: (a - b) / (k - b), known, before, after)
    whole = (a.mean() - b.mean()) / (k.mean() - b.mean())
    over = "over seeds, dies and pictures"
    print(f"{words}recovered of all together {whole:.2f} ({low:.2f} .. {high:.2f}) {over}")


if __name__ == "__main__":
    main()

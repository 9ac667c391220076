"""Networks that experiments train for themselves: one recipe, a seed each, chosen on held-out samples."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from emulator.network import Network
from ndrite.experiments import chips

HELD_OUT = 5_000
RATE = 8e-3
HEIGHT = 0.55
"""Where peak currents start, of the nominal one: the ECRAM can move them both ways."""


@cache
def trained(
    chip: str | None,
    neuron: str,
    seed: int,
    epochs: int,
    *,
    rate: float = RATE,
    hidden: tuple[int, ...] = (128,),
    data: str = "fashion-mnist",
    normalise: bool = True,
    tunable: bool = False,
) -> tuple[Network, float]:
    """A network and the accuracy of its best epoch on held-out training samples.

    ``chip`` None: plain floats. ``tunable``: heights start at ``HEIGHT`` and stay as trained. With no epochs
    (smoke runs) it trains one on Fashion-MNIST's last 5,000 test samples, as training files do not ship.
    """
    from emulator.learning.training.job import Job, Samples, run_job
    from emulator.learning.training.loop import Recipe

    if epochs:
        found = chips.data(data)
        x, labels, side = found.x, found.labels, found.side
        large = len(x) > 20_000
        held_out = HELD_OUT if large else len(x) // 12
        batch, average = (256, 0.999) if large else (64, 0.97)
        # Of the weights that it starts with an average keeps less than a hundredth.
        average = min(average, 1 - 5 * batch / (epochs * (len(x) - held_out)))
    else:
        x, labels, _, _ = chips.learning_data(0)
        side, held_out, batch, average = 28, 1000, 256, 0.9
    job = Job(
        hidden=hidden,
        neuron=neuron,
        normalise=normalise,
        height=HEIGHT if tunable else None,
        chip=chip,
        held_out=held_out,
        recipe=Recipe(
            epochs=max(epochs, 1),
            batch=batch,
            learning_rate=rate,
            average=average,
            seed=seed,
            shift=1 if side == 28 else 0,
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        samples = Samples(x, labels, data, side)
        net = run_job(job, samples, Path(folder) / "n.npz", name=f"{neuron}-{seed}", progress=_silent)
    return net, float(net.provenance["held_out_accuracy"])


def _silent(*_: object) -> None:
    """No progress of its own: the experiment's runs are counted."""

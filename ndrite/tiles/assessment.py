"""Assessment: a module, the chip it is to run on, and the metric that judges it there."""

import os
from dataclasses import dataclass

from ndrite.emulator.device.description import Chip
from ndrite.emulator.learning.training.view import torch
from ndrite.tiles.convert import analog
from ndrite.tiles.source import Metric, Source, source_of


@dataclass(frozen=True, eq=False)
class Assessment:
    """A PyTorch module that is to be judged on a die.

    Attributes
    ----------
    module, samples, metric:
        As for ``source_of``.
    chip, seed, channel_ranges:
        As for ``analog``.
    """

    module: torch.nn.Module | str
    chip: Chip | str | os.PathLike[str]
    samples: object = None
    metric: Metric | None = None
    seed: int = 0
    channel_ranges: float | None = None

    @property
    def source(self) -> Source:
        """Load and check the module, its samples and its metric; errors as ``source_of``."""
        return source_of(self.module, self.samples, self.metric)

    def on_tiles(self, source: Source) -> torch.nn.Module:
        """Return a copy of the module of ``source`` on the tiles of the die;
        errors as ``analog``."""
        return analog(
            source.module,
            self.chip,
            samples=source.samples,
            seed=self.seed,
            channel_ranges=self.channel_ranges,
        )

"""campaign: many virtual chips of one program."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.device.description import Chip
from emulator.files import whole_file
from emulator.spec.brief import brief_repr
from emulator.spec.campaign import Campaign, CampaignResult
from emulator.spec.notebook import titled
from host import InputError
from ndrite.api.sources import network_from, program_from
from ndrite.campaigns import (
    check_figure,
    chips_page,
    figure,
    run_campaign,
    summary,
    warn_of_host,
    with_variation,
)
from ndrite.samples import classed_samples
from ndrite.shipped import network_of
from ndrite.stages import Stages, silent
from ndrite.url import connect


@dataclass(frozen=True, eq=False)
class Wafer:
    """What ``ndrite.campaign`` gives: how well many virtual chips of one program do.

    Attributes
    ----------
    name, board:
        The program's name, and the URL of the board.
    result:
        Votes int64 (images, outputs) and correct answers of every chip.
    summary:
        Plain values: mean accuracy (0..1) with its 95 % interval over chips, yield at ``threshold`` with its
        own, the hardest images, and ``accuracy_float`` of the float network, None where it is not known.
    on_host:
        Whether chips were drawn and run on the host, since the program is no chain that fits the board.
    """

    __repr__ = brief_repr

    name: str
    board: str
    result: CampaignResult
    summary: dict[str, Any]
    on_host: bool

    @property
    def accuracy_per_chip(self) -> npt.NDArray[np.float64]:
        """Accuracy of every chip, float64 (chips,), 0..1."""
        return self.result.accuracy_per_chip

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"board": self.board, "on_host": self.on_host, **self.summary}

    def save(self, path: str | os.PathLike[str], **more: Any) -> Path:
        """Write it as JSON, with ``more`` fields before it."""
        with whole_file(Path(path)) as file:
            file.write(json.dumps({**more, **self.as_dict()}, indent=1).encode())
        return Path(path)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the distribution of accuracies and yield against threshold.

        The suffix is the format: ``.html`` is a page to look through (it needs plotly), else a picture.
        """
        check_figure(Path(path), self.summary["chips"])
        title = f"{self.summary['chips']} chips, {self.summary['images']} images"
        if Path(path).suffix.lower() == ".html":
            content = chips_page(self.result, f"{self.name}: {title}").encode()
            with whole_file(Path(path)) as file:
                file.write(content)
        else:
            figure(self.result, Path(path), threshold=self.summary["threshold"], title=title)
        return Path(path)

    def rows(self) -> list[tuple[str, str]]:
        """Quantity and value, in words."""
        found = self.summary
        return [
            ("chips x images x trials", f"{found['chips']} x {found['images']} x {found['trials']}"),
            ("float network, accuracy, %", _percent(found["accuracy_float"])),
            ("accuracy, mean, %", _percent(found["accuracy_mean"])),
            ("its 95 % interval, %", _interval(found["accuracy_mean_interval_95"])),
            ("standard deviation over chips, points", _percent(found["accuracy_std"])),
            (
                "worst / median / best chip, %",
                " / ".join(_percent(found[f"accuracy_{k}"]) for k in ("min", "median", "max")),
            ),
            (f"yield at {100 * found['threshold']:g} %, % of chips", _percent(found["yield"])),
            ("its 95 % interval, %", _interval(found["yield_interval_95"])),
        ]

    def _repr_html_(self) -> str:
        return titled(f"{self.name}: virtual chips on {self.board}", ("quantity", "value"), self.rows())


def campaign(
    program: Any,
    inputs: Any = None,
    labels: Any = None,
    *,
    board: str = "golden:",
    chips: int = 100,
    images: int | None = None,
    trials: int = 1,
    seed: int = 0,
    threshold: float = 0.85,
    chip: Chip | str | os.PathLike[str] | None = None,
    network: Any = None,
    data: str | None = None,
    codes: bool = False,
    noise: bool = True,
    state: str | os.PathLike[str] | None = None,
    progress: Stages | None = None,
) -> Wafer:
    """Accuracy over many virtual chips: every cell is drawn anew for each, read noise in every trial.

    The votes are the same on every board.

    Parameters
    ----------
    program:
        A program's file, what ``ndrite.compile(..., nominal=True)`` gives, or a ``Program``.
    inputs, labels:
        Samples (n, inputs) and classes (n,), arrays or ``.npy`` files. Default: test samples of the data set
        that the network names.
    board:
        URL, as for ``ndrite.connect``.
    chips, trials:
        Virtual chips, and trials of read noise on each, 1..4096.
    images:
        First so many samples. Default: all of your own, 1000 of a data set.
    seed:
        Which wafer: chips 0, 1, ... of a seed are the same on every board.
    threshold:
        Accuracy, 0..1, that a good chip reaches.
    chip:
        Chip whose cells' spread to draw from, where the program was not compiled with ``nominal=True``.
    network:
        The float network, to be judged too; the shipped one is known.
    noise:
        Read noise on or off.
    state:
        File that keeps work in progress; the same call goes on from it.
    progress:
        Told of the stages ``programming`` and ``chips``.

    Raises
    ------
    InputError, EmulatorError, SpecError, FileNotFoundError
        When samples, program or chip cannot be used.
    HostError
        When the board fails.

    Examples
    --------
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.shipped_network(), "dendritic-ndr", nominal=True)
    >>> wafer = ndrite.campaign(compiled, chips=3, images=20)
    >>> wafer.accuracy_per_chip.shape
    (3,)
    """
    what = with_variation(program_from(program), chip)
    x, y = classed_samples(what, inputs, labels, data=data, codes=codes)
    count = images if images is not None else len(x) if inputs is not None else min(1000, len(x))
    if inputs is None and not 1 <= count <= len(x):
        raise InputError(f"images is {count}; accepted: 1..{len(x)}")
    x, y = x[:count], y[:count]
    floats = network_of(what, network_from(network) if network is not None else None)
    plan = Campaign(chips=chips, trials=trials, seed=seed, noise=noise)
    stage = progress or silent
    with connect(board) as chosen:
        with stage("programming") as report:
            chosen.program(what, progress=report)
        on_host = warn_of_host(chosen)
        with stage("chips") as report:
            kept = None if state is None else Path(state)
            result = run_campaign(chosen, what, x, y, plan, state=kept, progress=report)
    found = summary(result, y, threshold=threshold)
    found["accuracy_float"] = None if floats is None else floats.accuracy(x, y)
    found["noise"] = noise
    return Wafer(what.name, board, result, found, on_host)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _interval(value: list[float] | None) -> str:
    return "-" if value is None else f"{_percent(value[0])} .. {_percent(value[1])}"

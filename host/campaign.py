"""campaign: uploads the samples once, lets the device run chips x trials x samples, and
collects the votes."""

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec import Geometry, Program
from ndrite.emulator.spec.memory_map import CAMPAIGN_CHIPS, Section, address
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.emulator.spec.variation import Campaign, CampaignResult, inference_index
from ndrite.host.errors import HostError, LinkTimeout, VerifyError

RUN, ABORT = 1, 2
POLL_S = (0.001, 0.05)
"""Shortest and longest pause between two polls of a running campaign, seconds."""
IDLE_POLLS = 200
"""Number of polls in a row without any change after which the campaign is given up: at
least ten seconds."""
STATUS = ("campaign_busy", "campaign_chips_done", "counter_clear", "inferences")


class Device(Protocol):
    """The part of the interface of ``host.Device`` that a campaign needs."""

    @property
    def geometry(self) -> Geometry: ...

    def wait(self, seconds: float) -> None: ...

    def read_words(self, first: int, count: int) -> npt.NDArray[np.int32]: ...

    def read_register(self, name: str) -> int: ...

    def write_register(self, name: str, value: int) -> None: ...

    def write_sections(self, sections: list[Section]) -> None: ...


def samples_at_once(geometry: Geometry, inputs: int, outputs: int) -> int:
    """Return the number of samples that fit in the device's campaign buffers at once.
    Raises ``VerifyError`` if not even one fits."""
    batch = min(
        geometry.campaign_samples,
        geometry.campaign_words // -(-inputs // 4),
        geometry.campaign_votes // outputs,
    )
    if batch < 1:
        raise VerifyError(
            f"a program of {inputs} inputs and {outputs} outputs does not fit the campaign buffers of "
            f"geometry {geometry.name!r} ({geometry.campaign_words} words, {geometry.campaign_votes} votes)"
        )
    return batch


def run_campaign(
    device: Device,
    program: Program,
    x: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    plan: Campaign,
    progress: Callable[[int, int], None] | None,
) -> CampaignResult:
    """Run ``plan.chips`` virtual chips on all samples and return the votes. On any
    error the device is told to stop. Raises HostError."""
    variation = program.variation
    assert variation is not None
    chips = plan.chips
    stop_campaign(device)
    for name, value in (
        ("stuck_low", variation.stuck_low),
        ("stuck_high", variation.stuck_high),
        ("stuck_codes", variation.codes_word()),
        ("campaign_trials", plan.trials),
    ):
        device.write_register(name, value)
    votes = np.zeros((len(x), program.outputs), np.int64)
    correct = np.zeros(chips, np.int64)
    batch = samples_at_once(device.geometry, program.inputs, program.outputs)
    total = chips * -(-len(x) // batch)
    done = 0
    try:
        for first in range(0, len(x), batch):
            part = x[first : first + batch]
            device.write_sections(_sections(part, labels[first : first + batch]))
            device.write_register("campaign_samples", len(part))
            index = inference_index(plan.first_sample + first, 0)
            device.write_register("campaign_first_index", index)
            for start in range(0, chips, CAMPAIGN_CHIPS):
                count = min(CAMPAIGN_CHIPS, chips - start)
                device.write_register("campaign_first_chip", plan.first_chip + start)
                device.write_register("campaign_chips", count)
                device.write_register("campaign_control", RUN)
                _watch(device, count, partial(_report, progress, done, total))
                counted = device.read_words(address("votes"), len(part) * program.outputs)
                votes[first : first + len(part)] += counted.reshape(len(part), program.outputs)
                good = device.read_words(address("correct"), count)
                correct[start : start + count] += good
                if int(counted.sum()) != count * plan.trials * len(part):
                    raise VerifyError(
                        f"the device counted {int(counted.sum())} votes; "
                        f"expected: {count} chips x {plan.trials} trials x {len(part)} samples; repeat the "
                        "campaign"
                    )
                done += count
    except BaseException:
        # On any error, Ctrl-C included: the device must stop, and run the nominal chip
        # at the next command.
        with contextlib.suppress(HostError):
            stop_campaign(device)
        raise
    return CampaignResult(votes, correct, plan.trials, plan.seed, plan.first_chip)


def stop_campaign(device: Device) -> None:
    """End a campaign that an earlier process may have left running, and wait until the
    nominal chip is in the array again."""
    if device.geometry.redraw and device.read_register("campaign_busy"):
        device.write_register("campaign_control", ABORT)
        _watch(device, 0, lambda _: None)


def _report(progress: Callable[[int, int], None] | None, done: int, total: int, chips: int) -> None:
    if progress is not None:
        progress(done + chips, total)


def _sections(x: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> list[Section]:
    words = -(-x.shape[1] // 4)
    padded = np.zeros((len(x), 4 * words), np.uint8)
    padded[:, : x.shape[1]] = x
    return [
        Section(
            "campaign inputs", address("campaign_inputs"), padded.reshape(-1).view("<i4").astype(np.int32)
        ),
        Section("labels", address("labels"), labels.astype(np.int32)),
    ]


def _watch(device: Device, chips: int, report: Callable[[int], object]) -> None:
    """Wait until the campaign has ended, and report its progress. Raises VerifyError if
    it ended before ``chips`` virtual chips were done (0: after any number)."""
    pause, idle = POLL_S[0], 0
    last_counts: tuple[int, int] | None = None
    first = BY_NAME[STATUS[0]].address
    assert [BY_NAME[name].address - first for name in STATUS] == [0, 1, 2, 3]
    while True:
        busy, done, _, inferences = (int(w) & 0xFFFFFFFF for w in device.read_words(first, len(STATUS)))
        report(done)
        if not busy:
            if chips and done != chips:
                raise VerifyError(
                    f"the device ended the campaign after {done} of {chips} virtual chips; repeat it"
                )
            return
        idle = idle + 1 if (done, inferences) == last_counts else 0
        last_counts = (done, inferences)
        if idle >= IDLE_POLLS:
            raise LinkTimeout(
                f"the device's campaign stopped making progress after {done} of {chips} virtual chips; "
                "repeat the campaign, or reset the board"
            )
        device.wait(pause)
        pause = min(2 * pause, POLL_S[1])

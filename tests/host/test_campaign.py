"""A campaign's part on the host: batches of samples and chips, progress, and devices
that do not do it."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.campaign import campaign
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.memory_map import Section, address
from ndrite.emulator.spec.registers import BY_NAME
from ndrite.emulator.spec.variation import Campaign, inference_index
from ndrite.host.campaign import run_campaign, samples_at_once
from ndrite.host.errors import LinkTimeout, VerifyError
from tests.stimulus import random_inputs, varied

RUN, ABORT = 1, 2
"""Orders that the register campaign_control takes."""
GEOMETRY = dataclasses.replace(PRESETS["tiny"], campaign_samples=16)
RNG = np.random.default_rng(0)
DRAWN = random_program(GEOMETRY, RNG, sizes=[10, 9, 4], noise=True)
PROGRAM = dataclasses.replace(DRAWN, variation=varied(RNG))
X, LABELS = random_inputs(PROGRAM, RNG, 40), RNG.integers(0, 4, 40)
PLAN = Campaign(chips=7, trials=2, seed=11, first_chip=5, first_sample=900)


class Device:
    """Does a part of a campaign in four looks, as the golden model does; a look is
    of one chip more.

    ``lost`` votes are not counted, ``ends`` chips done at most; ``stops``: it is busy for good.
    """

    geometry = GEOMETRY

    def __init__(self, lost: int = 0, ends: int = 99, stops: bool = False) -> None:
        self.lost, self.ends, self.stops = lost, ends, stops
        self.registers: dict[str, int] = {}
        self.memory: dict[int, Any] = {}
        self.pauses: list[float] = []
        self.controls: list[int] = []
        self.looks = 0

    def write_sections(self, sections: list[Section]) -> None:
        self.memory |= {section.address: section.words for section in sections}

    def write_register(self, name: str, value: int) -> None:
        self.registers[name] = value
        if name != "campaign_control":
            return
        self.controls.append(value)
        self.looks = 4 if value == RUN else 0
        if value == ABORT:
            self.stops = False
            return
        held = self.registers
        x = (
            self.memory[address("campaign_inputs")]
            .view(np.uint8)
            .reshape(held["campaign_samples"], 12)[:, :10]
        )
        indices = {inference_index(900 + i, 0): 900 + i for i in range(len(X))}
        plan = dataclasses.replace(
            PLAN,
            chips=held["campaign_chips"],
            first_chip=held["campaign_first_chip"],
            first_sample=indices[held["campaign_first_index"]],
            trials=held["campaign_trials"],
        )
        result = campaign(PROGRAM, x, self.memory[address("labels")], plan)
        result.votes[0, result.votes[0].argmax()] -= self.lost
        self.memory |= {address("votes"): result.votes.reshape(-1), address("correct"): result.correct}

    def read_register(self, name: str) -> int:
        assert name == "campaign_busy"
        return int(self.looks > 0 or self.stops)

    def read_words(self, first: int, count: int) -> Any:
        if first != BY_NAME["campaign_busy"].address:
            return self.memory[first][:count]
        if not self.stops:
            self.looks -= 1
        chips = self.registers["campaign_chips"]
        done = min(max(0, chips - max(self.looks, 0)), self.ends)
        return np.array([self.looks > 0 or self.stops, done, 0, 7 * done])

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)


def ran(device: Device, program: Program = PROGRAM, **how: Any) -> Any:
    return run_campaign(device, program, X, LABELS, PLAN, how.get("progress"))


def test_batches_and_parts_add_up_to_the_golden_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches of 16 samples at most, each in parts of three chips at most."""
    monkeypatch.setattr("ndrite.host.campaign.CAMPAIGN_CHIPS", 3)
    device, seen = Device(), []
    got, wanted = ran(device, progress=lambda *p: seen.append(p)), campaign(PROGRAM, X, LABELS, PLAN)
    np.testing.assert_array_equal(got.votes, wanted.votes)
    np.testing.assert_array_equal(got.correct, wanted.correct)
    assert (got.trials, got.seed, got.first_chip) == (2, 11, 5)
    assert device.controls == [RUN] * 9
    assert seen == sorted(seen)
    assert {(7, 21), (10, 21), (21, 21)} <= set(seen)
    assert seen[-1] == (21, 21)
    assert device.pauses == [0.001, 0.002, 0.004] * 9
    variation = PROGRAM.variation
    for name, value in (("low", variation.stuck_low), ("high", variation.stuck_high)):
        assert device.registers[f"stuck_{name}"] == value
    assert device.registers["stuck_codes"] == variation.codes_word()


# Inputs and outputs of a program, and the samples that buffers of 16 samples, 512 words
# of four codes and 256 votes hold.
@pytest.mark.parametrize(
    ("inputs", "outputs", "samples"),
    [(128, 16, 16), (129, 1, 15), (180, 1, 11), (1, 17, 15), (2048, 1, 1), (1, 256, 1)],
)
def test_the_smallest_campaign_buffer_bounds_a_batch(inputs: int, outputs: int, samples: int) -> None:
    assert samples_at_once(GEOMETRY, inputs, outputs) == samples


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"lost": 1}, VerifyError, "device counted 223 votes; expected: 7 chips x 2 trials x 16 samples"),
        ({"ends": 6}, VerifyError, "the device ended the campaign after 6 of 7 virtual chips"),
        ({"stops": True}, LinkTimeout, r"campaign stopped making progress after 3 of 7 virtual chips"),
    ],
)
def test_a_device_that_does_not_do_it_is_stopped(wrong: Any, error: Any, words: str) -> None:
    device = Device(**wrong)
    if wrong.get("stops"):  # from its first part on: an earlier campaign is stopped at the beginning
        device.stops, begin = False, device.write_register

        def write(name: str, value: int) -> None:
            begin(name, value)
            device.stops = value == RUN and name == "campaign_control"

        device.write_register = write  # type: ignore[method-assign]
    with pytest.raises(error, match=words):
        ran(device)
    if wrong.get("stops"):
        assert device.controls == [RUN, ABORT]
        assert len(device.pauses) == 200
        assert max(device.pauses) == 0.05


def test_a_campaign_that_was_left_running_is_stopped_first() -> None:
    device = Device(stops=True)
    device.registers["campaign_chips"] = 0
    ran(device)
    assert device.controls == [ABORT, RUN, RUN, RUN]


def test_the_device_is_left_alone_until_it_has_stopped() -> None:
    device = Device(stops=True)
    device.registers["campaign_chips"] = 0
    order, begin, busy = device.write_register, device.write_sections, [True]

    def write(name: str, value: int) -> None:
        order(name, value)
        if value == ABORT and name == "campaign_control":
            device.looks = 3

    def write_idle(sections: list[Section]) -> None:
        busy.append(bool(device.read_register("campaign_busy")))
        begin(sections)

    device.write_register = write  # type: ignore[method-assign]
    device.write_sections = write_idle  # type: ignore[method-assign]
    ran(device)
    assert busy[1:] == [False] * 3
    assert device.pauses[:2] == [0.001, 0.002]

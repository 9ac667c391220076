"""Trains and the updater, and the words in both, against their golden twins, one a cycle."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from amaranth import Const, signed

from ndrite.emulator.golden.learn.devices import constants, key_of, trains, updated
from ndrite.emulator.golden.learn.devices import slots as numbers
from ndrite.emulator.golden.noise import words
from ndrite.emulator.spec import PRESETS
from ndrite.emulator.spec.learning import (
    DOMAIN_CYCLE,
    DOMAIN_DEVICE,
    FACTOR_MAX,
    STATE_MAX,
    STATE_MIN,
    STATE_PARTS,
    Steps,
)
from ndrite.emulator.spec.learning_map import TABLES
from ndrite.hdl.learn.answers import ANSWER_LATENCY, Answers
from ndrite.hdl.learn.carry import Carry
from ndrite.hdl.learn.pulses import TRAIN_LATENCY, Trains
from ndrite.hdl.learn.step_tables import step_layout
from ndrite.hdl.learn.updater import PRODUCTS, UPDATE_LATENCY, Updater
from ndrite.hdl.learn.words import CODE_SHAPE, WORDS_LATENCY, Words
from ndrite.hdl.parts.multiplier import WIDEST, Multiplier
from tests.hdl.interpreted import answers, followed, simulated
from tests.random_learning import STEPS, random_devices

COUNT = 200

SHIFTS = enumerate((None, None, None, None, 0, 5))
LAWS = [(seed, shift, None) for seed, shift in SHIFTS] + [
    (0, None, "of another record"),
    (1, 0, "random"),
    *((seed, None, tables) for seed, tables in enumerate(STEPS)),
]
"""(seed, step_shift, tables) of ``test_updater``."""


class Lent(Updater):
    """An updater with multipliers of its own, as lanes lend theirs."""

    def elaborate(self, platform: object) -> Any:
        m = super().elaborate(platform)
        for i in PRODUCTS:
            m.submodules[f"multiplier_{i}"] = one = Multiplier(signed(WIDEST), signed(WIDEST))
            m.d.sync += [one.a.eq(self.factors[i].a), one.b.eq(self.factors[i].b)]
            m.d.comb += self.products[i].eq(one.product)
        return m


def number(key: np.ndarray[Any, Any]) -> int:
    return sum(int(word) << 16 * i for i, word in enumerate(key))


def test_words() -> None:
    """Of any row and column, more than a small learner's."""
    rng = np.random.default_rng(1)
    row, column = rng.integers(0, 1 << 16, (2, COUNT))
    key = key_of(5, DOMAIN_CYCLE, 3, 77)
    pairs = zip(row.tolist(), column.tolist(), strict=True)
    given = [{"key": number(key), "row": r, "column": c} for r, c in pairs]
    found = answers(Words(), given, WORDS_LATENCY, "x", "y")
    assert found == list(zip(*(word.tolist() for word in words(key, row, column)), strict=True))


@pytest.mark.parametrize("slots", [1, 2, 15, 31])
def test_trains(slots: int) -> None:
    rng = np.random.default_rng(slots)
    thresholds = rng.integers(0, 65537, COUNT)
    thresholds[::7], thresholds[1::7] = 0, 65536
    key = key_of(9, DOMAIN_CYCLE, 1, slots)
    # Thresholds that a slot's number meets exactly: that is no pulse.
    thresholds[2::7] = numbers(*words(key, 0, np.arange(COUNT)))[2::7, rng.integers(slots)]
    first = {"key": number(key), "slots": slots}
    given = [{"number": n, "threshold": t} for n, t in enumerate(thresholds.tolist())]
    found = answers(Trains(), given, TRAIN_LATENCY, "train", first=[first])
    assert [train for (train,) in found] == trains(thresholds, key, slots).tolist()


@pytest.mark.parametrize("corner", [False, True])
@pytest.mark.parametrize(("seed", "step_shift", "tables"), LAWS)
def test_updater(seed: int, step_shift: int | None, tables: str | None, corner: bool) -> None:
    """``step_shift``: of the law, None: any of devices that take their pulses at once.
    ``tables``: None: the geometry has no step tables."""
    rng = np.random.default_rng([seed, corner])
    layer = int(rng.integers(4))
    law = random_devices(rng, corner=corner)
    law = law if step_shift is None else dataclasses.replace(law, step_shift=step_shift)
    law = dataclasses.replace(law, steps=STEPS[tables](rng) if tables in STEPS else None)
    own_key, cycle_key = key_of(seed, DOMAIN_DEVICE, layer, 0), key_of(seed, DOMAIN_CYCLE, layer, 9)
    k, m = rng.integers(0, 1000, COUNT), rng.integers(0, 128, COUNT)
    n, up = rng.integers(1, 32, COUNT), rng.random(COUNT) < 0.5
    s = rng.integers(STATE_MIN, STATE_MAX + 1, COUNT)
    s[::9], s[1::9] = STATE_MIN, STATE_MAX
    # States next to the ends of the parts that step tables have entries for.
    s[2::9] = rng.integers(-33, 34, len(s[2::9])) * 2048 - rng.integers(0, 2, len(s[2::9]))
    levels = enumerate(zip(*(getattr(law, name).tolist() for name in TABLES), strict=True))
    first: list[dict[str, Any]] = [{"table": {"level": i, "entries": list(e), "write": 1}} for i, e in levels]
    settings = {name: getattr(law, name) for name in ("slope_up", "slope_down", "step_shift")}
    first.append(settings | {"table.write": 0, "device_key": number(own_key), "cycle_key": number(cycle_key)})
    if tables:
        first += table_writes(rng, law.steps)
    names = ("row", "column", "count", "up", "state")
    events = zip(*(values.tolist() for values in (k, m, n, up, s)), strict=True)
    given = [{"event": dict(zip(names, event, strict=True))} for event in events]
    updater = Lent(dataclasses.replace(PRESETS["tiny"], step_tables=tables is not None))
    found = [state for (state,) in answers(updater, given, UPDATE_LATENCY, "state", first=first)]
    wanted = updated(s, n, up, constants(law, own_key, k, m), law, words(cycle_key, k, m))
    wrong = [(event, f, w) for event, f, w in zip(given, found, wanted.tolist(), strict=True) if f != w]
    assert not wrong, f"{len(wrong)} states differ, first (event, state, golden's): {wrong[0]}"
    assert not corner or tables or len(set(found)) > 20


def table_writes(rng: np.random.Generator, steps: Steps | None) -> list[dict[str, Any]]:
    """Write the step tables of record 2, those of the others at random, and choose record 2."""
    entries = rng.integers(0, FACTOR_MAX + 1, (2, 4, 2, STATE_PARTS))
    if steps is not None:
        entries[:, 2] = [(steps.down, steps.up), (steps.noise_down, steps.noise_up)]
    means, deviations = entries.reshape(2, -1).tolist()
    writes: list[dict[str, Any]] = [
        {"step_access": {"select": 0, "write": 1, "address": i, "data": {"mean": a, "deviation": b}}}
        for i, (a, b) in enumerate(zip(means, deviations, strict=True))
    ]
    return [*writes, {"step_access.write": 0, "record": 2, "tabled": int(steps is not None)}]


def test_rows_are_read_in_turn_and_every_other_time_the_other_way() -> None:
    """By the update's number, which learning does not begin at 0."""
    rng = np.random.default_rng(2)
    carry = Carry(PRESETS["tiny"])
    seen, wanted = [], []

    async def bench(ctx: Any) -> None:
        for _ in range(40):
            every, rows, update = (int(rng.integers(1, most)) for most in (50, 30, 1 << 20))
            ctx.set(carry.layer.every, every)
            ctx.set(carry.layer.inputs, rows - 1)
            ctx.set(carry.update, update)
            ctx.set(carry.weigh, 1)
            await ctx.tick().repeat(2)
            ctx.set(carry.weigh, 0)
            await ctx.tick().repeat(2)
            while ctx.get(carry.weighing):
                await ctx.tick()
            seen.append((ctx.get(carry.row), ctx.get(carry.odd)))
            wanted.append((update // every % rows, update // every // rows % 2))

    simulated(carry, bench)
    assert seen == wanted


@pytest.mark.parametrize(("code", "y", "change"), [(100, 100, 40), (300, 255, 0), (-3, 0, 0)])
def test_a_clipped_code_has_no_slope(code: int, y: int, change: int) -> None:
    """A neuron at z = 0, in the middle of a curve that is ``code`` there and rises
    by 40 / 64 a step."""
    settings = {"layer.segment_bits": 7, "layer.table_bits": 6, "layer.slope_shift": 4, "column.scale": 16}
    entries = (("curve_base", code << 6), ("curve_slope", 40))
    write = {f"{name}.write_data": value for name, value in entries}
    write |= {f"{name}.address": 2048 >> 7 for name, _ in entries}
    given = [settings | write | {f"{name}.write": 1 for name, _ in entries}, {}]
    given += [{f"{name}.write": 0 for name, _ in entries}, *[{}] * 2 * ANSWER_LATENCY]
    assert followed(Answers(PRESETS["tiny"]), given, "y", "change")[-1] == (y, change)


@pytest.mark.parametrize(
    ("ecram", "y", "moved"), [(-256, 10, 20), (-1, 30, 30), (127, 60, 40), (255, 100, 40)]
)
def test_the_last_curve_moves_as_from_the_one_before(ecram: int, y: int, moved: int) -> None:
    """Of four curves that a neuron's ECRAM chooses among; a fifth one is another neuron's."""
    geometry = dataclasses.replace(PRESETS["tiny"], curves=8)
    given: list[dict[str, Any]] = [{"layer.segment_bits": 7, "layer.table_bits": 6, "layer.tuned_bits": 2}]
    for curve, code in enumerate((10, 30, 60, 100, 150)):
        place = curve * geometry.segments + (2048 >> 7)
        write = {"curve_base.address": place, "curve_base.write_data": code << 6, "curve_base.write": 1}
        given += [write, {}, {"curve_base.write": 0}]
    given += [{"read": ecram << CODE_SHAPE.width}, *[{}] * 2 * ANSWER_LATENCY]
    assert followed(Answers(geometry), given, "y", "moved")[-1] == (y, moved)


def test_a_word_of_step_tables_is_as_the_memory_map_says() -> None:
    assert Const.cast(step_layout().const({"mean": 300, "deviation": 5})).value == 300 | 5 << 9

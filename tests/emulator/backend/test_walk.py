"""Walks: any program in a few kinds of steps over one memory, done by hand, against the golden model."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from walks import walked_cycles

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.backend.lowering import Fill, lower
from ndrite.emulator.backend.schedule import bound_cycles
from ndrite.emulator.backend.walk import codes_of_maps
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.mapping import map_network
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.emulator.spec.flow import State, Term
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.steps import Gate, Pool, Product, Step, Table
from ndrite.emulator.spec.walk_record import RECORD_WORDS, STEP
from tests.emulator.backend.walk_by_hand import Hand, unpacked
from tests.kan import INPUTS, kan
from tests.random_graphs import random_walk
from tests.stimulus import random_inputs

TINY = PRESETS["tiny"]
MAPS = dataclasses.replace(
    TINY,
    name="tiny-maps",
    overlap=True,
    redraw=0,
    map_codes=2048,
    lanes=8,
    readouts=4,
    max_inputs=128,
    columns=512,
    weight_depth=4096,
    layers=32,
    packet_bytes=512,
)


def equal(program: Program, x: np.ndarray, geometry: Geometry = MAPS, said: str = "") -> Hand:
    """Walked by hand, as many together as the device walks, samples ``x`` give the golden model's sums."""
    hand = Hand(program, geometry)
    sums, most = Core(program, fast=False).infer(x, noise=False), hand.samples_max
    for first in range(0, len(x), most):
        some = slice(first, first + most)
        np.testing.assert_array_equal(hand.walk(x[some]), sums[some], err_msg=said)
    return hand


@pytest.mark.slow
def test_random_walks_by_hand_equal_golden() -> None:
    """Every kind of step, of map and of end occurs."""
    seen: set[str] = set()
    for trial in range(40):
        rng = np.random.default_rng(trial)
        program = random_walk(MAPS, rng, side=5, corner=trial % 4 == 3)
        equal(program, random_inputs(program, rng, 2), said=f"trial {trial}")
        ours = lower(program)
        seen |= {type(step).__name__ for step in (*program.steps, *ours.steps)}
        last = program.steps[-1]
        sums = isinstance(last, Product) and not last.fires
        kinds = [{"calls": program.calls > 1, "joined": ours.areas, "sums": sums, "codes": not sums}]
        for step in ours.products:
            groups, block = step.patches.groups > 1, step.block != (1, 1)
            skip = step.skip is not None
            kinds.append({"groups": groups, "block": block, "both": groups and block, "skip": skip})
        seen |= {name for of in kinds for name, there in of.items() if there}
    assert seen == {
        *(kind.__name__ for kind in (Product, Pool, Table, Gate, Fill)),
        *("calls", "joined", "codes", "sums", "groups", "skip", "block", "both"),
    }


def full(k: int, m: int, *sources: int, seed: int = 0, **rest: Any) -> Product:
    """A full layer with read noise, or one of patches; its neurons have curve 0."""
    layer = random_program(MAPS, np.random.default_rng((k, m, seed)), sizes=[k, m], noise=True).layers[0]
    layer = dataclasses.replace(layer, curve=np.zeros_like(layer.curve))
    return Product(layer=layer, sources=sources, **{"patches": Patches.whole((k, 1, 1))} | rest)


def seen(*shape: int, kernel: tuple[int, int] = (1, 1), **rest: Any) -> dict[str, Patches]:
    """Patches of a map."""
    return {"patches": Patches(shape=shape, kernel=kernel, **rest)}


def steps_on(shape: Shape, *steps: Step, **rest: Any) -> Program:
    base = random_program(TINY, np.random.default_rng(0), sizes=[8, 8, 2])
    return dataclasses.replace(base, shape=shape, steps=steps, name="steps", **rest)


def windowed(outputs: int, *more: Pool) -> Program:
    """A product of so many channels with a pool behind it, and sums of what that gives."""
    first = full(9, outputs, 0, **seen(1, 6, 6, kernel=(3, 3)))
    pool = Pool(of="max", sources=(1,), **seen(outputs, 4, 4, kernel=(2, 2), stride=(2, 2)))
    last = full(4 * outputs, 3, 2, patches=Patches.whole((outputs, 2, 2)), fires=False)
    return steps_on((1, 6, 6), first, pool, *more, last)


def walked(program: Program, samples: int = 3, geometry: Geometry = MAPS) -> Hand:
    """By hand, as the golden model has it."""
    return equal(program, random_inputs(program, np.random.default_rng(2), samples), geometry)


def test_a_pool_behind_a_product_is_no_step_of_its_own() -> None:
    """Unless a place would be read again too soon, or another step reads the map."""
    again = Pool(of="max", sources=(1,), **seen(6, 4, 4))
    for program, steps in ((windowed(2), 2), (windowed(1), 3), (windowed(6, again), 4)):
        assert walked(program, 1).steps_done == steps


def test_a_state_keeps_its_value_until_the_call_is_over() -> None:
    """Its source is a product, whose copy is not made on the way: the answer reads the state as it was."""
    steps = (full(6, 6, 0, **seen(6, 1, 1)), full(6, 2, 1, fires=False))
    walked(steps_on((6, 1, 1), *steps, states=(State(shape=(6, 1, 1), source=2, start=9),), calls=3))


@pytest.mark.parametrize(("asked", "handed_on", "copies"), [(4, 4, 1), (1, 4, 2), (4, 1, 3)])
def test_a_gate_writes_a_state_unless_its_present_value_is_asked_for(
    asked: int, handed_on: int, copies: int
) -> None:
    """Map 4 is the next value of state 1; ``asked`` by the gate behind it, ``handed_on`` to state 2."""
    gate = {"gate_shift": 8, "zero": 30}
    steps = (
        full(6, 6, 0, **seen(6, 1, 1)),
        Gate(terms=(Term(a=1, b=3, gain=1, a_zero=40), Term(a=3, gain=128)), **gate),
        Gate(terms=(Term(a=asked, gain=150), Term(a=2, gain=90)), **gate),
        full(6, 2, 5, fires=False),
    )
    sources = (4, 3 if handed_on == 4 else handed_on)
    states = tuple(State(shape=(6, 1, 1), source=source, start=70) for source in sources)
    program = steps_on((6, 1, 1), *steps, states=states, calls=3)
    assert sum(isinstance(step, Pool) for step in lower(program).steps) == copies
    walked(program)


def test_what_is_joined_again_is_copied_once() -> None:
    """Two products of a call's inputs and a state: the inputs are copied beside the state, for both."""
    steps = (
        *(full(10, 4, 0, 1, seed=seed, **seen(10, 1, 1)) for seed in (0, 1)),
        Gate(terms=(Term(a=2, b=3, gain=1), Term(a=1, gain=128)), gate_shift=8),
        full(4, 2, 4, fires=False),
    )
    program = steps_on((6, 1, 1), *steps, states=(State(shape=(4, 1, 1), source=4, start=9),), calls=3)
    assert [type(step) for step in lower(program).steps] == [Fill, Pool, Product, Product, Gate, Product]
    walked(program)


def test_maps_lie_apart_from_what_is_still_read_and_whole_for_gates() -> None:
    """A map of one code beside the sample; one that a gate reads, joined with the gate's result."""
    largest, copy = (
        Pool(of="max", sources=(0,), **seen(1, 4, 4, kernel=kernel)) for kernel in ((4, 4), (1, 1))
    )
    added = {"skip": 1, "skip_gain": np.array([300], np.uint16), "skip_shift": 0}
    sums = full(16, 1, 2, patches=Patches.whole((1, 4, 4)), fires=False, **added)
    walked(steps_on((1, 4, 4), largest, copy, sums))
    half = Gate(terms=(Term(a=1, gain=128),), gate_shift=8)
    both, last = (
        full(6, 4, 1, 2, **seen(6, 3, 3)),
        full(36, 2, 3, patches=Patches.whole((4, 3, 3)), fires=False),
    )
    walked(steps_on((2, 3, 3), full(2, 3, 0, **seen(2, 3, 3)), half, both, last))


@pytest.mark.parametrize("source", [2, 1, None])
def test_a_memory_of_two_maps_is_enough_for_a_sum_of_three(source: int | None) -> None:
    """The first map lies behind the sample, at the end; the sum takes the place of its second operand, map 1,
    unless the product itself reads that. None: a gate of maps 1 and 2 in its place.
    """
    last = full(8, 16, 3, patches=Patches.whole((8, 8, 8)), fires=False)
    weights = np.tile(last.layer.weights, (64, 1))
    around = seen(8, 8, 8, kernel=(3, 3), padding=(1, 1, 1, 1))
    third = (
        Gate(terms=(Term(a=1, b=2, gain=1),), gate_shift=8)
        if source is None
        else full(72, 8, source, **around, skip=1, skip_gain=np.full(8, 300, np.uint16))
    )
    steps = (
        full(3, 8, 0, **seen(3, 8, 8)),
        full(8, 8, 1, **seen(8, 8, 8)),
        third,
        dataclasses.replace(last, layer=dataclasses.replace(last.layer, weights=weights)),
    )
    program = steps_on((3, 8, 8), *steps)
    assert codes_of_maps(lower(program)) == 3 * 64 + (2 if source == 1 else 3) * 512
    for codes in (2048, 1024):
        walked(program, 2, dataclasses.replace(MAPS, map_codes=codes, max_inputs=512))


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("stride", [(1, 2), (3, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (1, 2)])
def test_patches_are_read_where_rows_and_columns_differ(
    stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    """Of a map of 3 x 7 x 6 codes, under a border that differs on every side."""
    how = {"stride": stride, "dilation": dilation, "padding": (2, 1, 0, 3), "groups": groups}
    of = seen(3, 7, 6, kernel=(2, 3), **how)
    shape = (6, *of["patches"].grid)
    first = full(18 // groups, 6, 0, border=9, **of)
    pool = Pool(of="max", sources=(1,), **seen(*shape, kernel=(2, 1), stride=(1, 2), padding=(1, 0, 0, 0)))
    rest = (6, *pool.patches.grid)
    last = full(int(np.prod(rest)), 3, 2, patches=Patches.whole(rest), fires=False)
    program = steps_on((3, 7, 6), first, pool, last)
    # One result is written at once, or two.
    for more in ({}, {"lanes": 32, "lane_groups": 4, "skip": True, "readouts": 2}):
        walked(program, 1, dataclasses.replace(MAPS, **more))


MEAN = {"of": "average", "mul": np.array([655], np.uint16), "pool_shift": 16}
WIDE = steps_on(
    (3, 10, 10),
    full(3, 8, 0, **seen(3, 10, 10)),
    full(8, 8, 1, **seen(8, 10, 10)),
    Pool(sources=(2,), patches=Patches.whole((8, 10, 10)), **MEAN),
    full(8, 2, 3, fires=False),
)
GATED = steps_on(
    (1, 64, 64),
    full(1, 17, 0, **seen(1, 64, 64)),
    Gate(terms=(Term(a=1, gain=1),)),
    Pool(of="max", sources=(2,), **seen(17, 64, 64, kernel=(64, 64))),
    full(17, 2, 3, fires=False),
)
PLACES = steps_on((4, 2, 2), full(4, 2, 0, **seen(4, 2, 2), fires=False))


@pytest.mark.parametrize(
    ("program", "change", "said"),
    [
        (WIDE, {"map_codes": 0, "overlap": False}, "it is not a chain of full layers; accepted .*: chains"),
        (WIDE, {"layers": 2, "columns": 512}, r"number of layers is \d+; at most 2"),
        (WIDE, {"overlap": False}, "map_codes is 2048; accepted without overlap: 0"),
        (WIDE, {"map_codes": 1024}, "its maps need 1[0-9]{3} codes of memory; accepted: at most 1024"),
        (WIDE, {"packet_bytes": 256, "max_inputs": 64}, "a sample has 300 codes; accepted .*: at most 256"),
        (GATED, {"map_codes": 1 << 20, "packet_bytes": 4096, "max_outputs": 32}, "has 69632 codes; .* 65535"),
        (PLACES, {}, r"the result is sums at 4 positions; accepted .*: sums at one"),
    ],
)
def test_refusals(program: Program, change: dict[str, int], said: str) -> None:
    check_fits(WIDE, MAPS)
    with pytest.raises(GeometryError, match=said):
        check_fits(program, dataclasses.replace(MAPS, **change))


def averaged(*shape: int, **pool: Any) -> Program:
    """A pool of such windows, and sums of what that gives."""
    of = seen(*shape, **pool)
    mul, made = np.full(of["patches"].positions, 128, np.uint16), (1, *of["patches"].grid)
    mean = Pool(of="average", sources=(0,), mul=mul, pool_shift=16, **of)
    last = full(int(np.prod(made)), 3, 1, patches=Patches.whole(made), fires=False)
    return steps_on(shape, mean, last)


def in_a_block(size: int) -> Program:
    """One product that gives so many neighbours at once."""
    first = full(8, size, 0, block=(1, size), **seen(1, 1, 8, kernel=(1, 8)))
    last = full(size, 3, 1, patches=Patches.whole((1, 1, size)), fires=False)
    return steps_on((1, 1, 8), first, last)


@pytest.mark.parametrize(
    ("most", "more", "said"),
    [
        (averaged(1, 16, 32, kernel=(16, 32)), averaged(1, 19, 27, kernel=(19, 27)), "averages 513 codes"),
        (averaged(1, 2, 256, stride=(1, 255)), averaged(1, 2, 257, stride=(1, 256)), "strides up to 255"),
        (in_a_block(255), in_a_block(256), r"block \(1, 256\); .* sizes up to 255"),
    ],
    ids=["window", "stride", "block"],
)
def test_the_most_that_a_record_can_say(most: Program, more: Program, said: str) -> None:
    geometry = dataclasses.replace(MAPS, packet_bytes=1024, columns=1024)
    walked(most, 2, dataclasses.replace(geometry, max_inputs=512))
    with pytest.raises(GeometryError, match=said):
        check_fits(more, dataclasses.replace(geometry, max_inputs=512))


def test_results_of_a_pixel_are_written_as_many_at_once_as_there_are_neurons() -> None:
    """Of three channels two are never one after the other; pooled, a pixel takes two turns or more."""
    geometry = dataclasses.replace(MAPS, lanes=32, readouts=2, lane_groups=4, skip=True)
    for channels, pooled, turn in ((2, False, 2), (3, False, 1), (2, True, 1), (4, True, 2)):
        again = Pool(of="max", sources=(1,), **seen(channels, 4, 4))
        program = windowed(channels, *(() if pooled else (again,)))
        hand = walked(program, 1, geometry)
        record = hand.memories["steps"][RECORD_WORDS : 2 * RECORD_WORDS]
        assert unpacked(record, STEP)["turn"] == turn, (channels, pooled)


def test_states_that_take_each_others_values() -> None:
    """A delay line: the input, the input of a call ago, that of two calls ago, all in one sum."""
    last = full(3, 2, 0, 1, 2, fires=False)
    weights = {"weights": np.array([[100, 3], [10, 90], [1, 40]], np.int16), "gain": np.ones(2, np.uint16)}
    ranges = {"readout": "adc", "adc_bits": 12, "shift": 4, "dac_bits": 8}
    last = dataclasses.replace(last, layer=dataclasses.replace(last.layer, **weights, **ranges))
    states = tuple(State(shape=(1, 1, 1), source=source, start=start) for source, start in ((0, 7), (1, 250)))
    program = steps_on((1, 1, 1), last, states=states, calls=4)
    x = np.array([[10, 60, 200, 33], [0, 255, 1, 90]], np.uint8)
    equal(program, x)
    assert len({tuple(sums) for sums in Core(program).infer(x, noise=False)}) == 2


@pytest.mark.parametrize("calls", [1, 3])
def test_tables_of_bases_are_products_of_the_array(calls: int) -> None:
    """10 inputs to 30 functions, 30 to 6 sums, 6 to 18, 18 to 3, eight lanes; a body once a call."""
    x = np.random.default_rng(0).integers(0, 256, (20, INPUTS)).astype(np.uint8)
    program = map_network(kan(), "wan2022", x).program
    assert bound_cycles(program, 8) == 30 + 18
    program = dataclasses.replace(program, calls=calls)
    assert walked_cycles(program, MAPS) == calls * (10 * 4 + 30 + 6 * 3) + 18

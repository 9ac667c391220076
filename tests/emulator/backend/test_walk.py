"""Walks: any program in a few kinds of steps over one memory, done by hand, against
the golden model."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from walks import walked_cycles

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.backend.lowering import Fill, Lowered, lower
from ndrite.emulator.backend.map_places import Place, places_of
from ndrite.emulator.backend.schedule import bound_cycles, products_cycles
from ndrite.emulator.backend.walk import codes_of_maps, patch_fields, sample_order, samples_together
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.mapping import map_network
from ndrite.emulator.spec import PRESETS, Geometry, GeometryError, Program
from ndrite.emulator.spec.flow import State, Term
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.steps import Gate, Pool, Product, Step, Table
from ndrite.emulator.spec.walk_record import HEADER, RECORD_WORDS, STEP
from tests.emulator.backend.walk_by_hand import Hand, memories, unpacked
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
    """Walked by hand, as many together as the device walks, samples ``x`` give the
    golden model's sums."""
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
    roomy = dataclasses.replace(MAPS, columns=2048)
    layer = random_program(roomy, np.random.default_rng((k, m, seed)), sizes=[k, m], noise=True).layers[0]
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


@pytest.mark.parametrize(
    ("windows", "steps"),
    [
        ({"kernel": (2, 2), "stride": (2, 2)}, 2),
        ({"kernel": (2, 2), "stride": (2, 1)}, 3),
        ({"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 2)}, 3),
        ({"kernel": (2, 2), "stride": (2, 2), "dilation": (2, 1)}, 3),
        ({"kernel": (2, 2), "stride": (2, 2), "padding": (1, 0, 0, 0)}, 3),
        ({"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 2)}, 3),
        ({"kernel": (2, 2), "stride": (2, 2), "of": "average"}, 3),
        # A step for each place of its blocks.
        ({"kernel": (2, 2), "stride": (2, 2), "block": (2, 1)}, 4),
    ],
    ids=str,
)
def test_only_largest_codes_of_windows_side_by_side_are_no_step(windows: dict[str, Any], steps: int) -> None:
    first, how = full(9, 4, 0, **seen(1, 6, 6, kernel=(3, 3))), dict(windows)
    of, block = how.pop("of", "max"), how.pop("block", (1, 1))
    patches = seen(4, 4, 4, **how)
    factors = np.full(patches["patches"].positions, 16000, np.uint16)
    more = {"mul": factors, "pool_shift": 16} if of == "average" else {}
    pool = Pool(of=of, sources=(1,), border=200, block=block, **patches, **more)
    shape = pool.shape([(1, 6, 6), (4, 4, 4)])
    last = full(int(np.prod(shape)), 3, 2, patches=Patches.whole(shape), fires=False)
    assert walked(steps_on((1, 6, 6), first, pool, last), 1).steps_done == steps


@pytest.mark.parametrize(
    ("shape", "kernel", "groups", "steps"),
    [
        ((2, 16, 16), (15, 1), 1, 2),
        ((2, 16, 16), (1, 15), 1, 2),
        # A record has 4 bits for the rows and the columns of a window.
        ((2, 16, 16), (16, 1), 1, 3),
        ((2, 16, 16), (1, 16), 1, 3),
        # One channel of each group: its place would be read again too soon.
        ((2, 4, 4), (2, 2), 2, 3),
    ],
)
def test_windows_of_up_to_15_rows_and_columns_are_no_step(
    shape: Shape, kernel: tuple[int, int], groups: int, steps: int
) -> None:
    first = full(2 // groups, 2, 0, **seen(*shape, groups=groups))
    pool = Pool(of="max", sources=(1,), **seen(*shape, kernel=kernel, stride=kernel))
    rest = pool.shape([shape, shape])
    last = full(int(np.prod(rest)), 3, 2, patches=Patches.whole(rest), fires=False)
    geometry = dataclasses.replace(MAPS, packet_bytes=1024)
    assert walked(steps_on(shape, first, pool, last), 1, geometry).steps_done == steps


def step_kinds(program: Program) -> list[type]:
    return [type(step) for step in lower(program).steps]


def test_no_map_is_copied_without_need() -> None:
    """A gate reads a sample of one call where it is; the first step may write a state;
    of maps that are joined value by value only one of several pixels and channels is
    put in another order."""
    twice = Gate(terms=(Term(a=0, b=0, gain=1),), gate_shift=8)
    assert step_kinds(steps_on((6, 1, 1), twice, full(6, 2, 1, fires=False))) == [Gate, Product]
    more = Gate(terms=(Term(a=0, gain=128), Term(a=1, gain=90)), gate_shift=8)
    states = (State(shape=(6, 1, 1), source=2, start=9),)
    recurrent = steps_on((6, 1, 1), more, full(6, 2, 2, fires=False), states=states, calls=3)
    assert step_kinds(recurrent) == [Fill, Pool, Gate, Product]
    walked(recurrent)
    steps = (
        full(4, 2, 0, **seen(2, 2, 2, kernel=(2, 1))),  # two channels of two pixels
        full(2, 1, 0, **seen(2, 2, 2)),
        full(8, 3, 0, patches=Patches.whole((2, 2, 2))),
        full(11, 4, 1, 2, 3, fires=False, **seen(11, 1, 1)),
    )
    joined = steps_on((2, 2, 2), *steps)
    assert step_kinds(joined) == [Product, Product, Product, Pool, Product]
    walked(joined)


def test_maps_lie_where_the_first_place_is_free_when_they_are_first_written() -> None:
    """Map 1 is joined behind map 3, and so both have their place before map 2,
    beside the sample."""
    steps = (full(8, 8, 0), full(8, 16, 1), full(16, 8, 2), full(16, 2, 3, 1, fires=False))
    lowered = lower(steps_on((8, 1, 1), *steps, calls=2))
    bases = {number: place.base for number, place in places_of(lowered, {}, 16).items()}
    assert bases == {0: 0, 3: 16, 1: 24, 2: 32}


def test_a_state_keeps_its_value_until_the_call_is_over() -> None:
    """Its source is a product, whose copy is not made on the way: the answer reads
    the state as it was."""
    steps = (full(6, 6, 0, **seen(6, 1, 1)), full(6, 2, 1, fires=False))
    walked(steps_on((6, 1, 1), *steps, states=(State(shape=(6, 1, 1), source=2, start=9),), calls=3))


@pytest.mark.parametrize(("asked", "handed_on", "copies"), [(4, 4, 1), (1, 4, 2), (4, 1, 3)])
def test_a_gate_writes_a_state_unless_its_present_value_is_asked_for(
    asked: int, handed_on: int, copies: int
) -> None:
    """Map 4 is the next value of state 1; ``asked`` by the gate behind it,
    ``handed_on`` to state 2."""
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
    """Two products of a call's inputs and a state: the inputs are copied beside
    the state, for both."""
    steps = (
        *(full(10, 4, 0, 1, seed=seed, **seen(10, 1, 1)) for seed in (0, 1)),
        Gate(terms=(Term(a=2, b=3, gain=1), Term(a=1, gain=128)), gate_shift=8),
        full(4, 2, 4, fires=False),
    )
    program = steps_on((6, 1, 1), *steps, states=(State(shape=(4, 1, 1), source=4, start=9),), calls=3)
    assert [type(step) for step in lower(program).steps] == [Fill, Pool, Product, Product, Gate, Product]
    walked(program)


def test_maps_lie_apart_from_what_is_still_read_and_whole_for_gates() -> None:
    """A map of one code beside the sample; one that a gate reads, joined with
    the gate's result."""
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
    """The first map lies behind the sample, at the end; the sum takes the place of its
    second operand, map 1, unless the product itself reads that. None: a gate of maps 1
    and 2 in its place.
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


def test_random_walks_are_right_where_memory_is_tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps at both ends of the memory, results in the place of what their step reads:
    states, maps that are joined and maps that are read again are left alone."""

    def tight(
        lowered: Lowered, pooled: dict[int, Pool], sample: int, _: int | None = None
    ) -> dict[int, Place]:
        return places_of(lowered, pooled, sample, MAPS.map_codes)

    monkeypatch.setattr("ndrite.emulator.backend.walk.places_of", tight)
    for trial in range(24):
        rng = np.random.default_rng(trial)
        program = random_walk(MAPS, rng, side=4, steps=6)
        equal(program, random_inputs(program, rng, 1), said=f"trial {trial}")


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


def test_the_bound_counts_positions_groups_rows_slices_and_columns() -> None:
    """4 x 3 positions of 3 groups of 6 rows and 7 columns, in 4 slices of 2 bits."""
    product = full(6, 21, 0, **seen(6, 4, 5, kernel=(1, 3), groups=3))
    product = dataclasses.replace(product, layer=dataclasses.replace(product.layer, dac_bits=2))
    assert products_cycles([product], 4) == 4 * 3 * 3 * 6 * 4 * 2
    assert products_cycles([product, product], 7, 4) == 2 * 4 * 3 * 3 * 2 * 4 * 1


@pytest.mark.parametrize(
    ("inputs", "outputs", "codes", "change", "samples"),
    [
        (100, 1, 100, {}, 4),  # 104 codes of each in a packet of 512
        (9, 1, 500, {}, 4),  # 504 codes of each in a memory of 2048
        (8, 5, 8, {}, 6),  # four banks of 16 results, half of them
        (8, 5, 8, {"max_outputs": 128}, 25),  # results of four bytes in a packet of 512
        (8, 5, 4000, {}, 1),
    ],
)
def test_as_many_samples_are_walked_together_as_packets_memory_and_results_have_room_for(
    inputs: int, outputs: int, codes: int, change: dict[str, int], samples: int
) -> None:
    program = steps_on((inputs, 1, 1), full(inputs, outputs, 0, fires=False))
    span = -(-codes // 8) * 8
    assert samples_together(program, dataclasses.replace(MAPS, **change), codes) == (samples, span)


@pytest.mark.parametrize(
    ("shape", "calls"), [((1, 4, 4), 1), ((6, 1, 1), 3), ((2, 3, 4), 1), ((3, 2, 2), 2)], ids=str
)
def test_codes_of_a_sample_are_taken_pixel_by_pixel(shape: Shape, calls: int) -> None:
    channels, rows, columns = shape
    size = channels * rows * columns
    program = steps_on(shape, full(size, 2, 0, fires=False, patches=Patches.whole(shape)), calls=calls)
    order = sample_order(program)
    if channels == 1 or rows * columns == 1:
        assert order is None
    else:
        every = itertools.product(range(calls), range(rows * columns), range(channels))
        assert order is not None
        assert order.tolist() == [call * size + c * rows * columns + pixel for call, pixel, c in every]


@pytest.mark.parametrize(
    ("shape", "left", "flat"),
    [
        ((1, 1, 32767), 0, True),
        ((1, 1, 32768), 0, False),
        ((64, 1, 511), 0, True),
        ((64, 1, 512), 0, False),
        ((1, 1, 4), 32765, True),
        ((1, 1, 4), 32766, False),
        ((64, 1, 4), 509, True),
        ((64, 1, 4), 510, False),
    ],
)
def test_a_row_is_one_run_where_its_codes_and_those_of_a_window_have_16_bits(
    shape: Shape, left: int, flat: bool
) -> None:
    step = full(2 * shape[0], 1, 0, **seen(*shape, kernel=(1, 2), padding=(0, left, 0, 0)))
    assert patch_fields(step, {0: Place.alone(0, shape)}).get("flat", 0) == flat


def records(program: Program, geometry: Geometry = MAPS) -> list[dict[str, int]]:
    """The fields of every step's record."""
    words = memories(program, geometry)["steps"] & 0xFFFFFFFF
    count = unpacked(words, HEADER)["steps"]
    return [unpacked(words[i * RECORD_WORDS :], STEP) for i in range(1, 1 + count)]


@pytest.mark.parametrize(
    ("channels", "kernel", "pause"),
    [(3, (1, 1), 2), (3, (2, 2), 0), (8, (1, 1), 7), (20, (1, 1), 7), (20, (1, 3), 5), (20, (3, 3), 0)],
)
def test_results_of_eight_channels_are_written_one_by_one_before_the_next_eight(
    channels: int, kernel: tuple[int, int], pause: int
) -> None:
    """A pool pauses for those that are left when its window has been read; a state's
    value is one code."""
    pool = Pool(of="max", sources=(0,), **seen(channels, 3, 3, kernel=kernel, stride=(3, 3)))
    last = full(2 * channels, 2, 2, 1, fires=False, patches=Patches.whole((2 * channels, 1, 1)))
    states = (State(shape=(channels, 1, 1), source=2, start=9),)
    program = steps_on((channels, 3, 3), pool, last, states=states, calls=2)
    fill, pooled, *_ = records(program)
    assert (fill["pause"], pooled["pause"]) == (min(channels, 8) - 1, pause)
    walked(program)


def bordered(rows: int, columns: int) -> Program:
    """So many positions of one code and its border."""
    pool = Pool(of="max", sources=(0,), **seen(1, 1, 1, padding=(rows - 1, columns - 1, 0, 0)))
    whole = Pool(of="max", sources=(1,), **seen(1, rows, columns, kernel=(rows, columns)))
    return steps_on((1, 1, 1), pool, whole, full(1, 2, 2, fires=False))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (15, 17), (16, 16), (3, 300), (255, 257)])
def test_the_number_of_a_position_is_at_the_top_of_its_field(rows: int, columns: int) -> None:
    """In 8 bits or as many as it has."""
    record = records(bordered(rows, columns), dataclasses.replace(MAPS, map_codes=1 << 17))[0]
    bits = max(8, (rows * columns).bit_length())
    assert (record["position_bits"], record["positions"]) == (bits, rows * columns << 16 - bits)


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
IN_GROUPS = steps_on((4, 1, 1), full(2, 2, 0, **seen(4, 1, 1, groups=2), fires=False))
IN_BLOCKS = steps_on((4, 1, 1), full(4, 2, 0, **seen(4, 1, 1), block=(1, 2), fires=False))
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
        (IN_GROUPS, {}, "the result is sums at 1 positions; .* without groups"),
        (IN_BLOCKS, {}, "the result is sums at 1 positions; .* without groups"),
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


def in_groups(groups: int, columns: int, block: tuple[int, int] = (1, 1)) -> Program:
    """A product of so many groups of one row each, and of so many columns."""
    first = full(1, groups * columns, 0, block=block, **seen(groups, 1, 1, groups=groups))
    shape = first.shape([(groups, 1, 1)])
    last = full(groups * columns, 3, 1, patches=Patches.whole(shape), fires=False)
    return steps_on((groups, 1, 1), first, last)


def padded(left: int) -> Program:
    """The largest of windows of one code, most of them beside the map."""
    patches = seen(1, 1, 1, padding=(0, left, 0, 0), stride=(1, 255))
    pool = Pool(of="max", sources=(0,), border=3, **patches)
    shape = (1, *patches["patches"].grid)
    return steps_on((1, 1, 1), pool, full(shape[2], 3, 1, patches=Patches.whole(shape), fires=False))


@pytest.mark.parametrize(
    ("most", "more", "said"),
    [
        (in_groups(255, 2, (1, 2)), in_groups(256, 2, (1, 2)), "block has 256 groups; .* at most 255"),
        (in_groups(2, 8), in_groups(2, 9), "a group of a product has 9 columns; .* at most 8"),
        (padded(32767), padded(32768), "padding up to 32767"),
        (averaged(1, 16, 32, kernel=(16, 32)), averaged(1, 19, 27, kernel=(19, 27)), "averages 513 codes"),
        (averaged(1, 2, 256, stride=(1, 255)), averaged(1, 2, 257, stride=(1, 256)), "strides up to 255"),
        (in_a_block(255), in_a_block(256), r"block \(1, 256\); .* sizes up to 255"),
    ],
    ids=["groups", "group's columns", "padding", "window", "stride", "block"],
)
def test_the_most_that_a_record_can_say(most: Program, more: Program, said: str) -> None:
    geometry = dataclasses.replace(MAPS, packet_bytes=2048, columns=2048, max_inputs=2048)
    walked(most, 2, geometry)
    with pytest.raises(GeometryError, match=said):
        check_fits(more, geometry)


def largest(columns: int) -> Program:
    """The largest code of sixteen rows."""
    pool = Pool(of="max", sources=(0,), **seen(1, 16, columns, kernel=(16, columns)))
    return steps_on((1, 16, columns), pool, full(1, 2, 1, fires=False))


def copied(times: int) -> Program:
    """So many copies of one code and a product."""
    copies = [Pool(of="max", sources=(i,), **seen(1, 1, 1)) for i in range(times)]
    return steps_on((1, 1, 1), *copies, full(1, 2, times, fires=False))


def gated(pixels: int) -> Program:
    """A gate of 51 channels of so many pixels."""
    first, half = full(1, 51, 0, **seen(1, 257, pixels)), Gate(terms=(Term(a=1, gain=128),), gate_shift=8)
    pool = Pool(of="max", sources=(2,), **seen(51, 257, pixels, kernel=(257, pixels)))
    return steps_on((1, 257, pixels), first, half, pool, full(51, 2, 3, fires=False))


@pytest.mark.parametrize(
    ("most", "more", "change", "said"),
    [
        (largest(32), largest(33), {}, "a sample has 528 codes; accepted .*: at most 512"),
        (copied(6), copied(7), {"layers": 4}, "it takes 8 steps; accepted .*: at most 7"),
        (gated(5), gated(6), {"packet_bytes": 2048}, "a gate or a state has 78642 codes; .* 65535"),
        (bordered(255, 257), bordered(256, 256), {}, r"codes \(65536, 1, 1\); accepted .*: at most 65535"),
    ],
    ids=["packet", "steps", "gate", "positions"],
)
def test_the_most_that_a_device_can_do(
    most: Program, more: Program, change: dict[str, int], said: str
) -> None:
    geometry = dataclasses.replace(MAPS, map_codes=1 << 20, columns=1024, **change)
    check_fits(most, geometry)
    with pytest.raises(GeometryError, match=said):
        check_fits(more, geometry)


@pytest.mark.parametrize(
    ("channels", "skip", "turn"), [(8, False, 4), (6, False, 3), (6, True, 2), (5, True, 1), (8, True, 4)]
)
def test_second_operands_are_scaled_in_pairs(channels: int, skip: bool, turn: int) -> None:
    """So many of four neurons' results are written at once; only an even number if
    operands are added."""
    geometry = dataclasses.replace(MAPS, lanes=32, readouts=4, lane_groups=4, skip=True)
    added = {"skip": 1, "skip_gain": np.full(channels, 9000, np.uint16), "skip_shift": 3} if skip else {}
    steps = (
        full(1, channels, 0, **seen(1, 2, 2)),
        full(channels, channels, 1, **seen(channels, 2, 2), **added),
        full(4 * channels, 2, 2, fires=False, patches=Patches.whole((channels, 2, 2))),
    )
    program = steps_on((1, 2, 2), *steps)
    walked(program, 1, geometry)
    assert records(program, geometry)[1]["turn"] == turn


def test_results_of_a_pixel_are_written_as_many_at_once_as_there_are_neurons() -> None:
    """Of three channels two are never one after the other; pooled, a pixel takes
    two turns or more."""
    geometry = dataclasses.replace(MAPS, lanes=32, readouts=2, lane_groups=4, skip=True)
    for channels, pooled, turn in ((2, False, 2), (3, False, 1), (2, True, 1), (4, True, 2)):
        again = Pool(of="max", sources=(1,), **seen(channels, 4, 4))
        program = windowed(channels, *(() if pooled else (again,)))
        hand = walked(program, 1, geometry)
        record = hand.memories["steps"][RECORD_WORDS : 2 * RECORD_WORDS]
        assert unpacked(record, STEP)["turn"] == turn, (channels, pooled)


def test_states_that_take_each_others_values() -> None:
    """A delay line: the input, the input of a call ago, that of two calls
    ago, all in one sum."""
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
    """10 inputs to 30 functions, 30 to 6 sums, 6 to 18, 18 to 3, eight lanes; a
    body once a call."""
    x = np.random.default_rng(0).integers(0, 256, (20, INPUTS)).astype(np.uint8)
    program = map_network(kan(), "wan2022", x).program
    assert bound_cycles(program, 8) == 30 + 18
    program = dataclasses.replace(program, calls=calls)
    assert bound_cycles(program, 8) == calls * (30 + 18)
    assert walked_cycles(program, MAPS) == calls * (10 * 4 + 30 + 6 * 3) + 18

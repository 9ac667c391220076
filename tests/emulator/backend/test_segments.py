"""Programs cut into segments: by hand where the answer is known, and what
holds for any of them."""

import dataclasses
import itertools
import math
from functools import partial

import numpy as np
import pytest

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.backend.segments import Segment, _asked_after, _segment, cut
from ndrite.emulator.spec import Geometry, GeometryError, Program
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Pool
from tests.emulator.backend.test_walk import MAPS, TINY, full, seen, steps_on
from tests.random_graphs import random_graph


def cut_for(program: Program, geometry: Geometry) -> tuple[Segment, ...]:
    return cut(program, partial(check_fits, geometry=geometry))


def runs(segments: tuple[Segment, ...]) -> list[tuple[int, int]]:
    return [(segment.first, segment.stop) for segment in segments]


def vectors(first: int, *steps: object, **rest: object) -> Program:
    """A program on a vector."""
    return steps_on((first, 1, 1), *steps, **rest)


def chain(*widths: int) -> Program:
    steps = [
        full(k, m, i, seed=i, fires=i < len(widths) - 2)
        for i, (k, m) in enumerate(itertools.pairwise(widths))
    ]
    return vectors(widths[0], *steps)


def test_a_chain_in_as_few_pieces_as_the_memory_allows() -> None:
    """Four lanes: a layer of 16 x 16 takes 64 of 512 words and 16 of 64 column
    parameters, of four layers."""
    segments = cut_for(chain(*[16] * 11), TINY)
    assert len(segments) == 3
    assert all(stop - first <= 4 for first, stop in runs(segments))
    assert [s.first for s in segments] == [0, *(s.stop for s in segments[:-1])]
    assert segments[-1].stop == 10
    assert [s.sums for s in segments] == [True, True, False]
    for segment in segments:
        assert segment.piece.is_chain
        assert segment.piece.first_product == segment.first


def test_it_is_not_cut_behind_a_layer_whose_results_are_too_many() -> None:
    """Of two ways with as many segments; results of 40 fit inside (as
    activations), not at an end."""
    segments = cut_for(chain(16, 16, 16, 40, 16, 16), dataclasses.replace(TINY, columns=128))
    assert len(segments) == 2
    assert 3 not in {stop for _, stop in runs(segments)}


def test_a_program_that_fits_is_one_segment_and_one_that_fits_nowhere_is_the_hosts() -> None:
    assert runs(cut_for(chain(16, 8, 4), TINY)) == [(0, 2)]
    segments = cut_for(chain(16, 8, 4), dataclasses.replace(TINY, rows=8))
    assert [s.piece for s in segments] == [None, None]


def test_a_product_alone_is_cut_into_patches_by_the_host() -> None:
    conv = full(18, 4, 0, **seen(2, 6, 6, kernel=(3, 3)))
    pool = Pool(of="max", sources=(1,), **seen(4, 4, 4, kernel=(4, 4)))
    program = steps_on((2, 6, 6), conv, pool, full(4, 2, 2, fires=False))
    segments = cut_for(program, TINY)
    assert [(s.by_patch, s.sums, s.piece is None) for s in segments] == [
        (True, True, False),
        (False, False, True),
        (False, False, False),
    ]
    piece = segments[0].piece
    assert piece.inputs == 18


@pytest.mark.parametrize("groups", [2, 3])
def test_a_product_of_groups_is_not_cut_into_patches(groups: int) -> None:
    """A device without maps computes no part of it."""
    conv = full(9, 6, 0, **seen(groups, 6, 6, kernel=(3, 3), groups=groups))
    last = full(96, 2, 1, fires=False, patches=Patches.whole((6, 4, 4)))
    segments = cut_for(steps_on((groups, 6, 6), conv, last), TINY)
    assert segments[0].piece is None
    assert not segments[0].by_patch


@pytest.mark.parametrize("seed", range(4))
def test_every_map_that_is_read_later_is_carried(seed: int) -> None:
    """Of 50 random programs: what a step reads was made in its run, or is there;
    nothing is done twice, and no map is kept that nobody reads."""
    cuts = several = 0
    for trial in range(50 * seed, 50 * seed + 50):
        rng = np.random.default_rng(trial)
        program = random_graph(MAPS, rng, side=5, steps=int(rng.integers(3, 8)))
        small = dataclasses.replace(MAPS, weight_depth=int(rng.choice([64, 256])), layers=8)
        segments = cut_for(program, small)
        assert [at for run in runs(segments) for at in range(*run)] == list(range(len(program.steps)))
        base = 1 + len(program.states)
        there = set(range(base))
        for segment in segments:
            known = set(there)
            for at in range(segment.first, segment.stop):
                assert set(program.steps[at].reads) <= known, f"trial {trial}, step {at}"
                known.add(base + at)
            assert set(segment.reads) <= there
            assert set(segment.makes) <= set(range(base + segment.first, base + segment.stop))
            there = {m for m in there | set(segment.makes) if m in segment.kept or m < base}
            later = {m for step in program.steps[segment.stop :] for m in step.reads}
            later |= {state.source for state in program.states} if program.calls > 1 else set()
            assert segment.kept == later | {len(program.map_shapes) - 1}
            if segment.piece is not None:
                check_fits(segment.piece, small)
        assert len(program.map_shapes) - 1 in there
        if program.calls > 1:
            assert {state.source for state in program.states} <= there
        cuts += len(segments) > 1
        several += any(len(segment.makes) > 1 for segment in segments)
    assert cuts > 25
    assert several > 2


def cost(program: Program, segments: tuple[Segment, ...]) -> tuple[int, ...]:
    """Segments, those with work of the host's, maps that they read and make,
    and codes of these."""
    carried = [m for s in segments for m in (*s.reads, *s.makes)]
    hosts = sum(s.piece is None or s.sums for s in segments)
    return len(segments), hosts, len(carried), sum(math.prod(program.map_shapes[m]) for m in carried)


def test_no_other_cut_costs_less() -> None:
    """Of 16 random programs every cut is tried; runs of too many weights are none,
    unless of one step."""
    several = 0
    for trial in range(16):
        rng = np.random.default_rng(trial)
        program = random_graph(MAPS, rng, side=4, steps=5)
        geometry = dataclasses.replace(MAPS, weight_depth=int(rng.choice([32, 64])), layers=8)
        count, check = len(program.steps), partial(check_fits, geometry=geometry)
        run_of = {
            (a, b): _segment(program, a, b, _asked_after(program, b), check)
            for a, b in itertools.combinations(range(count + 1), 2)
        }
        cuts = [
            tuple(run_of[run] for run in itertools.pairwise((0, *inner, count)))
            for size in range(count)
            for inner in itertools.combinations(range(1, count), size)
        ]
        found = cut_for(program, geometry)
        assert cost(program, found) == min(cost(program, each) for each in cuts if None not in each)
        several += len(found) > 2
        whole = sum(product.layer.weights.size for product in program.products)
        assert runs(cut(program, check, whole)) == runs(found)
        single = runs(cut(program, check, 0))
        heavy = [i for i, step in enumerate(program.steps) if step.kind == "product"]
        assert all(stop == first + 1 or not set(heavy) & set(range(first, stop)) for first, stop in single)
    assert several > 3


@pytest.mark.parametrize(
    ("rows", "columns", "runs_of"),
    [
        (64, 64, [(0, 3)]),
        (64, 65, [(0, 1), (1, 2), (2, 3)]),
        (17, 241, [(0, 1), (1, 2), (2, 3)]),  # one code more than 4096
    ],
)
def test_no_run_takes_or_gives_more_than_4096_codes(
    rows: int, columns: int, runs_of: list[tuple[int, int]]
) -> None:
    """So many rows of so many codes; the host does the steps that read or make more."""
    same = Pool(of="max", sources=(0,), **seen(1, rows, columns))
    halved = Pool(of="max", sources=(1,), **seen(1, rows, columns, kernel=(1, columns)))
    last = full(rows, 4, 2, fires=False, patches=Patches.whole((1, rows, 1)))
    segments = cut(steps_on((1, rows, columns), same, halved, last), lambda piece: None)
    assert runs(segments) == runs_of
    assert [s.piece is None for s in segments] == [columns > 64] * (len(segments) - 1) + [False]


def test_what_is_refused_says_why() -> None:
    """The longest of it is told, of a product; the program is what the user called it."""
    program = chain(16, 8, 8, 4)
    narrow = dataclasses.replace(TINY, max_inputs=16, rows=16, name="narrow")
    wide = dataclasses.replace(program, steps=(full(60, 8, 0), *program.steps[1:]), shape=(60, 1, 1))
    with pytest.raises(GeometryError):
        check_fits(wide, narrow)
    segments = cut_for(wide, narrow)
    assert runs(segments) == [(0, 1), (1, 3)]
    assert segments[0].refused.endswith("layer0.inputs is 60; at most 16")


def test_a_run_that_reads_two_maps_apart_gets_both_from_one_sample() -> None:
    """Maps with more columns than rows, which a run's first steps take out of
    its sample again."""
    first, other, later = (Pool(of="max", sources=(m,), **seen(2, 3, 5)) for m in (0, 0, 1))
    both = Pool(of="max", sources=(2, 3), **seen(4, 3, 5))
    program = steps_on((2, 3, 5), first, other, later, both)
    segment = _segment(program, 1, 4, _asked_after(program, 4), lambda piece: None)
    assert segment is not None
    assert segment.reads == (0, 1)
    assert segment.piece.shape == (4, 3, 5)
    assert [len(step.reads) for step in segment.piece.steps] == [1, 1, 1, 1, 2]

"""Programs: shapes of their maps, the tag, and refusals that name what breaks a rule."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import PRESETS, Layer, Program, ProgramError
from ndrite.emulator.spec.flow import State, Term
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.steps import Gate, Pool, Product, Step, Table
from tests.refusals import refused
from tests.stimulus import quiet, same_cells

TINY = PRESETS["tiny"]
CURVES = {"curve_base": np.zeros((2, 32), np.int32), "curve_slope": np.ones((2, 32), np.int32)}


def layer(inputs: int, outputs: int, **changes: Any) -> Layer:
    fields: dict[str, Any] = {
        "weights": np.ones((inputs, outputs), np.int16),
        "bias": np.zeros(outputs, np.int32),
        "gain": np.ones(outputs, np.uint16),
        "offset": np.zeros(outputs, np.int16),
        "scale": np.ones(outputs, np.uint16),
        "curve": np.zeros(outputs, np.uint16),
    }
    return Layer(**(fields | changes))


SEEN = Patches(shape=(2, 4, 4), kernel=(3, 3), padding=(1, 1, 1, 1))


def everything() -> Program:
    """One of each kind of step; map 0 is the input, 1 the state, the steps
    make those from 2 on."""
    steps: tuple[Step, ...] = (
        Product(layer=layer(18, 2), sources=(0,), patches=SEEN, border=9),
        Product(
            layer=layer(18, 2),
            sources=(2,),
            patches=SEEN,
            skip=0,
            skip_gain=np.array([3, 40000], np.uint16),
            skip_shift=4,
        ),
        Pool(of="max", sources=(2, 3), patches=Patches(shape=(4, 4, 4), kernel=(2, 2), stride=(2, 2))),
        Pool(
            of="average",
            sources=(3,),
            patches=Patches(shape=(2, 4, 4), kernel=(2, 2), stride=(2, 2)),
            mul=np.full(4, 1 << 14, np.uint16),
            pool_shift=16,
        ),
        Table(
            sources=(4, 5),
            channel=np.array([5, 0], np.int32),
            offset=np.array([-256, 255], np.int16),
            scale=np.array([1, 65535], np.uint16),
            curve=np.array([0, 1], np.uint16),
            vshift=12,
        ),
        Gate(terms=(Term(a=5, b=6, gain=-2, a_zero=1, b_zero=2), Term(a=1, gain=7)), gate_shift=8, zero=5),
        Product(
            layer=layer(12, 8),
            sources=(6, 7),
            patches=Patches(shape=(4, 2, 2), kernel=(1, 3), padding=(0, 1, 0, 1)),
            block=(2, 2),
        ),
        Product(layer=layer(32, 3), sources=(8,), patches=Patches.whole((2, 4, 4)), fires=False),
    )
    return Program(
        name="everything",
        rows=16,
        shape=(2, 4, 4),
        steps=steps,
        states=(State(shape=(2, 2, 2), source=7, start=128),),
        calls=3,
        provenance={"chip": "none", "seed": 5},
        **CURVES,
    )


def test_shapes_of_maps_and_of_samples() -> None:
    program = everything()
    large, small = (2, 4, 4), (2, 2, 2)
    assert program.map_shapes == (large, small, large, large, (4, 2, 2), *[small] * 3, large, (3, 1, 1))
    assert (program.inputs, program.outputs, program.is_chain) == (3 * 32, 3, False)
    assert len(program.products) == len(program.layers) == 4
    chain = random_program(TINY, np.random.default_rng(3), sizes=[6, 4, 2])
    assert chain.is_chain
    # Of a map of three rows a layer sees two: the codes of a sample are not the layer's.
    part = dataclasses.replace(chain.products[0], patches=Patches.whole((3, 2, 1)))
    seen = dataclasses.replace(chain, shape=(3, 3, 1), steps=(part, *chain.steps[1:]))
    assert (seen.inputs, seen.is_chain) == (9, False)


def step(number: int, **changes: Any) -> dict[str, Any]:
    """``everything`` with fields of one step, or of its layer or patches, replaced."""
    steps = list(everything().steps)
    old: Any = steps[number]
    for name in list(changes):
        for part in ("layer", "patches"):
            inside = getattr(old, part, None)
            if inside is not None and name in {f.name for f in dataclasses.fields(inside)}:
                inside = dataclasses.replace(inside, **{name: changes.pop(name)})
                old = dataclasses.replace(old, **{part: inside})
                break
    steps[number] = dataclasses.replace(old, **changes)
    return {"steps": tuple(steps)}


def state(**changes: Any) -> dict[str, Any]:
    return {"states": (dataclasses.replace(everything().states[0], **changes),)}


def gate(*terms: Term, **rest: Any) -> dict[str, Any]:
    return step(5, terms=terms, **rest)


EMPTY = np.zeros((0, 32), np.int32)
TERM = Term(a=5, gain=1)
RANGES: dict[tuple[int, str], tuple[int, int]] = {
    **dict.fromkeys([(0, "border"), (2, "border")], (0, 255)),
    **dict.fromkeys([(0, "vshift"), (4, "vshift")], (0, 47)),
    **dict.fromkeys([(0, "table_bits"), (4, "table_bits")], (0, 12)),
    **dict.fromkeys([(0, "curve"), (4, "curve")], (0, 1)),
    **dict.fromkeys([(0, "shift"), (1, "skip_shift"), (3, "pool_shift"), (5, "gate_shift")], (0, 47)),
    **dict.fromkeys([(0, "sigma_out"), (0, "var_cell")], (0, 65535)),
    **dict.fromkeys([(5, "a_zero"), (5, "b_zero"), (5, "zero")], (0, 255)),
    (5, "gain"): (-65535, 65535),
    (0, "adc_bits"): (4, 12),
    (0, "weights"): (-255, 255),
    (0, "offset"): (-2048, 2047),
    (4, "offset"): (-256, 255),
}
"""What a step's field, or one of its terms', may be; of an array each of its numbers."""


def filled(number: int, name: str, value: int) -> dict[str, Any]:
    """``everything`` with this value in the field, wherever that is in the step; an
    array full of it."""
    if hasattr(TERM, name):
        return gate(dataclasses.replace(TERM, b=6, **{name: value}))
    of = everything().steps[number]
    old = getattr(of, name, None) if hasattr(of, name) else getattr(of.layer, name)
    return step(number, **{name: np.full_like(old, value) if isinstance(old, np.ndarray) else value})


@pytest.mark.parametrize(("number", "name"), RANGES)
def test_what_lies_outside_its_range_is_named(number: int, name: str) -> None:
    low, high = RANGES[number, name]
    for value in (low, high):
        dataclasses.replace(everything(), **filled(number, name, value))
    for value in (low - 1, high + 1):
        if value < 0 and name == "curve":
            continue  # it is unsigned
        told = rf"step{number}\.{name} is ({value}\.\.)?{value}; accepted: {low}\.\.{high}"
        with pytest.raises(ProgramError, match=told):
            dataclasses.replace(everything(), **filled(number, name, value))


BAD: list[tuple[Any, str]] = [
    *(({"calls": calls}, rf"calls is {calls}; accepted: 1\.\.65536") for calls in (0, 65537)),
    *((state(start=start), rf"state0\.start is {start}; accepted: 0\.\.255") for start in (-1, 256)),
    ({"rows": 12}, "rows is 12; accepted: 8..1024, multiple of 8"),
    ({"rows": 2048}, "rows is 2048; accepted: 8"),
    ({"shape": (2, 4)}, r"shape is \(2, 4\); accepted: \(C, H, W\), each at least 1"),
    ({"shape": (2, 0, 4)}, r"shape is \(2, 0, 4\); accepted"),
    ({"shape": (2, 1 << 14, 1 << 14)}, "shape is .*; accepted: at most 67108864 codes"),
    ({"steps": ()}, "steps is empty; accepted: at least one"),
    ({"first_product": -1}, "number of products is 3; accepted: at most 256"),
    ({"first_product": 253}, "number of products is 257; accepted: at most 256"),
    ({"curve_base": np.zeros((2, 32))}, r"curves.base is float64 \(2, 32\); accepted: int32"),
    ({"curve_base": np.full((2, 32), 1 << 17, np.int32)}, "curves.base is outside 18 bits"),
    ({"curve_slope": np.zeros((2, 16), np.int32)}, r"curves.slope shape is \(2, 16\); accepted: \(2, 32\)"),
    ({"curve_base": EMPTY, "curve_slope": EMPTY}, "curves.base is outside 18 bits or empty"),
    # Reading
    (step(0, sources=(2,)), r"step0 reads map 2; accepted: 0..1, made before it"),
    (step(1, sources=(9,)), r"step1 reads map 9; accepted: 0..2"),
    (step(1, sources=(-1,)), "step1 reads map -1; accepted"),
    (step(1, sources=(True,)), "step1 reads map True; accepted"),
    (step(1, sources=()), r"step1.patches shape is \(2, 4, 4\); accepted: that of its sources, \(0, 1, 1\)"),
    (step(1, skip=3), "step1 reads map 3; accepted: 0..2"),
    (step(2, sources=()), "step2 reads no map; accepted: at least one"),
    (gate(Term(a=0, b=7, gain=1)), "step5 reads map 7; accepted: 0..6"),
    # Products
    (
        step(0, sources=(0, 0)),
        r"step0.patches shape is \(2, 4, 4\); accepted: that of its sources, \(4, 4, 4\)",
    ),
    (step(0, shape=(2, 5, 4)), r"step0.patches shape is \(2, 5, 4\); accepted: that of its sources"),
    (step(0, kernel=(3, 2)), "step0.inputs is 18; accepted: 12, as a patch has"),
    (step(0, groups=2), "step0.inputs is 18; accepted: 9, as a patch has"),
    (step(0, layer=layer(9, 3), groups=2), "step0.outputs is 3; accepted: a multiple of 2, its groups"),
    (step(6, layer=layer(12, 6)), "step6.outputs is 6; accepted: a multiple of 4"),
    (step(6, layer=layer(6, 12), groups=2), "step6.outputs is 12; accepted: a multiple of 8, its groups"),
    (step(6, block=(0, 2)), r"step6.block is \(0, 2\); accepted: two numbers of at least 1"),
    (step(6, block=(1.0, 2)), r"step6.block is \(1.0, 2\); accepted"),
    (step(1, block=(0, 2)), r"step1.block is \(0, 2\); accepted: two numbers of at least 1"),
    (step(0, fires=False), "step0.fires is False; accepted: True for all but the last step"),
    (step(1, skip=1), r"step1.skip shape is \(2, 2, 2\); accepted: \(2, 4, 4\)"),
    (step(1, skip_gain=None), "step1.skip_gain dtype is NoneType; accepted: uint16"),
    (step(1, skip_gain=np.ones(3, np.uint16)), r"step1.skip_gain shape is \(3,\); accepted: \(2,\)"),
    (step(1, skip_gain=np.ones(2, np.int32)), "step1.skip_gain dtype is int32; accepted: uint16"),
    (step(1, skip=None), "step1.skip_gain is given; accepted: none without skip"),
    (step(0, skip_shift=1), "step0.skip_shift is 1; accepted: 0, none without skip"),
    (step(0, layer=layer(18, 0)), r"step0.weights shape is \(18, 0\); accepted: \(K, M\)"),
    (step(0, weights=np.zeros((18, 2))), "step0.weights dtype is float64; accepted: int16"),
    (step(0, bias=np.zeros(3, np.int32)), r"step0.bias shape is \(3,\); accepted: \(2,\)"),
    (step(0, readout="optical"), "step0.readout is optical; accepted: adc or analog"),
    (step(0, dac_bits=3), "step0.dac_bits is 3; accepted: 1, 2, 4 or 8"),
    (step(0, segment_bits=8), "step0.segment_bits is 8; accepted: 12 - log2 of the table's 32 segments"),
    (step(7, bias=np.full(3, 2**31 - 1, np.int32)), r"step7 largest \|p\| \+ \|bias\| is .* below 2\^31"),
    (
        # Two tiles of 8 bits, a second operand of (255 * 40000 >> 4) + 1 at most: one
        # too many for 32 bits.
        step(1, bias=np.full(2, 2**31 - 1 - 128 * 2 - 637_500, np.int32)),
        r"step1 largest \|p\| \+ \|bias\| is 2147483648; accepted: below 2\^31",
    ),
    # Pooling
    (step(2, of="median"), "step2.of is median; accepted: max or average"),
    (
        step(2, shape=(2, 4, 4)),
        r"step2.patches shape is \(2, 4, 4\); accepted: that of its sources, \(4, 4, 4\)",
    ),
    (step(2, groups=2), "step2.groups is 2; accepted: 1"),
    (step(2, mul=np.ones(4, np.uint16)), "step2.mul is given; accepted: none with max"),
    (step(3, mul=None), "step3.mul dtype is NoneType; accepted: uint16"),
    (step(3, mul=np.ones(5, np.uint16)), r"step3.mul shape is \(5,\); accepted: \(4,\)"),
    # Tables
    (step(4, channel=np.array([6, 0], np.int32)), "step4.channel is 0..6; accepted: 0..5"),
    (step(4, channel=np.array([-1, 0], np.int32)), "step4.channel is -1..0; accepted: 0..5"),
    (step(4, channel=np.zeros(0, np.int32)), "step4.channel is no vector; accepted: int32"),
    (step(4, scale=np.ones(3, np.uint16)), r"step4.scale shape is \(3,\); accepted: \(2,\)"),
    (step(4, segment_bits=0), "step4.segment_bits is 0; accepted: 1..11"),
    (step(4, segment_bits=6), "step4.segment_bits is 6; accepted: 12 - log2"),
    # Gates
    (gate(), "step5 reads no map; accepted: at least one"),
    (gate(*[TERM] * 5), "step5.terms is 5; accepted: 1..4"),
    (gate(TERM, Term(a=0, gain=1)), r"step5 map 0 is \(2, 4, 4\); accepted: \(2, 2, 2\)"),
    (gate(Term(a=5, b=2, gain=1)), r"step5 map 2 is \(2, 4, 4\); accepted: \(2, 2, 2\)"),
    # States
    (state(source=10), "state0.source is 10; accepted: 0..9"),
    (state(source=-1), "state0.source is -1; accepted"),
    (state(source=9), r"state0.source is sums; accepted: a map of codes"),
    (state(source=2), r"state0.source shape is \(2, 4, 4\); accepted: \(2, 2, 2\)"),
    (state(shape=(2, 2)), r"state0.shape is \(2, 2\); accepted: \(C, H, W\), each at least 1"),
    (
        {"variation": same_cells(127)} | step(0, weights=np.full((18, 2), 128, np.int16)),
        "weights magnitude of product 0 is 128; accepted: 0..127, variation.code_max",
    ),
]


def other(changes: dict[str, Any]) -> Program:
    return dataclasses.replace(everything(), **changes)


test_what_breaks_a_rule_is_named = refused(ProgramError, *((other, *row) for row in BAD))


def cut(fields: dict[str, Any]) -> Patches:
    return Patches(**({"shape": (6, 3, 3), "kernel": (1, 1)} | fields))


test_patches_that_cannot_be_cut_are_refused = refused(
    ProgramError,
    (cut, {"kernel": (4, 1)}, r"kernel \(4, 1\) does not fit a map of \(3, 3\); accepted: smaller"),
    (cut, {"kernel": (2, 2), "dilation": (3, 1)}, "kernel .* does not fit"),
    (cut, {"groups": 4}, "groups are 4; accepted: a divisor of the 6 channels"),
    (cut, {"stride": (0, 1)}, "accepted: integers, sizes of at least 1, padding of at least 0"),
    (cut, {"padding": (0, 0, -1, 0)}, "accepted: integers, sizes of at least 1, padding of at least 0"),
    (cut, {"padding": (0, 0)}, "accepted: integers, sizes of at least 1, padding of at least 0"),
    (cut, {"shape": (6, 3.0, 3)}, "accepted: integers, sizes of at least 1, padding of at least 0"),
    (cut, {"kernel": (1,)}, "accepted: integers, sizes of at least 1, padding of at least 0"),
)


def test_tag_follows_all_that_computes() -> None:
    program = everything()
    changes: list[dict[str, Any]] = [
        step(0, shift=1),
        step(1, skip_shift=5),
        step(3, mul=np.full(4, 5, np.uint16)),
        step(4, vshift=3),
        step(5, zero=6),
        state(start=3),
        {"calls": 2},
        {"first_product": 7},
        {"curve_base": np.ones((2, 32), np.int32)},
    ]
    tags = {dataclasses.replace(program, **change).tag for change in changes}
    assert len(tags | {program.tag}) == len(changes) + 1
    assert dataclasses.replace(program, name="other", provenance={}).tag == program.tag
    noisy = dataclasses.replace(program, **step(0, sigma_out=4))
    assert noisy.tag != program.tag
    assert quiet(noisy).tag == program.tag


def test_a_piece_is_one_product_with_its_number() -> None:
    program = everything()
    piece = program.piece(2)
    assert (piece.first_product, piece.is_chain) == (2, True)
    assert piece.layers[0] is program.layers[2]
    with pytest.raises(ProgramError, match="groups of product 0 is 2; accepted: 1"):
        dataclasses.replace(program, **step(0, layer=layer(9, 2), groups=2)).piece(0)

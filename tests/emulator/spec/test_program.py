"""Program files: a round trip that NumPy alone can check, and refusals that name what is wrong."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Layer, Program, ProgramError
from emulator.spec.archive import digest
from emulator.spec.patches import Patches
from emulator.spec.steps import Gate, Pool, Product, State, Step, Table, Term
from tests.random_graphs import random_graph
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
    """One of each kind of step; map 0 is the input, 1 the state, the steps make those from 2 on."""
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


def programs() -> list[Program]:
    graphs = [random_graph(TINY, np.random.default_rng(i)) for i in range(12)]
    chain = random_program(TINY, np.random.default_rng(3))
    return [everything(), chain, dataclasses.replace(chain, variation=same_cells()), *graphs]


def test_round_trip(tmp_path: Path) -> None:
    for program in programs():
        program.save(tmp_path / "a.npz")
        back = Program.load(tmp_path / "a.npz")
        assert back.manifest() == program.manifest()
        assert (back.tag, back.states, back.map_shapes) == (program.tag, program.states, program.map_shapes)
        assert back.arrays().keys() == program.arrays().keys()
        for name, array in program.arrays().items():
            assert back.arrays()[name].dtype == array.dtype
            np.testing.assert_array_equal(back.arrays()[name], array)
        assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_checksum_can_be_recomputed_with_numpy_alone(tmp_path: Path) -> None:
    for program in programs()[:4]:
        program.save(tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
            manifest = json.loads(str(file["manifest"]))
            record = {key: value for key, value in manifest.items() if key != "sha256"}
            digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
            for name in sorted(set(file.files) - {"manifest"}):
                a = file[name]
                little = a.astype(a.dtype.newbyteorder("<"))
                digest.update(f"{name} {a.dtype.name} {a.shape}\n".encode() + little.tobytes())
        assert manifest["sha256"] == digest.hexdigest()
        assert manifest["format"] == "ndrite-program"
        assert manifest["inputs"] == program.inputs


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
BAD: list[tuple[Any, str]] = [
    ({"rows": 12}, "rows is 12; accepted: 8..1024, multiple of 8"),
    ({"rows": 2048}, "rows is 2048; accepted: 8"),
    ({"shape": (2, 4)}, r"shape is \(2, 4\); accepted: \(C, H, W\), from 1"),
    ({"shape": (2, 0, 4)}, r"shape is \(2, 0, 4\); accepted"),
    ({"shape": (2, 1 << 14, 1 << 14)}, "shape is .*; accepted: at most 67108864 codes"),
    ({"calls": 0}, "calls is 0; accepted: 1..65536"),
    ({"calls": 65537}, "calls is 65537; accepted: 1..65536"),
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
    (step(1, sources=()), r"step1.patches shape is \(2, 4, 4\); accepted: of its sources, \(0, 1, 1\)"),
    (step(1, skip=3), "step1 reads map 3; accepted: 0..2"),
    (step(2, sources=()), "step2 reads no map; accepted: at least one"),
    (gate(Term(a=0, b=7, gain=1)), "step5 reads map 7; accepted: 0..6"),
    # Products
    (step(0, sources=(0, 0)), r"step0.patches shape is \(2, 4, 4\); accepted: of its sources, \(4, 4, 4\)"),
    (step(0, shape=(2, 5, 4)), r"step0.patches shape is \(2, 5, 4\); accepted: of its sources"),
    (step(0, kernel=(3, 2)), "step0.inputs is 18; accepted: 12, a patch"),
    (step(0, groups=2), "step0.inputs is 18; accepted: 9, a patch"),
    (step(0, layer=layer(9, 3), groups=2), "step0.outputs is 3; accepted: a multiple of 2, its groups"),
    (step(6, layer=layer(12, 6)), "step6.outputs is 6; accepted: a multiple of 4"),
    (step(6, layer=layer(6, 12), groups=2), "step6.outputs is 12; accepted: a multiple of 8, its groups"),
    (step(6, block=(0, 2)), r"step6.block is \(0, 2\); accepted: two numbers from 1"),
    (step(6, block=(1.0, 2)), r"step6.block is \(1.0, 2\); accepted"),
    (step(0, border=256), "step0.border is 256; accepted: 0..255"),
    (step(0, border=-1), "step0.border is -1; accepted: 0..255"),
    (step(0, fires=False), "step0.fires is False; accepted: true but for the last step"),
    (step(1, skip=1), r"step1.skip shape is \(2, 2, 2\); accepted: \(2, 4, 4\)"),
    (step(1, skip_gain=None), "step1.skip_gain dtype is NoneType; accepted: uint16"),
    (step(1, skip_gain=np.ones(3, np.uint16)), r"step1.skip_gain shape is \(3,\); accepted: \(2,\)"),
    (step(1, skip_gain=np.ones(2, np.int32)), "step1.skip_gain dtype is int32; accepted: uint16"),
    (step(1, skip_shift=48), "step1.skip_shift is 48; accepted: 0..47"),
    (step(1, skip=None), "step1.skip_gain is given; accepted: none without skip"),
    (step(0, skip_shift=1), "step0.skip_shift is 1; accepted: 0, none without skip"),
    (step(0, weights=np.full((18, 2), 256, np.int16)), "step0.weights is 256..256; accepted: -255..255"),
    (step(0, layer=layer(18, 0)), r"step0.weights shape is \(18, 0\); accepted: \(K, M\)"),
    (step(0, weights=np.zeros((18, 2))), "step0.weights dtype is float64; accepted: int16"),
    (step(0, bias=np.zeros(3, np.int32)), r"step0.bias shape is \(3,\); accepted: \(2,\)"),
    (step(0, offset=np.full(2, -2049, np.int16)), "step0.offset is -2049..-2049; accepted: -2048..2047"),
    (step(0, readout="optical"), "step0.readout is optical; accepted: adc or analog"),
    (step(0, dac_bits=3), "step0.dac_bits is 3; accepted: 1, 2, 4 or 8"),
    (step(0, adc_bits=13), "step0.adc_bits is 13; accepted: 4..12"),
    (step(0, shift=48), "step0.shift is 48; accepted: 0..47"),
    (step(0, vshift=-1), "step0.vshift is -1; accepted: 0..47"),
    (step(0, table_bits=13), "step0.table_bits is 13; accepted: 0..12"),
    (step(0, sigma_out=65536), "step0.sigma_out is 65536; accepted: 0..65535"),
    (step(0, var_cell=-1), "step0.var_cell is -1; accepted: 0..65535"),
    (step(0, curve=np.full(2, 2, np.uint16)), "step0.curve is 2; accepted: 0..1"),
    (step(0, segment_bits=8), "step0.segment_bits is 8; accepted: 12 - log2 of the table's 32 segments"),
    (step(7, bias=np.full(3, 2**31 - 1, np.int32)), r"step7 largest \|p\| \+ \|bias\| is .* below 2\^31"),
    (
        # Two tiles of 8 bits, a second operand of (255 * 40000 >> 4) + 1 at most: one too many for 32 bits.
        step(1, bias=np.full(2, 2**31 - 1 - 128 * 2 - 637_500, np.int32)),
        r"step1 largest \|p\| \+ \|bias\| is 2147483648; accepted: below 2\^31",
    ),
    # Pooling
    (step(2, of="median"), "step2.of is median; accepted: max or average"),
    (step(2, shape=(2, 4, 4)), r"step2.patches shape is \(2, 4, 4\); accepted: of its sources, \(4, 4, 4\)"),
    (step(2, groups=2), "step2.groups is 2; accepted: 1"),
    (step(2, border=300), "step2.border is 300; accepted: 0..255"),
    (step(2, mul=np.ones(4, np.uint16)), "step2.mul is given; accepted: none with max"),
    (step(3, mul=None), "step3.mul dtype is NoneType; accepted: uint16"),
    (step(3, mul=np.ones(5, np.uint16)), r"step3.mul shape is \(5,\); accepted: \(4,\)"),
    (step(3, pool_shift=48), "step3.pool_shift is 48; accepted: 0..47"),
    # Tables
    (step(4, channel=np.array([6, 0], np.int32)), "step4.channel is 0..6; accepted: 0..5"),
    (step(4, channel=np.array([-1, 0], np.int32)), "step4.channel is -1..0; accepted: 0..5"),
    (step(4, channel=np.zeros(0, np.int32)), "step4.channel is no vector; accepted: int32"),
    (step(4, offset=np.array([-257, 0], np.int16)), "step4.offset is -257..0; accepted: -256..255"),
    (step(4, scale=np.ones(3, np.uint16)), r"step4.scale shape is \(3,\); accepted: \(2,\)"),
    (step(4, curve=np.array([0, 2], np.uint16)), "step4.curve is 2; accepted: 0..1"),
    (step(4, vshift=48), "step4.vshift is 48; accepted: 0..47"),
    (step(4, table_bits=13), "step4.table_bits is 13; accepted: 0..12"),
    (step(4, segment_bits=0), "step4.segment_bits is 0; accepted: 1..11"),
    (step(4, segment_bits=6), "step4.segment_bits is 6; accepted: 12 - log2"),
    # Gates
    (gate(), "step5 reads no map; accepted: at least one"),
    (gate(*[TERM] * 5), "step5.terms is 5; accepted: 1..4"),
    (gate(TERM, Term(a=0, gain=1)), r"step5 map 0 is \(2, 4, 4\); accepted: \(2, 2, 2\)"),
    (gate(Term(a=5, b=2, gain=1)), r"step5 map 2 is \(2, 4, 4\); accepted: \(2, 2, 2\)"),
    (gate(Term(a=5, gain=65536)), "step5.gain is 65536; accepted: -65535..65535"),
    (gate(Term(a=5, gain=1, a_zero=256)), "step5.a_zero is 256; accepted: 0..255"),
    (gate(Term(a=5, b=5, gain=1, b_zero=-1)), "step5.b_zero is -1; accepted: 0..255"),
    (gate(TERM, gate_shift=48), "step5.gate_shift is 48; accepted: 0..47"),
    (gate(TERM, zero=256), "step5.zero is 256; accepted: 0..255"),
    # States
    (state(source=10), "state0.source is 10; accepted: 0..9"),
    (state(source=-1), "state0.source is -1; accepted"),
    (state(source=2), r"state0.source shape is \(2, 4, 4\); accepted: \(2, 2, 2\)"),
    (state(start=256), "state0.start is 256; accepted: 0..255"),
    (state(shape=(2, 2)), r"state0.shape is \(2, 2\); accepted: \(C, H, W\), from 1"),
    (
        {"variation": same_cells(127)} | step(0, weights=np.full((18, 2), 128, np.int16)),
        "weights magnitude of product 0 is 128; accepted: 0..127, variation.code_max",
    ),
]


@pytest.mark.parametrize(("changes", "words"), BAD, ids=[words for _, words in BAD])
def test_what_breaks_a_rule_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ProgramError, match=words):
        dataclasses.replace(everything(), **changes)


def test_a_state_does_not_take_sums() -> None:
    last = Product(layer=layer(3, 3), sources=(0,), patches=Patches.whole((3, 1, 1)))
    fields: dict[str, Any] = {"name": "x", "rows": 16, "shape": (3, 1, 1)} | CURVES
    fields["states"] = (State(shape=(3, 1, 1), source=2),)
    assert Program(steps=(last,), **fields).map_shapes[2] == (3, 1, 1)
    with pytest.raises(ProgramError, match=r"state0.source is sums; accepted: a map of codes"):
        Program(steps=(dataclasses.replace(last, fires=False),), **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kernel": (4, 1)}, r"kernel \(4, 1\) does not fit a map of \(3, 3\); accepted: smaller"),
        ({"kernel": (2, 2), "dilation": (3, 1)}, "kernel .* does not fit"),
        ({"groups": 4}, "groups are 4; accepted: a divisor of the 6 channels"),
        ({"stride": (0, 1)}, "accepted: positive sizes, padding from 0"),
        ({"padding": (0, 0, -1, 0)}, "accepted: positive sizes, padding from 0"),
        ({"padding": (0, 0)}, "accepted: positive sizes, padding from 0"),
        ({"shape": (6, 3.0, 3)}, "accepted: positive sizes, padding from 0"),
        ({"kernel": (1,)}, "accepted: positive sizes, padding from 0"),
    ],
)
def test_patches_that_cannot_be_cut_are_refused(fields: dict[str, Any], words: str) -> None:
    Patches(shape=(6, 3, 3), kernel=(3, 3))
    with pytest.raises(ProgramError, match=words):
        Patches(**({"shape": (6, 3, 3), "kernel": (1, 1)} | fields))


def rewrite(path: Path, change: Any, *, sealed: bool) -> None:
    """Change the stored arrays and manifest in place; ``sealed``: and the checksum with them."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "manifest"}
        manifest = json.loads(str(file["manifest"]))
    change(manifest, arrays)
    if sealed:
        manifest["sha256"] = digest(manifest, arrays)
    np.savez(path, manifest=np.array(json.dumps(manifest)), **arrays)


def put(where: str, *value: Any) -> Any:
    """A change of the manifest's field at ``where``, keys and numbers between dots; without value it goes."""

    def change(manifest: Any, _: Any) -> None:
        *before, last = [int(word) if word.isdecimal() else word for word in where.split(".")]
        for word in before:
            manifest = manifest[word]
        if value:
            (manifest[last],) = value
        else:
            del manifest[last]

    return change


def edit(name: str, new: Callable[[Any], Any] | None = None) -> Any:
    """A change of an array; without a function it goes."""

    def change(_: Any, arrays: Any) -> None:
        old = arrays.pop(name)
        if new is not None:
            arrays[name] = new(old)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit("step0.weights", lambda a: a ^ 1), "checksum differs"),
        (edit("step1.skip_gain", lambda a: a ^ 1), "checksum differs"),
        (put("steps.0.shift", 1), "checksum differs"),
        (put("steps.0.sigma_out", 1), "checksum differs"),
        (put("steps.0.border", 8), "checksum differs"),
        (put("steps.2.of", "max "), "step2.of is max ; accepted: max or average"),
        (put("steps.5.terms.0.gain", 3), "checksum differs"),
        (put("states.0.start", 3), "checksum differs"),
        (put("calls", 2), "manifest inputs is 96; the steps say 64"),
        (put("first_product", 1), "checksum differs"),
        (put("provenance.seed", 77), "checksum differs"),
        (put("meaning.classes", ["a", "b", "c"]), "checksum differs"),
        (put("meaning.classes", ["a", "b"]), "classes has 2 names; accepted: 3, one an output"),
        (put("meaning"), "manifest is incomplete or mistyped"),
        (put("name", "better"), "checksum differs"),
        (put("note", "checked"), "checksum differs"),
        (put("sha256", None), "checksum differs"),
        (put("sha256"), "checksum differs"),
        (put("format_version", 5), "format is ndrite-program 5; accepted: ndrite-program 4; compile"),
        (put("format", "ndrite-convolution"), "format is ndrite-convolution 4; accepted: ndrite-program 4"),
        (put("provenance", ["seed", 1]), "manifest provenance is .*; accepted: an object"),
        (put("outputs", 4), "manifest outputs is 4; the steps say 3"),
        (edit("step1.bias"), "incomplete or mistyped .'step1.bias'"),
        (edit("step4.channel"), "incomplete or mistyped .'step4.channel'"),
        (edit("step0.weights", lambda a: a + np.int16(255)), r"step0.weights is .*256; accepted: -255..255"),
        (edit("step0.gain", np.float32), "step0.gain dtype is float32; accepted: uint16"),
        (edit("step4.channel", lambda a: a.astype(">i4")), "step4.channel dtype is >i4; accepted: int32"),
        (put("steps.0.kind", "softmax"), "step0.kind is 'softmax'; accepted: product, pool, table, gate"),
        (put("steps.0.inputs", 19), r"step0.weights has shape \(18, 2\); the manifest says \(19, 2\)"),
        (put("steps.0.patches.stride", [0, 1]), "step0: patches are .*; accepted: positive sizes"),
        (put("steps.0.patches.kernel", 3), "manifest is incomplete or mistyped"),
        (put("steps.0.patches.colour", 3), "manifest is incomplete or mistyped"),
        (put("steps.0.patches", None), "manifest is incomplete or mistyped"),
        (put("steps.5.terms.0", 3), "manifest is incomplete or mistyped"),
        (put("steps.0.sources", [[0]]), r"step0 reads map \[0\]; accepted"),
        (put("steps", {}), "steps is empty"),
        (put("steps", 3), "manifest is incomplete or mistyped"),
        (put("shape", 3), "shape is 3; accepted"),
        (put("states.0.shape", "abc"), "state0.shape is abc; accepted"),
        (put("steps.3.pool_shift"), "manifest is incomplete or mistyped .'step3.pool_shift'"),
        (put("steps"), "manifest is incomplete or mistyped .'steps'"),
    ],
)
def test_damaged_file_is_refused_by_name(tmp_path: Path, change: Any, words: str) -> None:
    path = tmp_path / "bad.npz"
    everything().save(path)
    rewrite(path, change, sealed="checksum" not in words)
    with pytest.raises(ProgramError, match=words) as error:
        Program.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_earlier_formats_are_refused_with_the_way_out(tmp_path: Path, version: int) -> None:
    path = tmp_path / "old.npz"
    kind = {"format": "ndrite-program"} if version == 3 else {}
    manifest = {"format_version": version, "name": "x", "inputs": 3, "rows": 16, "layers": [], **kind}
    np.savez(path, manifest=np.array(json.dumps(manifest)), **{"layer0.weights": np.ones((3, 1), np.int16)})
    with pytest.raises(ProgramError) as error:
        Program.load(path)
    name = kind.get("format")
    told = f"format is {name} {version}; accepted: ndrite-program 4; compile the network again"
    assert str(error.value) == f"{path}: {told}"


def test_the_program_is_found_in_a_file_that_holds_more(tmp_path: Path) -> None:
    """And the archive inside is judged by the same limits."""
    import zipfile

    program = everything()
    program.save(tmp_path / "program.npz")
    with zipfile.ZipFile(tmp_path / "whole", "w") as whole:
        whole.write(tmp_path / "program.npz", "program.npz")
        whole.writestr("samples.npy", b"not looked at")
    assert Program.load(tmp_path / "whole").checksum() == program.checksum()
    with zipfile.ZipFile(tmp_path / "torn", "w") as torn:
        torn.writestr("program.npz", (tmp_path / "program.npz").read_bytes()[:-30])
    with pytest.raises(ProgramError, match=r"torn: not an archive|torn: not a program"):
        Program.load(tmp_path / "torn")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    with pytest.raises(FileNotFoundError, match="no such program file"):
        Program.load(path)
    for content in (b"", b"not a zip", b"PK\x03\x04 cut short"):
        path.write_bytes(content)
        with pytest.raises(ProgramError, match=r"other\.npz: not a program file"):
            Program.load(path)
    np.savez(path, manifest=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ProgramError, match=r"other\.npz"):
        Program.load(path)


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

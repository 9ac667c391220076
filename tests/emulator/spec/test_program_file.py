"""Program files: a round trip that NumPy alone can check, and refusals that
name what is damaged."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.spec import Program, ProgramError
from ndrite.emulator.spec.archive import digest
from tests.emulator.spec.test_program import TINY, everything
from tests.random_graphs import random_graph
from tests.stimulus import same_cells


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


def rewrite(path: Path, change: Any, *, sealed: bool) -> None:
    """Change the stored arrays and manifest in place; ``sealed``: and the
    checksum with them."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "manifest"}
        manifest = json.loads(str(file["manifest"]))
    change(manifest, arrays)
    if sealed:
        manifest["sha256"] = digest(manifest, arrays)
    np.savez(path, manifest=np.array(json.dumps(manifest)), **arrays)


def put(where: str, *value: Any) -> Any:
    """A change of the manifest's field at ``where``, keys and numbers between dots;
    without value it goes."""

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


OTHER = {"steps.0.shift": 1, "steps.0.sigma_out": 1, "steps.0.border": 8, "steps.5.terms.0.gain": 3}
OTHER |= {"states.0.start": 3, "first_product": 1, "provenance.seed": 77, "name": "better", "note": "checked"}
OTHER |= {"meaning.classes": ["a", "b", "c"], "sha256": None}
"""Fields of the manifest, and what they may be but are not."""
MISTYPED = {"steps.0.patches.kernel": 3, "steps.0.patches.colour": 3, "steps.0.patches": None, "steps": 3}
MISTYPED |= {"steps.5.terms.0": 3}


MEANINGS: list[tuple[Any, str]] = [
    (3, "meaning is 3; accepted: an object"),
    ({"mood": 1}, "meaning.mood is not a field; accepted: inputs, input_unit"),
    ({"inputs": 3}, "input range is 3"),
    ({"inputs": {"low": "a", "high": [1]}}, "accepted: low and high"),
    ({"inputs": {"low": [], "high": []}}, "accepted: "),
    ({"classes": ["a", 3]}, r"classes\[1\] is 3"),
    ({"classes": ["a"]}, "classes has 1 names; accepted: 3"),
    ({"output_step": -1.0}, "output_step is -1.0"),
    ({"data_set": ["digits"]}, "data_set is"),
    ({"output_unit": "a\u001b[2J"}, "output_unit is"),
]
"""What a program's numbers do not mean."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((put(where, value), "checksum differs") for where, value in OTHER.items()),
        *((edit(name, lambda a: a ^ 1), "checksum differs") for name in ("step0.weights", "step1.skip_gain")),
        *((put(where, value), "missing or has the wrong type") for where, value in MISTYPED.items()),
        *(
            (put(where), "missing or has the wrong type")
            for where in ("steps.3.pool_shift", "steps", "meaning")
        ),
        (put("steps.2.of", "max "), "step2.of is max ; accepted: max or average"),
        (put("calls", 2), "manifest inputs is 96; accepted: 64"),
        *((put("meaning", content), words) for content, words in MEANINGS),
        (put("sha256"), "checksum differs"),
        (put("format_version", 4), "format is ndrite-program 4; accepted: ndrite-program 5; compile"),
        (put("format"), "format is None 5; accepted: ndrite-program 5; compile the network again"),
        (put("format", "ndrite-convolution"), "format is ndrite-convolution 5; accepted: ndrite-program 5"),
        (put("provenance", ["seed", 1]), "manifest provenance is .*; accepted: an object"),
        (put("outputs", 4), "manifest outputs is 4; accepted: 3"),
        (edit("step1.bias"), "missing or has the wrong type .'step1.bias'"),
        (edit("step4.channel"), "missing or has the wrong type .'step4.channel'"),
        (edit("step0.weights", lambda a: a + np.int16(255)), r"step0.weights is .*256; accepted: -255..255"),
        (edit("step0.gain", np.float32), "step0.gain dtype is float32; accepted: uint16"),
        (edit("step4.channel", lambda a: a.astype(">i4")), "step4.channel dtype is >i4; accepted: int32"),
        (put("steps.0.kind", "softmax"), "step0.kind is 'softmax'; accepted: product, pool, table, gate"),
        (put("steps.0.inputs", 19), r"step0.weights has shape \(18, 2\); the manifest says \(19, 2\)"),
        (
            put("steps.0.patches.stride", [0, 1]),
            "step0: patches are .*; accepted: integers, sizes of at least 1, padding of at least 0",
        ),
        (put("steps.0.sources", [[0]]), r"step0 reads map \[0\]; accepted"),
        (put("steps", {}), "steps is empty"),
        (put("shape", 3), "shape is 3; accepted"),
        (put("states.0.shape", "abc"), "state0.shape is abc; accepted"),
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

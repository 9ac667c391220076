"""Chip image files: a round trip that NumPy alone can check, and refusals that name what is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program, ProgramError


@pytest.fixture
def image() -> Program:
    return random_program(PRESETS["tiny"], np.random.default_rng(3), layers=2, readout="adc")


def test_round_trip(image: Program, tmp_path: Path) -> None:
    image.save(tmp_path / "a.npz")
    back = Program.load(tmp_path / "a.npz")
    assert back.manifest() == image.manifest()
    assert back.tag == image.tag
    for name, array in image.arrays().items():
        assert back.arrays()[name].dtype == array.dtype
        np.testing.assert_array_equal(back.arrays()[name], array)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_checksum_can_be_recomputed_with_numpy_alone(image: Program, tmp_path: Path) -> None:
    image.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        manifest = json.loads(str(file["manifest"]))
        record = {key: value for key, value in manifest.items() if key != "sha256"}
        digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
        for name in sorted(set(file.files) - {"manifest"}):
            a = file[name]
            digest.update(
                f"{name} {a.dtype.name} {a.shape}\n".encode() + a.astype(a.dtype.newbyteorder("<")).tobytes()
            )
    assert manifest["sha256"] == digest.hexdigest()
    assert manifest["layers"][0]["inputs"] == image.inputs


def rewrite(path: Path, change: Any) -> None:
    """Change the stored arrays and manifest in place."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "manifest"}
        manifest = json.loads(str(file["manifest"]))
    change(manifest, arrays)
    np.savez(path, manifest=np.array(json.dumps(manifest)), **arrays)


def corrupt_weight(_: Any, arrays: Any) -> None:
    arrays["layer0.weights"][0, 0] ^= 1


def drop_bias(_: Any, arrays: Any) -> None:
    del arrays["layer1.bias"]


def old_version(manifest: Any, _: Any) -> None:
    manifest["format_version"] = 0


def wide_weight(_: Any, arrays: Any) -> None:
    arrays["layer0.weights"][0, 0] = 256


def float_gain(_: Any, arrays: Any) -> None:
    arrays["layer0.gain"] = arrays["layer0.gain"].astype(np.float32)


def other_shift(manifest: Any, _: Any) -> None:
    manifest["layers"][0]["shift"] ^= 1


def other_noise(manifest: Any, _: Any) -> None:
    manifest["layers"][0]["sigma_out"] += 1


def other_seed(manifest: Any, _: Any) -> None:
    manifest["provenance"]["seed"] = 77


def other_name(manifest: Any, _: Any) -> None:
    manifest["name"] = "better"


def more_fields(manifest: Any, _: Any) -> None:
    manifest["note"] = "checked"


def listed_provenance(manifest: Any, _: Any) -> None:
    manifest["provenance"] = ["seed", 1]


def format_1(manifest: Any, _: Any) -> None:
    manifest["format_version"] = 1


def odd_dac(manifest: Any, _: Any) -> None:
    manifest["layers"][0]["dac_bits"] = 3


def adc_13(manifest: Any, _: Any) -> None:
    manifest["layers"][0]["adc_bits"] = 13


def no_layers(manifest: Any, _: Any) -> None:
    del manifest["layers"]


def wrong_shape(manifest: Any, _: Any) -> None:
    manifest["layers"][0]["inputs"] += 1


def wrong_readout(manifest: Any, _: Any) -> None:
    manifest["layers"][0]["readout"] = "optical"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (corrupt_weight, "checksum differs"),
        (drop_bias, "layer1.bias is missing"),
        (old_version, "format_version is 0; accepted: 2"),
        (format_1, "format_version is 1; accepted: 2; compile the network again"),
        (other_shift, "checksum differs"),
        (other_noise, "checksum differs"),
        (other_seed, "checksum differs"),
        (other_name, "checksum differs"),
        (more_fields, "checksum differs"),
        (listed_provenance, "manifest provenance is .*; accepted: an object"),
        (wide_weight, r"layer0.weights is .*256; accepted: -255..255"),
        (float_gain, "layer0.gain has dtype float32; accepted: uint16"),
        (odd_dac, "layer0.dac_bits is 3; accepted: 1, 2, 4 or 8"),
        (adc_13, "layer0.adc_bits is 13; accepted: 4..12"),
        (no_layers, "manifest is incomplete"),
        (wrong_shape, "layer0.weights has shape"),
        (wrong_readout, "layer0.readout is optical; accepted: adc or analog"),
    ],
)
def test_damaged_file_is_refused_by_name(image: Program, tmp_path: Path, change: Any, words: str) -> None:
    path = tmp_path / "bad.npz"
    image.save(path)
    rewrite(path, change)
    with pytest.raises(ProgramError, match=words) as error:
        Program.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ProgramError, match=r"other\.npz: not a chip image"):
        Program.load(path)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, manifest=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ProgramError, match=r"evil\.npz"):
        Program.load(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such chip image"):
        Program.load(tmp_path / "none.npz")


def test_partial_sums_that_could_overflow_are_refused() -> None:
    image = random_program(PRESETS["tiny"], np.random.default_rng(3), layers=1)
    layer = image.layers[0]
    with pytest.raises(ProgramError, match="below 2\\^31"):
        image.with_layers((dataclasses.replace(layer, bias=np.full(layer.outputs, 2**31 - 1, np.int32)),)
        )


def test_tag_follows_scalars_and_arrays(image: Program) -> None:
    other = dataclasses.replace(image.layers[0], shift=image.layers[0].shift ^ 1)
    assert image.with_layers((other, *image.layers[1:])).tag != image.tag
    assert image.without_noise().tag != image.tag or not any(
        la.sigma_out or la.var_cell for la in image.layers
    )

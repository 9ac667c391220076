"""Convolutions: patches, blocks, compiling, files; and the whole against a plain float convolution."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate2d

from emulator.convolution import ConvImage, compile_convolutional
from emulator.convolution.block import best_block, blocked, unblocked
from emulator.errors import NetworkError
from emulator.golden import Core
from emulator.network import (
    Conv,
    ConvNetwork,
    Dense,
    Named,
    Network,
    Patches,
    Pool,
    load_any_network,
    load_network,
)
from emulator.spec import ProgramError


def plain(
    x: np.ndarray, kernels: np.ndarray, stride: tuple[int, int], padding: tuple[int, ...]
) -> np.ndarray:
    """Correlation map by map, kernels (M, C, kh, kw)."""
    top, left, bottom, right = padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    maps = [
        [sum(correlate2d(c, k, "valid") for c, k in zip(image, kernel, strict=True)) for kernel in kernels]
        for image in x
    ]
    return np.array(maps)[:, :, :: stride[0], :: stride[1]]


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 2, 0, 1)])
def test_patches_give_the_convolution(stride: tuple[int, int], padding: tuple[int, int, int, int]) -> None:
    rng = np.random.default_rng(0)
    x, kernels = rng.normal(size=(2, 3, 9, 8)), rng.normal(size=(4, 3, 3, 2))
    patches = Patches(shape=(3, 9, 8), kernel=(3, 2), stride=stride, padding=padding)
    y = patches.place(patches.cut(x) @ kernels.reshape(4, -1).T)
    np.testing.assert_allclose(y, plain(x, kernels, stride, padding), atol=1e-12)


@pytest.mark.parametrize(
    ("block", "stride", "padding"),
    [
        ((2, 2), (1, 1), (0, 0, 0, 0)),
        ((1, 4), (1, 1), (1, 1, 1, 1)),
        ((2, 4), (2, 2), (0, 0, 0, 0)),
        ((4, 2), (2, 1), (1, 0, 1, 1)),
    ],
)
def test_a_block_gives_what_its_positions_give(
    block: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> None:
    rng = np.random.default_rng(1)
    height, width = 7 * stride[0] + 3 - padding[0] - padding[2], 7 * stride[1] + 2 - padding[1] - padding[3]
    patches = Patches(shape=(2, height, width), kernel=(3, 2), stride=stride, padding=padding)
    assert patches.grid == (8, 8)
    dense = Dense(rng.normal(size=(12, 3)), rng.normal(size=3), Named("relu"))
    x = rng.integers(0, 256, (4, 2, height, width)).astype(np.uint8)
    wide, cut = blocked(dense, patches, block)
    assert cut.positions * block[0] * block[1] == patches.positions
    z = cut.cut(x[:, :, : cut.shape[1], : cut.shape[2]]) @ wide.weights + wide.bias
    single = patches.place(patches.cut(x) @ dense.weights + dense.bias)
    np.testing.assert_allclose(unblocked(z, patches.grid, block), single, rtol=1e-4, atol=1e-2)


def test_the_best_block_fills_the_lanes() -> None:
    dense = Dense(np.ones((25, 6)), np.zeros(6), Named("relu"))
    patches = Patches(shape=(1, 32, 32), kernel=(5, 5))
    assert best_block(dense, patches, 6) == (1, 1)
    rows, columns = best_block(dense, patches, 64)
    assert 6 * rows * columns <= 64
    assert (5 + rows - 1) * (5 + columns - 1) / (rows * columns) < 25 / 4


@pytest.fixture(scope="module")
def network() -> ConvNetwork:
    """1 x 10 x 10, 4 kernels and average pooling, 6 kernels and max pooling, 5 outputs."""
    rng = np.random.default_rng(2)

    def layer(inputs: int, outputs: int) -> Dense:
        return Dense(
            rng.normal(size=(inputs, outputs)) / np.sqrt(inputs),
            rng.normal(size=outputs) * 0.1,
            Named("relu"),
        )

    first = Conv(
        Patches(shape=(1, 10, 10), kernel=(3, 3), padding=(1, 1, 1, 1)),
        layer(9, 4),
        Pool(kind="average", kernel=(2, 2), stride=(2, 2)),
    )
    second = Conv(
        Patches(shape=(4, 5, 5), kernel=(2, 2)), layer(16, 6), Pool(kind="max", kernel=(2, 2), stride=(2, 2))
    )
    tail = Network.chain((layer(24, 10), Dense(rng.normal(size=(10, 5)), rng.normal(size=5))))
    return ConvNetwork((first, second), tail, "small", {"seed": 2})


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (40, 100)).astype(np.uint8)


def golden(image: ConvImage, x: np.ndarray, first_index: int = 0) -> np.ndarray:
    return image.run(
        lambda part, codes, index: Core(part).infer(codes, seed=5, first_index=index),
        x,
        first_index=first_index,
    )


@pytest.mark.parametrize("lanes", [None, 16])
def test_compiled_for_the_ideal_chip_it_follows_the_floats(
    network: ConvNetwork, x: np.ndarray, lanes: int | None
) -> None:
    compiled = compile_convolutional(network, "ideal", x, lanes=lanes)
    assert ([stage.block for stage in compiled.image.stages] == [(1, 1), (1, 1)]) == (lanes is None)
    wanted = network.forward(x / np.float32(255))
    y = golden(compiled.image, x) * compiled.tail.details[-1].step
    assert np.sqrt(np.square(y - wanted).mean()) < 0.03 * wanted.std()


def test_an_inference_does_not_depend_on_what_ran_before(network: ConvNetwork, x: np.ndarray) -> None:
    image = compile_convolutional(network, "wan2022", x).image
    together = golden(image, x[:6])
    np.testing.assert_array_equal(golden(image, x[4:6], first_index=4), together[4:6])
    assert (golden(image, x[4:6]) != together[4:6]).any(), "read noise is off"


def _edited(source: Path, target: Path, change: dict[str, object]) -> None:
    """Rewrite the first stage's entry in the file, as someone with an editor would."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename == "program.json":
                manifest = json.loads(content)
                stage = manifest["stages"][0]
                for key, value in change.items():
                    (stage if key in stage else stage["patches"])[key] = value
                content = json.dumps(manifest).encode()
            new.writestr(item.filename, content)


def test_files(network: ConvNetwork, x: np.ndarray, tmp_path: Path) -> None:
    network.save(tmp_path / "float.npz")
    again = load_any_network(tmp_path / "float.npz")
    np.testing.assert_array_equal(again.forward(x / 255), network.forward(x / 255))
    with pytest.raises(NetworkError, match="convolutional network; accepted here"):
        load_network(tmp_path / "float.npz")
    image = compile_convolutional(network, "wan2022", x, lanes=16).image
    image.save(tmp_path / "image.zip")
    loaded = ConvImage.load(tmp_path / "image.zip")
    np.testing.assert_array_equal(golden(loaded, x), golden(image, x))
    assert loaded.bound_cycles(16) == image.bound_cycles(16)
    for change in ({"pad": 9}, {"stride": [1, 2]}):
        _edited(tmp_path / "image.zip", tmp_path / "other.zip", change)
        with pytest.raises(ProgramError, match=r"other.zip: checksum differs: program.json"):
            ConvImage.load(tmp_path / "other.zip")
    (tmp_path / "image.zip").write_bytes(b"PK nothing")
    with pytest.raises(ProgramError, match=r"image.zip: not a convolutional image"):
        ConvImage.load(tmp_path / "image.zip")


def test_the_bound_counts_every_patch_of_every_programmed_layer(network: ConvNetwork, x: np.ndarray) -> None:
    image = compile_convolutional(network, "ideal", x).image
    assert image.bound_cycles(4) == 100 * 9 * 1 + 16 * 16 * 2 + 24 * 3 + 10 * 2


def test_refusals(network: ConvNetwork, x: np.ndarray) -> None:
    with pytest.raises(NetworkError, match="does not fit a map"):
        Patches(shape=(1, 3, 3), kernel=(5, 5))
    with pytest.raises(NetworkError, match="convolution 1 takes"):
        ConvNetwork((network.stages[0], network.stages[0]), network.tail)
    with pytest.raises(NetworkError, match="first full layer takes 24 inputs"):
        ConvNetwork(network.stages[:1], network.tail)
    with pytest.raises(ProgramError, match=r"accepted: uint8 \(n, 100\)"):
        golden(compile_convolutional(network, "ideal", x).image, x[:, :99])

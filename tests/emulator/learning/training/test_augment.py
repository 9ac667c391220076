"""Augmented images are the images: shifted, mirrored, or as they are, in the shares that are said."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emulator.learning.training.loop import Augment  # noqa: E402

SIDE, COUNT = 6, 4000


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("flip", [False, True])
def test_every_program_is_one_of_the_shifted_and_mirrored(shift: int, flip: bool) -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 1, (3, SIDE, SIDE)).astype(np.float32)
    wanted = {}
    reach = range(-shift, shift + 1)
    for i, program in enumerate(images):
        for mirrored in (False, True) if flip else (False,):
            for down, right in ((d, r) for d in reach for r in reach):
                moved = np.pad(program, shift)[shift + down :, shift + right :][:SIDE, :SIDE]
                held = np.zeros((SIDE, SIDE), np.float32)
                held[: moved.shape[0], : moved.shape[1]] = moved
                wanted[(held[:, ::-1] if mirrored else held).tobytes()] = (i, mirrored, down, right)
    assert len(wanted) == 3 * (1 + flip) * (2 * shift + 1) ** 2
    generator = torch.Generator().manual_seed(1)
    augment = Augment(torch.from_numpy(images).reshape(3, -1), SIDE, generator, shift=shift, flip=flip)
    rows = torch.from_numpy(rng.integers(0, 3, COUNT))
    found = [wanted[y.tobytes()] for y in augment.batch(rows).numpy().reshape(-1, SIDE, SIDE)]
    assert [f[0] for f in found] == rows.tolist()
    still = np.mean([f[2:] == (0, 0) for f in found])
    assert still == pytest.approx(0.5 + 0.5 / (2 * shift + 1) ** 2, abs=0.03)
    assert np.mean([f[1] for f in found]) == pytest.approx(0.5 * flip, abs=0.03)

"""Images of another world than the one that a network was trained in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import rotate

Images = npt.NDArray[np.uint8]

DARK, NOISY, TURNED, MOVED = (
    "half as bright",
    "noise of 40 grey values",
    "rotated by 15 degrees",
    "shifted by 2 pixels",
)


def changed(images: Images, task: str, seed: int) -> Images:
    """Images uint8 (n, 784) of another task."""
    square = images.reshape(-1, 28, 28)
    if task == DARK:
        return images // 2
    if task == MOVED:
        moved = np.zeros_like(square)
        moved[:, :, 2:] = square[:, :, :-2]
        return moved.reshape(len(images), -1)
    if task == TURNED:
        turned: Images = rotate(square, 15, axes=(2, 1), reshape=False, order=1)
        return turned.reshape(len(images), -1)
    if task == NOISY:
        noise = np.random.default_rng(seed).normal(0, 40, images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)
    return images

"""What ships with the package, loaded: the trained network, its chip image, the images it is judged on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator import zoo
from emulator.network import Network, load_network
from emulator.spec import ChipImage
from host import InputError

CALIBRATION_SAMPLES = 512
"""First test images, which set converter ranges where the user gives no samples (no training images ship)."""


def shipped_image() -> ChipImage:
    """The compiled Fashion-MNIST network (784-128-10, NDR neurons)."""
    return ChipImage.load(zoo.image())


def shipped_network() -> Network:
    """The float network it was compiled from."""
    return load_network(zoo.float_network())


def labelled_images(inputs: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The 10,000 shipped Fashion-MNIST test images uint8 (10000, 784) and labels uint8 (10000,).

    Raises
    ------
    InputError
        When the network takes another number of inputs.
    """
    from emulator.datasets import fashion_mnist_test

    images, labels = fashion_mnist_test()
    if images.shape[1] != inputs:
        raise InputError(
            f"the shipped test images have {images.shape[1]} pixels; this network takes {inputs} inputs"
        )
    return images, labels


def calibration_split(
    x: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], images: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Samples to calibrate with, and the next ``images`` images with their labels to measure on."""
    measured = slice(CALIBRATION_SAMPLES, CALIBRATION_SAMPLES + images)
    return x[:CALIBRATION_SAMPLES], x[measured], labels[measured]

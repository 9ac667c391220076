"""What every peer does, and how it is timed: 784-128-10, C chips x N images, one
thread. Prints JSON.

    python work.py WEIGHTS.npz --images 1000 --chips 20

``WEIGHTS.npz`` holds w0 (784, 128), w1 (128, 10) and x float32 (N, 784) in 0..1. For
each chip new programming error, for each image new read noise, 8-bit converters where
the peer has them.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

READ_NOISE = 0.01
PROGRAMMING_ERROR = 0.04
TILE = 128


def run(name: str, make_chip: Callable[[Any, Any], Callable[[Any], Any]]) -> None:
    """Time ``make_chip(w0, w1)`` together with its inference of all images, for each
    chip; print the best of three rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--chips", type=int, default=20)
    options = parser.parse_args()
    data = np.load(options.weights)
    x = data["x"][: options.images]
    make_chip(data["w0"], data["w1"])(x)  # warm up
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(options.chips):
            out = make_chip(data["w0"], data["w1"])(x)
            assert np.shape(out) == (len(x), 10)
        rounds.append(time.perf_counter() - start)
    print(json.dumps({"peer": name, "chips": options.chips, "images": len(x), "seconds": min(rounds)}))

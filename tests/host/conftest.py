"""A small program and its device double."""

import numpy as np
import pytest

from emulator.spec import PRESETS, Layer, Program


@pytest.fixture(scope="session")
def program() -> Program:
    """20-6-3 for the tiny geometry, with read noise."""
    rng = np.random.default_rng(5)

    def layer(k: int, m: int) -> Layer:
        return Layer(
            weights=rng.integers(-255, 256, (k, m)).astype(np.int16),
            bias=rng.integers(-500, 500, m).astype(np.int32),
            gain=rng.integers(1 << 14, 1 << 16, m).astype(np.uint16),
            offset=rng.integers(-20, 20, m).astype(np.int16),
            scale=rng.integers(1 << 14, 1 << 16, m).astype(np.uint16),
            curve=rng.integers(0, 3, m).astype(np.uint16),
            shift=24,
            vshift=12,
            sigma_out=900,
        )

    tables = rng.integers(-(1 << 14), 1 << 14, (2, 3, 32)).astype(np.int32)
    return Program.chain(
        name="small",
        rows=PRESETS["tiny"].rows,
        layers=(layer(20, 6), layer(6, 3)),
        curve_base=tables[0],
        curve_slope=tables[1],
    )


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    """uint8 (12, 20)."""
    return np.random.default_rng(6).integers(0, 256, (12, 20)).astype(np.uint8)

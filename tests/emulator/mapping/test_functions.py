"""Tables of functions of codes: a kink costs them little, wherever it lies, and what is computed is what was
asked."""

from __future__ import annotations

import numpy as np
import pytest

from emulator.device.ndr.curves import tunnel
from emulator.device.ndr.pwl import fit_pwl
from emulator.golden import Core
from emulator.mapping.functions import placed
from emulator.spec import Program
from emulator.spec.steps import Table

X = np.arange(256)


def computed(values: np.ndarray, segments: int = 32) -> np.ndarray:
    """What the golden model makes of every code, (Q, 256)."""
    offset, scale, wanted = placed(values, segments)
    table = fit_pwl(wanted, segments=segments)
    count = len(values)
    step = Table(
        sources=(0,),
        channel=np.zeros(count, np.int32),
        offset=offset,
        scale=scale,
        curve=np.arange(count).astype(np.uint16),
        segment_bits=table.segment_bits,
        table_bits=table.table_bits,
    )
    program = Program(
        name="t", rows=128, shape=(1, 1, 1), steps=(step,), curve_base=table.base, curve_slope=table.slope
    )
    return Core(program).infer(X.astype(np.uint8)[:, None]).T


def test_a_kink_costs_little_wherever_it_lies() -> None:
    """A device that is off below code ``k``, rises 12 steps a code at most and falls again."""
    kinks = np.arange(0.0, 200.0, 3.37)
    values = 255 * tunnel(5.0 * (X / 255 - kinks[:, None] / 255))
    error = np.abs(computed(values) - values).max(axis=1)
    assert error.max() < 6
    assert error.mean() < 2.8
    # Without moving the codes: a kink in the middle of a segment of 8 codes.
    v = np.arange(4096) / 16
    plain = fit_pwl(np.array([np.interp(v, X, row) for row in values])).evaluate()[:, ::16]
    assert np.abs(plain - values).max() > 10


def test_a_smooth_function_keeps_the_whole_table() -> None:
    values = 127.5 * (1 + np.sin(X[None] / 40))
    offset, scale, _ = placed(values, 32)
    assert (offset[0], scale[0]) == (-128, 16)
    assert np.abs(computed(values) - values).max() < 1.0


def test_every_code_stays_inside_the_table() -> None:
    kinks = np.arange(-20.0, 280.0)
    values = np.clip(9.0 * (X - kinks[:, None]), 0, 255)
    offset, scale, _ = placed(values, 32)
    voltage = (X + offset[:, None].astype(int)) * scale[:, None].astype(int)
    assert voltage.min() >= -2048
    assert voltage.max() <= 2047
    assert set(scale.tolist()) == {15, 16}


@pytest.mark.parametrize("segments", [8, 32, 64])
def test_straight_lines_are_exact(segments: int) -> None:
    values = np.array([X * 1.0, 255.0 - X, np.full(256, 77.0)])
    np.testing.assert_array_equal(computed(values, segments), values)

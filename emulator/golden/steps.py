"""steps: the steps of a program other than matrix products, on maps of codes (n, C, H, W)."""

import numpy as np

from ndrite.emulator.golden.neuron import look_up
from ndrite.emulator.spec.arithmetic import INPUT_MAX, V_MAX, V_MIN, Codes, IntArray, Ints, clip, rshift_round
from ndrite.emulator.spec.flow import filled
from ndrite.emulator.spec.steps import Gate, Pool, Product, Table


def second_operand(step: Product, skip: Codes) -> Ints:
    """Return the term that a matrix product's second operand adds to the sums z, (n,
    positions, M): rshift_round(r * skip_gain, skip_shift), where r are the codes of
    the map ``skip``."""
    assert step.skip_gain is not None
    r = step.patches.gather(skip, step.block).astype(np.int64)
    return rshift_round(r * step.skip_gain.astype(np.int64), step.skip_shift)


def pool(step: Pool, x: Codes) -> Codes:
    """Return the pooled map of x: the largest code of each window, or its average
    clip(rshift_round(sum * mul, shift), 0, 255). Each result is repeated over a block
    of output positions."""
    windows = step.patches.windows(x, step.border)
    if step.of == "max":
        return filled(windows.max(axis=(4, 5)), step.block)
    assert step.mul is not None
    total = windows.sum(axis=(4, 5), dtype=np.int64)
    mul = step.mul.astype(np.int64).reshape(step.patches.grid)
    averages: Codes = clip(rshift_round(total * mul, step.pool_shift), 0, INPUT_MAX).astype(np.uint8)
    return filled(averages, step.block)


def table(step: Table, x: Codes, curve_base: IntArray, curve_slope: IntArray) -> Codes:
    """Return the result of a lookup-table step: channel e is the curve ``curve[e]`` at
    v = clip(rshift_round((x + offset) * scale, vshift), -2048, 2047), where x is input
    channel ``channel[e]``."""
    picked = x[:, step.channel].astype(np.int64)
    offset, scale = (a.astype(np.int64)[:, None, None] for a in (step.offset, step.scale))
    v = clip(rshift_round((picked + offset) * scale, step.vshift), V_MIN, V_MAX)
    curve = step.curve.astype(np.int64)[:, None, None]
    return look_up(v, curve, curve_base, curve_slope, step.segment_bits, step.table_bits)


def gate(step: Gate, maps: dict[int, Codes] | list[Codes]) -> Codes:
    """Return the result of a gate step: clip(rshift_round(sum of (a - a_zero) * (b -
    b_zero) * gain, shift) + zero, 0, 255), summed over the terms; a term without map b
    has no second factor."""
    total: Ints = np.zeros(maps[step.terms[0].a].shape, np.int64)
    for term in step.terms:
        value = (maps[term.a].astype(np.int64) - term.a_zero) * term.gain
        if term.b is not None:
            value = value * (maps[term.b].astype(np.int64) - term.b_zero)
        total = total + value
    y = clip(rshift_round(total, step.gate_shift) + step.zero, 0, INPUT_MAX)
    codes: Codes = y.astype(np.uint8)
    return codes

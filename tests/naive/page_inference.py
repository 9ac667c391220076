"""Inference as docs/arithmetic.md states it, in plain Python; shares nothing with the product.

First written from the page alone; what had to be guessed was corrected from the code
and added to the page. A fact that is needed here and is not on the page is a fault of
the page. A program is the dictionary that ``unpacked`` builds from a program file's
manifest and arrays.
"""

import functools
import math
from statistics import NormalDist
from typing import Any

import numpy as np

READ, CELL = 0x6E647274, 0x63656C6C
MASK16, MASK32 = 0xFFFF, 0xFFFFFFFF
Key = tuple[int, int, int, int]
Map = Any
"""Codes as a NumPy array of Python integers (C, H, W)."""


def rshift_round(v: int, s: int) -> int:
    return v + (1 << s >> 1) >> s


def clip(v: int, low: int, high: int) -> int:
    return max(low, min(high, v))


def unpacked(manifest: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """The manifest with every array in the step that it belongs to."""

    def of(prefix: str) -> dict[str, Any]:
        names = [name for name in arrays if name.startswith(prefix + ".")]
        return {name.removeprefix(prefix + "."): arrays[name].tolist() for name in names}

    steps = [step | of(f"step{i}") for i, step in enumerate(manifest["steps"])]
    program = manifest | {"steps": steps, "curves": of("curves")}
    return (
        program | {"variation": manifest["variation"] | of("variation")}
        if "variation" in manifest
        else program
    )


# Random words.


@functools.cache
def key_of(seed: int, domain: int, stream: int, counter: int, index: int) -> Key:
    """Speck64/128 of (counter, index) under (seed, domain, stream): four words, least
    significant first."""
    key, others, round_keys = seed & MASK32, [seed >> 32, domain, stream], []
    for i in range(27):
        round_keys.append(key)
        first = others.pop(0)
        others.append(((first >> 8 | first << 24) + key & MASK32) ^ i)
        key = ((key << 3 | key >> 29) & MASK32) ^ others[-1]
    x, y = counter, index & MASK32
    for key in round_keys:
        x = ((x >> 8 | x << 24 & MASK32) + y & MASK32) ^ key
        y = ((y << 3 | y >> 29) & MASK32) ^ x
    return y & MASK16, y >> 16, x & MASK16, x >> 16


@functools.cache
def word(key: Key, row: int, column: int) -> tuple[int, int]:
    """High and low half of the word of a row and a column."""
    x, y = column, row ^ key[3]
    for i in range(7):
        x = ((x >> 7 | x << 9 & MASK16) + y & MASK16) ^ key[i % 4] ^ i
        y = ((y << 2 | y >> 14) & MASK16) ^ x
    return x, y


@functools.cache
def quantiles() -> list[int]:
    q = [NormalDist().inv_cdf(0.5 + (i + 0.5) / 1024) for i in range(512)]
    scale = 256 / math.sqrt(2 * sum(v * v for v in q) / 512)
    return [round(v * scale) for v in q]


def gaussian(x: int, y: int) -> int:
    """The sample in the low 20 bits of a word."""
    bits = x << 16 | y
    entries = bits & 1023, bits >> 10 & 1023
    return sum(quantiles()[entry & 511] * (-1 if entry >> 9 else 1) for entry in entries)


def noise_scale(sigma: int, variance: int, energy: int) -> int:
    return min(65535, math.isqrt(sigma * sigma + (variance * energy >> 8)))


# A layer.


def partial_sums(
    x: list[int],
    layer: dict[str, Any],
    rows: int,
    columns: range,
    number: int,
    draw: tuple[int, int, int] | None,
) -> list[int]:
    """p of some columns for one patch; ``draw``: seed, stream and inference field
    of the read noise."""
    d, p = layer["dac_bits"], [0] * len(columns)
    height = rows if layer["readout"] == "adc" else len(x)
    weights = np.array(layer["weights"], np.int64)[:, columns.start : columns.stop]
    half = 1 << layer["adc_bits"] - 1
    for tile, first in enumerate(range(0, len(x), height)):
        for j in range(8 // d):
            codes = np.array([code >> j * d & (1 << d) - 1 for code in x[first : first + height]], np.int64)
            sums = (codes @ weights[first : first + height]).tolist()
            sigma = noise_scale(layer["sigma_out"], layer["var_cell"], int(codes @ codes))
            for i, m in enumerate(columns):
                a = sums[i]
                if draw is not None and sigma:
                    seed, stream, field = draw
                    key = key_of(seed, READ, stream, number << 24 | tile << 8 | j, field)
                    a += rshift_round(sigma * gaussian(*word(key, 0, m)), 8)
                if layer["readout"] == "adc":
                    converted = rshift_round(a * layer["gain"][m], layer["shift"]) + layer["offset"][m]
                    a = clip(converted, -half, half - 1)
                p[i] += a << j * d
    return p


def voltage(z: int, scale: int, vshift: int) -> int:
    return clip(rshift_round(z * scale, vshift), -2048, 2047)


def line_of(v: int, of: dict[str, Any], curves: dict[str, Any], curve: int) -> tuple[int, int]:
    """The code of a curve before it is clipped, and the piece's slope."""
    f = of["segment_bits"]
    piece, rest = v + 2048 >> f, v + 2048 & (1 << f) - 1
    slope: int = curves["slope"][curve][piece]
    return rshift_round((curves["base"][curve][piece] << f) + slope * rest, f + of["table_bits"]), slope


# Steps.


def joined(maps: list[Map]) -> Map:
    if len({m.shape[1:] for m in maps}) == 1:
        return np.concatenate(maps)
    return np.concatenate([m.reshape(-1, 1, 1) for m in maps])


def grid_of(patches: dict[str, Any]) -> tuple[int, int]:
    sizes = []
    for axis in (0, 1):
        size = patches["shape"][1 + axis] + patches["padding"][axis] + patches["padding"][2 + axis]
        reach = patches["dilation"][axis] * (patches["kernel"][axis] - 1) + 1
        sizes.append((size - reach) // patches["stride"][axis] + 1)
    return sizes[0], sizes[1]


def window(m: Map, patches: dict[str, Any], border: int, place: tuple[int, int], channel: int) -> list[int]:
    """Codes of one channel under the kernel, by kernel row and column."""
    (top, left), (kernel_rows, kernel_columns) = patches["padding"][:2], patches["kernel"]
    codes = []
    for i in range(kernel_rows):
        for j in range(kernel_columns):
            row = place[0] * patches["stride"][0] + i * patches["dilation"][0] - top
            column = place[1] * patches["stride"][1] + j * patches["dilation"][1] - left
            inside = 0 <= row < patches["shape"][1] and 0 <= column < patches["shape"][2]
            codes.append(int(m[channel, row, column]) if inside else border)
    return codes


def product(
    step: dict[str, Any],
    program: dict[str, Any],
    maps: list[Map],
    number: int,
    call: int,
    draw: tuple[int, int, int] | None,
) -> Map:
    """``draw``: seed, stream and index of the inference; none without read noise."""
    source, patches, (g, h) = joined([maps[s] for s in step["sources"]]), step["patches"], step["block"]
    (rows, columns), groups = grid_of(patches), patches["groups"]
    share, seen = len(step["bias"]) // groups, patches["shape"][0] // groups
    channels = share // (g * h)
    result = np.zeros((groups * channels, rows * g, columns * h), object)
    for row, column, group in np.ndindex(rows, columns, groups):
        position = row * columns + column
        drawn = None
        if draw is not None:
            call_number = draw[2] * program["calls"] + call
            drawn = draw[0], draw[1], (call_number * rows * columns + position) & MASK32
        windows = [
            window(source, patches, step["border"], (row, column), group * seen + c) for c in range(seen)
        ]
        patch = [code for beside in zip(*windows, strict=True) for code in beside]
        of_group = range(group * share, (group + 1) * share)
        p = partial_sums(patch, step, program["rows"], of_group, number, drawn)
        for i, m in enumerate(of_group):
            block_row, block_column, channel = i // (h * channels), i // channels % h, i % channels
            place = group * channels + channel, row * g + block_row, column * h + block_column
            z = p[i] + step["bias"][m]
            if step["skip"] is not None:
                z += rshift_round(int(maps[step["skip"]][place]) * step["skip_gain"][m], step["skip_shift"])
            if step["fires"]:
                v = voltage(z, step["scale"][m], step["vshift"])
                z = clip(line_of(v, step, program["curves"], step["curve"][m])[0], 0, 255)
            result[place] = z
    return result


def pool(step: dict[str, Any], maps: list[Map]) -> Map:
    source, patches, (g, h) = joined([maps[s] for s in step["sources"]]), step["patches"], step["block"]
    rows, columns = grid_of(patches)
    result = np.zeros((patches["shape"][0], rows * g, columns * h), object)
    for channel, row, column in np.ndindex(patches["shape"][0], rows, columns):
        codes = window(source, patches, step["border"], (row, column), channel)
        y = max(codes)
        if step["of"] == "average":
            mul = step["mul"][row * columns + column]
            y = clip(rshift_round(sum(codes) * mul, step["pool_shift"]), 0, 255)
        result[channel, row * g : (row + 1) * g, column * h : (column + 1) * h] = y
    return result


def table(step: dict[str, Any], program: dict[str, Any], maps: list[Map]) -> Map:
    source = joined([maps[s] for s in step["sources"]])
    result = np.zeros((len(step["channel"]), *source.shape[1:]), object)
    for e, row, column in np.ndindex(*result.shape):
        x = int(source[step["channel"][e], row, column])
        v = voltage(x + step["offset"][e], step["scale"][e], step["vshift"])
        result[e, row, column] = clip(line_of(v, step, program["curves"], step["curve"][e])[0], 0, 255)
    return result


def gate(step: dict[str, Any], maps: list[Map]) -> Map:
    result = np.zeros(maps[step["terms"][0]["a"]].shape, object)
    for place in np.ndindex(*result.shape):
        total = 0
        for term in step["terms"]:
            value = (int(maps[term["a"]][place]) - term["a_zero"]) * term["gain"]
            if term["b"] is not None:
                value *= int(maps[term["b"]][place]) - term["b_zero"]
            total += value
        result[place] = clip(rshift_round(total, step["gate_shift"]) + step["zero"], 0, 255)
    return result


def infer(
    program: dict[str, Any], x: list[int], index: int, *, seed: int, noise: bool = True, stream: int = 0
) -> list[Map]:
    """All maps of the last call of inference ``index``; ``x`` has the inputs of all calls."""
    draw = (seed, stream, index) if noise else None
    size = math.prod(program["shape"])
    maps: list[Map] = []
    states = [np.full(state["shape"], state["start"], object) for state in program["states"]]
    for call in range(program["calls"]):
        inputs = np.array(x[call * size : (call + 1) * size], object).reshape(program["shape"])
        maps, number = [inputs, *states], program["first_product"]
        for step in program["steps"]:
            if step["kind"] == "product":
                maps.append(product(step, program, maps, number, call, draw))
                number += 1
            elif step["kind"] == "pool":
                maps.append(pool(step, maps))
            elif step["kind"] == "table":
                maps.append(table(step, program, maps))
            else:
                maps.append(gate(step, maps))
        states = [maps[state["source"]] for state in program["states"]]
    return maps


# Virtual chips.


def cell(law: dict[str, Any], target: int, x: int, y: int) -> int:
    """The code of a cell, from its word."""
    u = x >> 4 << 4 | y & 15
    if u < law["stuck_low"]:
        return int(law["stuck_code_low"])
    if u + law["stuck_high"] >= 65536:
        return int(law["stuck_code_high"])
    value = rshift_round(law["mean"][target] * 256 + law["sigma"][target] * gaussian(x, y), 16)
    return clip(value, 0, law["code_max"])


def virtual_chip(program: dict[str, Any], seed: int, chip: int) -> dict[str, Any]:
    """The program with the weights of a virtual chip."""
    steps, number, law = [], 0, program["variation"]
    for step in program["steps"]:
        chip_step = step
        if step["kind"] == "product":
            weights = []
            for k, row in enumerate(step["weights"]):
                keys = [key_of(seed, CELL, chip + 1, number << 24, m) for m in range(len(row))]
                weights.append(
                    [
                        cell(law, max(w, 0), *word(key, 0, 2 * k))
                        - cell(law, max(-w, 0), *word(key, 0, 2 * k + 1))
                        for w, key in zip(row, keys, strict=True)
                    ]
                )
            chip_step, number = step | {"weights": weights}, number + 1
        steps.append(chip_step)
    return program | {"steps": steps}

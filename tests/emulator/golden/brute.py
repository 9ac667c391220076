"""The steps of a program once more, element by element: plain Python, written from
docs/arithmetic.md alone.

Maps are nested dictionaries by (channel, row, column). No code of the golden model or
of ``ndrite.emulator.spec`` is used but the numbers that a program holds, and the
samples of the noise generator, which has tests of its own.
"""

import itertools
from typing import Any

from tests.naive.learning import Sample, clip, curve, partial_sum, rshift_round

Map = dict[tuple[int, int, int], int]


def infer(program: Any, x: list[int], index: int, sample: Sample | None) -> list[int]:
    """The result of one sample, in the order channel, row, column; ``sample``
    None turns noise off."""
    c, h, w = program.shape
    states = [dict.fromkeys(cells(s.shape), s.start) for s in program.states]
    maps: list[Map] = []
    for call in range(program.calls):
        given = x[call * c * h * w : (call + 1) * c * h * w]
        maps = [dict(zip(cells(program.shape), given, strict=True)), *states]
        number = program.first_product
        for step in program.steps:
            if step.kind == "product":
                maps.append(product(program, step, maps, number, index * program.calls + call, sample))
                number += 1
            else:
                maps.append({"pool": pool, "table": table, "gate": gate}[step.kind](program, step, maps))
        states = [maps[s.source] for s in program.states]
    return [maps[-1][key] for key in sorted(maps[-1])]


def cells(shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    return list(itertools.product(*(range(size) for size in shape)))


def size(m: Map) -> tuple[int, int, int]:
    c, h, w = max(m)
    return c + 1, h + 1, w + 1


def join(maps: list[Map]) -> Map:
    """By channel where rows and columns agree, else all flattened."""
    joined: Map = {}
    if len({size(m)[1:] for m in maps}) == 1:
        first = 0
        for m in maps:
            joined |= {(first + c, i, j): code for (c, i, j), code in m.items()}
            first += size(m)[0]
        return joined
    codes = [m[key] for m in maps for key in sorted(m)]
    return {(c, 0, 0): code for c, code in enumerate(codes)}


def window(p: Any, x: Map, border: int, c: int, at: tuple[int, int]) -> list[int]:
    """Codes of channel ``c`` under the kernel at place ``at``."""
    codes = []
    for i, j in itertools.product(range(p.kernel[0]), range(p.kernel[1])):
        row = at[0] * p.stride[0] + i * p.dilation[0] - p.padding[0]
        column = at[1] * p.stride[1] + j * p.dilation[1] - p.padding[1]
        held = 0 <= row < p.shape[1] and 0 <= column < p.shape[2]
        codes.append(x[c, row, column] if held else border)
    return codes


def places(p: Any) -> list[tuple[int, int]]:
    sizes = []
    for d in (0, 1):
        free = p.shape[1 + d] + p.padding[d] + p.padding[2 + d] - p.dilation[d] * (p.kernel[d] - 1) - 1
        sizes.append(range(free // p.stride[d] + 1))
    return list(itertools.product(*sizes))


def product(
    program: Any, step: Any, maps: list[Map], number: int, inference: int, sample: Sample | None
) -> Map:
    layer, p = step.layer, step.patches
    x = join([maps[s] for s in step.sources])
    m_all, per_group = layer.weights.shape[1], p.shape[0] // p.groups
    all_places, out = places(p), {}
    for position, at in enumerate(all_places):
        field = (inference * len(all_places) + position) % 2**32
        for m in range(m_all):
            group = m // (m_all // p.groups)
            seen = [
                window(p, x, step.border, c, at) for c in range(group * per_group, (group + 1) * per_group)
            ]
            patch = [code for place in zip(*seen, strict=True) for code in place]
            z = partial_sum(program, layer, patch, m, number, field, sample) + int(layer.bias[m])
            # A group's columns of a block are in the order (row, column, channel).
            channels = m_all // (step.block[0] * step.block[1] * p.groups)
            i, j = divmod(m % (m_all // p.groups) // channels, step.block[1])
            channel = group * channels + m % channels
            key = (channel, at[0] * step.block[0] + i, at[1] * step.block[1] + j)
            if step.skip is not None:
                z += rshift_round(maps[step.skip][key] * int(step.skip_gain[m]), step.skip_shift)
            if step.fires:
                z = fired(program, layer, m, z)
            out[key] = z
    return out


def fired(program: Any, layer: Any, m: int, z: int) -> int:
    """The code of neuron ``m``."""
    v = clip(rshift_round(z * int(layer.scale[m]), layer.vshift), -2048, 2047)
    return curve(program, layer, int(layer.curve[m]), v)


def pool(program: Any, step: Any, maps: list[Map]) -> Map:
    x, p, out = join([maps[s] for s in step.sources]), step.patches, {}
    for position, at in enumerate(places(p)):
        for c in range(p.shape[0]):
            codes = window(p, x, step.border, c, at)
            y = max(codes)
            if step.of == "average":
                y = clip(rshift_round(sum(codes) * int(step.mul[position]), step.pool_shift), 0, 255)
            for i, j in itertools.product(*map(range, step.block)):
                out[c, at[0] * step.block[0] + i, at[1] * step.block[1] + j] = y
    return out


def table(program: Any, step: Any, maps: list[Map]) -> Map:
    x, out = join([maps[s] for s in step.sources]), {}
    for e, channel in enumerate(step.channel.tolist()):
        for (c, i, j), code in x.items():
            if c == channel:
                v = rshift_round((code + int(step.offset[e])) * int(step.scale[e]), step.vshift)
                out[e, i, j] = curve(program, step, int(step.curve[e]), clip(v, -2048, 2047))
    return out


def gate(program: Any, step: Any, maps: list[Map]) -> Map:
    out = {}
    for key in maps[step.terms[0].a]:
        total = 0
        for term in step.terms:
            other = 1 if term.b is None else maps[term.b][key] - term.b_zero
            total += (maps[term.a][key] - term.a_zero) * other * term.gain
        out[key] = clip(rshift_round(total, step.gate_shift) + step.zero, 0, 255)
    return out

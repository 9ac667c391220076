"""Random programs that fit a geometry: stimulus for self-tests of a board and for
the RTL regression."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ndrite.emulator.spec.arithmetic import DAC_BITS, V_BITS
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.program import Program


@dataclass(frozen=True)
class Choices:
    """Settings of random layers: the read-out, the bits of the DACs, and whether reads
    have noise. Settings that are None are drawn.

    ``corner``: largest weights, gains and offsets, and shifts at both ends of their
    range, so that every clip and width is reached.
    """

    readout: str | None = None
    dac_bits: int | None = None
    noise: bool | None = None
    corner: bool = False


def random_program(
    geometry: Geometry,
    rng: np.random.Generator,
    *,
    layers: int | None = None,
    sizes: Sequence[int] | None = None,
    readout: str | None = None,
    dac_bits: int | None = None,
    noise: bool | None = None,
    corner: bool = False,
) -> Program:
    """Return a network of random shape and parameters that ``geometry`` can hold.

    Parameters that are not given are drawn; ``sizes`` are the widths of input, hidden
    layers and output. ``corner``: as in ``Choices``.
    """
    for _ in range(1000):
        depth = layers or int(rng.integers(1, min(geometry.layers, 4) + 1))
        drawn = [int(rng.integers(1, geometry.max_inputs + 1)) for _ in range(depth)]
        drawn.append(int(rng.integers(1, geometry.max_outputs + 1)))
        widths = list(sizes or drawn)
        pairs = list(itertools.pairwise(widths))
        words = sum(k * geometry.groups(m) for k, m in pairs)
        columns = sum(m + geometry.readouts for _, m in pairs)
        if words <= geometry.weight_depth and columns <= geometry.columns:
            break
    else:
        raise ValueError(f"no random network fits geometry {geometry.name!r}")
    pipes = geometry.neurons
    curves = int(rng.integers(1, pipes * geometry.curves + 1))
    apart = curves > geometry.curves  # then no curve is in two neuron pipes, so that all fit
    curves += -curves % pipes if apart else 0
    span = 1 << 17 if corner else 1 << 14
    choices = Choices(readout, dac_bits, noise, corner)
    made = [random_layer(geometry, rng, k, m, curves, choices) for k, m in pairs]
    if apart:
        own = [la.curve // pipes * pipes + np.arange(la.outputs) % pipes for la in made]
        made = [replace(la, curve=q.astype(np.uint16)) for la, q in zip(made, own, strict=True)]
    return Program.chain(
        name="random",
        rows=geometry.rows,
        layers=made,
        curve_base=rng.integers(-span // 8, span, (curves, geometry.segments)).astype(np.int32),
        curve_slope=rng.integers(-span // 8, span // 8, (curves, geometry.segments)).astype(np.int32),
    )


def random_layer(
    geometry: Geometry, rng: np.random.Generator, k: int, m: int, curves: int, choices: Choices
) -> Layer:
    """Return a random layer with ``k`` inputs and ``m`` outputs, for a program of
    ``curves`` curves."""
    noise, corner = choices.noise, choices.corner
    weight_max = geometry.weight_max
    chosen = choices.readout or str(rng.choice(["adc", "analog"] if geometry.analog else ["adc"]))
    d = choices.dac_bits or int(rng.choice(DAC_BITS))
    rows = min(k, geometry.rows) if chosen == "adc" else k
    adc_bits = int(rng.integers(4, 13))
    typical = np.sqrt(rows) * weight_max / 2 * (1 << d) / 2
    gain = rng.integers(1 << 14, 1 << 16, m)
    shift = max(0, int(np.log2(typical * (1 << 15)) - adc_bits + 2))
    weights = rng.integers(-weight_max, weight_max + 1, (k, m))
    offset = rng.integers(-30, 31, m)
    if corner:
        weights = np.where(rng.random((k, m)) < 0.9, weight_max * rng.choice([-1, 1], m), weights)
        offset = rng.choice([-2048, 0, 2047], m)
        shift = int(rng.choice([0, 1, shift, 46, 47]))
    sigma_out, var_cell = 0, 0
    if geometry.noise and (rng.random() < 0.7 if noise is None else noise):
        sigma_out = int(rng.choice([0, 1, 500, 65535 if corner else 3000]))
        var_cell = int(rng.choice([0, 1, 300, 65535 if corner else 2000]))
        if noise:
            sigma_out = max(sigma_out, 500)
    spread = typical * (1 << (8 - d)) if chosen == "analog" else (1 << (adc_bits - 1)) * (256 >> d)
    scale = rng.integers(1 << 12, 1 << 16, m)
    vshift = max(0, int(np.log2(spread * (1 << 14) / 1200)))
    return Layer(
        weights=weights.astype(np.int16),
        bias=rng.integers(-int(spread) - 1, int(spread) + 2, m).astype(np.int32),
        gain=gain.astype(np.uint16),
        offset=offset.astype(np.int16),
        scale=scale.astype(np.uint16),
        curve=rng.integers(0, curves, m).astype(np.uint16),
        readout=chosen,
        dac_bits=d,
        adc_bits=adc_bits,
        shift=min(shift, 47),
        vshift=min(vshift, 47),
        segment_bits=V_BITS - (geometry.segments.bit_length() - 1),
        table_bits=int(rng.integers(4, 9)),
        sigma_out=sigma_out,
        var_cell=var_cell,
    )

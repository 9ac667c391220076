"""Random programs of all kinds of steps over small maps."""

import dataclasses
from typing import Any

import numpy as np

from ndrite.emulator.backend.lay_out import check_fits
from ndrite.emulator.golden.random_program import Choices, random_layer
from ndrite.emulator.spec.arithmetic import V_BITS
from ndrite.emulator.spec.errors import GeometryError, ProgramError
from ndrite.emulator.spec.flow import State, Term, joined
from ndrite.emulator.spec.geometry import Geometry
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.patches import Pair, Patches, Shape
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Gate, Pool, Product, Step, Table


def random_graph(
    geometry: Geometry,
    rng: np.random.Generator,
    *,
    steps: int = 5,
    side: int = 6,
    states: int | None = None,
    noise: bool | None = None,
    corner: bool = False,
) -> Program:
    """A program of all kinds of steps over small maps: joined sources, groups, blocks,
    skips, states, calls.

    ``steps`` are drawn freely, and one more for each of the ``states`` and for the
    result; ``side`` bounds the rows and columns of a map. The rest as for
    ``random_program``.
    """
    curves = int(rng.integers(1, geometry.neurons * geometry.curves + 1))
    drawn = _Graph(geometry, rng, curves, noise, corner)
    shape = _shape(rng, side)
    kept = [_shape(rng, 3) for _ in range(int(rng.integers(0, 3)) if states is None else states)]
    shapes = [shape, *kept]
    made: list[Step] = []
    for _ in range(steps):
        step = drawn.step(shapes)
        made.append(step)
        shapes.append(step.shape(shapes))
    sources = []
    for c, h, w in kept:
        # One patch with a block of the state's rows and columns: a map of any
        # shape from any other.
        made.append(drawn.whole(shapes, c * h * w, (h, w), True))
        sources.append(len(shapes))
        shapes.append((c, h, w))
    if rng.random() < 0.6:
        made.append(drawn.sums(shapes, int(rng.integers(1, 12))))
    calls = int(rng.integers(1, 4)) if kept or rng.random() < 0.2 else 1
    span = 1 << 17 if corner else 1 << 14
    table = (curves, geometry.segments)
    return Program(
        name="random graph",
        rows=geometry.rows,
        shape=shape,
        steps=tuple(made),
        curve_base=rng.integers(-span // 8, span, table).astype(np.int32),
        curve_slope=rng.integers(-span // 8, span // 8, table).astype(np.int32),
        states=tuple(
            State(shape=s, source=source, start=int(rng.integers(0, 256)))
            for s, source in zip(kept, sources, strict=True)
        ),
        calls=calls,
        first_product=int(rng.integers(0, 200)) if rng.random() < 0.2 else 0,
    )


def random_walk(geometry: Geometry, rng: np.random.Generator, **options: Any) -> Program:
    """A random graph that a device of ``geometry`` walks; ``options`` as for
    ``random_graph``."""
    for _ in range(10000):
        program = random_graph(geometry, rng, **options)
        try:
            check_fits(program, geometry)
        except GeometryError:
            continue
        if not program.is_chain:
            return program
    raise ValueError(f"no random walk fits geometry {geometry.name!r}")


def _shape(rng: np.random.Generator, side: int) -> Shape:
    c, h, w = (int(v) for v in rng.integers(1, (5, side + 1, side + 1)))
    return (c, h, w) if rng.random() < 0.7 else (3 * c, 1, 1)


class _Graph:
    """Random steps over the maps that are there."""

    def __init__(
        self, geometry: Geometry, rng: np.random.Generator, curves: int, noise: bool | None, corner: bool
    ) -> None:
        self._geometry, self._rng, self._curves = geometry, rng, curves
        self._noise, self._corner = noise, corner
        self._segment_bits = V_BITS - (geometry.segments.bit_length() - 1)

    def step(self, shapes: list[Shape]) -> Step:
        kinds = (self._convolution, self._gate, self._pool, self._windows, self._table)
        chosen = kinds[int(self._rng.choice(5, p=(0.5, 0.15, 0.1, 0.1, 0.15)))](shapes)
        return chosen if chosen is not None else self._table(shapes)

    def whole(self, shapes: list[Shape], outputs: int, block: Pair, fires: bool) -> Product:
        """A full layer on joined maps, or on the whole of one."""
        sources = self._sources(shapes)
        patches = Patches.whole(joined([shapes[s] for s in sources]))
        layer = self._layer(patches.inputs, outputs)
        return Product(layer=layer, sources=sources, patches=patches, block=block, fires=fires)

    def sums(self, shapes: list[Shape], outputs: int) -> Product:
        """The result: sums of a full layer, a map of one pixel added to them or not."""
        rng = self._rng
        pixels = [i for i, shape in enumerate(shapes) if shape[1:] == (1, 1)]
        if not pixels or rng.random() < 0.5:
            return self.whole(shapes, outputs, (1, 1), False)
        skip = pixels[int(rng.integers(len(pixels)))]
        step = self.whole(shapes, shapes[skip][0], (1, 1), False)
        gain = rng.integers(0, 1 << 16, shapes[skip][0]).astype(np.uint16)
        return dataclasses.replace(step, skip=skip, skip_gain=gain, skip_shift=int(rng.integers(0, 18)))

    def _sources(self, shapes: list[Shape]) -> tuple[int, ...]:
        # The last map twice as likely, so that programs are deep.
        count = int(self._rng.choice(3, p=(0.6, 0.3, 0.1))) + 1
        picks = [
            len(shapes) - 1 if self._rng.random() < 0.4 else int(self._rng.integers(len(shapes)))
            for _ in range(count)
        ]
        return tuple(picks)

    def _layer(self, k: int, m: int) -> Layer:
        choices = Choices(noise=self._noise, corner=self._corner)
        return random_layer(self._geometry, self._rng, k, m, self._curves, choices)

    def _patches(self, shape: Shape, groups: int) -> Patches:
        """Any kernel that fits."""
        rng = self._rng
        while True:
            pair = [(int(a), int(b)) for a, b in rng.integers(1, (4, 4), (3, 2))]
            padding = [int(v) for v in rng.integers(0, 3, 4)] if rng.random() < 0.6 else [0] * 4
            if rng.random() < 0.5:
                pair[2] = (1, 1)
            try:
                return Patches(
                    shape=shape,
                    kernel=pair[0],
                    stride=pair[1],
                    dilation=pair[2],
                    padding=(padding[0], padding[1], padding[2], padding[3]),
                    groups=groups,
                )
            except ProgramError:
                continue

    def _trimmed(self, shape: Shape) -> Shape:
        """The shape, or in one of ten a row less, and a column."""
        c, h, w = shape
        return (c, max(1, h - int(self._rng.random() < 0.1)), max(1, w - int(self._rng.random() < 0.1)))

    def _convolution(self, shapes: list[Shape]) -> Step | None:
        rng = self._rng
        sources = self._sources(shapes)
        c, h, w = joined([shapes[s] for s in sources])
        if c > 64:
            return None
        groups = int(rng.choice([g for g in range(1, c + 1) if c % g == 0])) if rng.random() < 0.3 else 1
        block, m = (1, 1), groups * int(rng.integers(1, 5))
        if rng.random() < 0.4:
            # As large as its source, so that there is a second operand to add.
            patches = Patches(shape=(c, h, w), kernel=(3, 3), padding=(1, 1, 1, 1), groups=groups)
            same = [s[0] for s in shapes if s[1:] == (h, w) and s[0] % groups == 0]
            m = int(rng.choice(same)) if same else m
        else:
            patches = self._patches(self._trimmed((c, h, w)), groups)
            if rng.random() < 0.3:
                block = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
        layer = self._layer(patches.inputs, m * block[0] * block[1])
        grid = (patches.grid[0] * block[0], patches.grid[1] * block[1])
        skips = [i for i, s in enumerate(shapes) if s == (m, *grid)]
        skip = int(rng.choice(skips)) if skips and rng.random() < 0.8 else None
        return Product(
            layer=layer,
            sources=sources,
            patches=patches,
            border=int(rng.integers(0, 256)),
            block=block,
            skip=skip,
            skip_gain=None if skip is None else rng.integers(0, 1 << 16, layer.outputs).astype(np.uint16),
            skip_shift=0 if skip is None else int(rng.integers(0, 16)),
        )

    def _pool(self, shapes: list[Shape]) -> Step | None:
        rng = self._rng
        sources = self._sources(shapes)
        patches = self._patches(self._trimmed(joined([shapes[s] for s in sources])), 1)
        shift = int(rng.integers(0, 17))
        unit = (1 << shift) / (patches.kernel[0] * patches.kernel[1])
        mul = (unit * rng.uniform(0.7, 1.5, patches.positions)).clip(1, 65535).astype(np.uint16)
        average = rng.random() < 0.5
        return Pool(
            of="average" if average else "max",
            sources=sources,
            patches=patches,
            border=int(rng.integers(0, 256)),
            mul=mul if average else None,
            pool_shift=shift if average else 0,
            block=self._block(),
        )

    def _windows(self, shapes: list[Shape]) -> Step:
        """The largest of windows side by side on the last map: what often follows a product."""
        c, h, w = shapes[-1]
        kernel = (int(self._rng.integers(1, min(h, 3) + 1)), int(self._rng.integers(1, min(w, 4) + 1)))
        patches = Patches(shape=(c, h, w), kernel=kernel, stride=kernel)
        return Pool(of="max", sources=(len(shapes) - 1,), patches=patches, block=self._block())

    def _block(self) -> Pair:
        """What each result of a pool fills: itself in half of them, or up to six neighbours."""
        if self._rng.random() < 0.5:
            return (1, 1)
        return (int(self._rng.integers(1, 3)), int(self._rng.integers(1, 4)))

    def _table(self, shapes: list[Shape]) -> Step:
        rng = self._rng
        sources = self._sources(shapes)
        channels, e = joined([shapes[s] for s in sources])[0], int(rng.integers(1, 7))
        return Table(
            sources=sources,
            channel=rng.integers(0, channels, e).astype(np.int32),
            offset=rng.integers(-256, 256, e).astype(np.int16),
            scale=rng.integers(0, 1 << 16, e).astype(np.uint16),
            curve=rng.integers(0, self._curves, e).astype(np.uint16),
            vshift=int(rng.integers(10, 16)),
            segment_bits=self._segment_bits,
            table_bits=int(rng.integers(4, 9)),
        )

    def _gate(self, shapes: list[Shape]) -> Step:
        rng = self._rng
        wanted = shapes[int(rng.integers(len(shapes)))]
        same = [i for i, s in enumerate(shapes) if s == wanted]
        terms = []
        for _ in range(int(rng.integers(1, 5))):
            a, b = (int(v) for v in rng.choice(same, 2))
            zeros = [int(v) for v in rng.integers(0, 256, 2)]
            gain = int(rng.integers(-65535, 65536))
            alone = rng.random() < 0.3
            terms.append(
                Term(a=a, gain=gain, b=None if alone else b, a_zero=zeros[0], b_zero=0 if alone else zeros[1])
            )
        return Gate(terms=tuple(terms), gate_shift=int(rng.integers(12, 26)), zero=int(rng.integers(0, 256)))

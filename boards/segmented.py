"""A program in segments that take turns on a board; the host keeps the maps
between segments."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ndrite.boards.abilities import Holder
from ndrite.emulator.backend.lay_out import lay_out
from ndrite.emulator.backend.segments import Segment, cut
from ndrite.emulator.golden.codes import Codes, Draw
from ndrite.emulator.golden.core import batch_of
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.evaluate import At, evaluated
from ndrite.emulator.spec.flow import of_kind
from ndrite.emulator.spec.steps import Product

Map = npt.NDArray[Any]
"""A feature map: codes uint8, or the last step's sums int64."""
HELD_CODES = 1 << 25
"""Number of codes of maps that the host keeps between two segments; it limits how
many samples go through a segment before the next segment takes its place. All of
these codes go over the link in both directions; the weights of the largest board are
half a million bytes."""
INDEX_MASK = (1 << 32) - 1


class Segmented:
    """A program that is too large for a board and is therefore cut into segments of
    consecutive steps. The board holds one segment after another, and the host computes
    the steps that no segment contains.

    ``on_array`` is the segment that is loaded. ``swapped_words`` counts the words of
    all memory sections that were written because a word in them differed from what the
    segments before had left there.
    """

    def __init__(self, program: Program, board: Holder) -> None:
        self.program, self._board = program, board
        self._segments = cut(program, board.abilities.check, board.abilities.most_weights)
        self._by_patch: dict[int, Program] = {}
        self._laid: dict[int, npt.NDArray[np.int32]] = {}
        self._passed: Callable[[], None] = lambda: None
        self.on_array: Program | None = None
        self.swapped_words = 0
        for segment in self._segments:
            if segment.by_patch and segment.piece is not None:
                self._by_patch[program.products_before(segment.first)] = segment.piece

    @property
    def pieces(self) -> int:
        """The number of segments that run on the board and so take turns on the array."""
        return sum(segment.piece is not None for segment in self._segments)

    @property
    def batch(self) -> int:
        """The number of samples that go through one segment before the next
        segment is loaded."""
        shapes = self.program.map_shapes
        code_count = sum(math.prod(shapes[m]) for segment in self._segments for m in segment.makes)
        return max(1, HELD_CODES // (self.program.inputs + code_count))

    @property
    def on_host(self) -> tuple[str, ...]:
        """The steps of the program that run on the host, described in one line each."""
        return tuple(line for segment in self._segments for line in self._here(segment))

    def _here(self, segment: Segment) -> list[str]:
        last = self.program.steps[segment.stop - 1]
        prefix = f"step {segment.stop - 1}: "
        if segment.piece is None:
            return [prefix + last.kind + (f" ({segment.refused})" if segment.refused else "")]
        if not segment.sums:
            return []
        second = self._ended(segment).skip is not None and _adds_none(segment.piece)
        parts = ["second operand"] * second + ["neurons"] * last.fires
        return [prefix + ", ".join(parts)] if parts else []

    def infer_batch(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int,
        first_index: int,
        noise: bool,
        done: Callable[[int], None],
    ) -> npt.NDArray[np.integer]:
        """Return the outputs (n, outputs) for one batch of input codes x (n, inputs);
        the other arguments are those of ``Core.infer``.

        ``done`` is called after each segment with the share of the work that is
        done, in samples.
        """
        turns, passed = self.program.calls * len(self._segments), itertools.count(1)
        self._passed = lambda: done(len(x) * next(passed) // turns)
        index = np.arange(first_index, first_index + len(x), dtype=np.int64)
        draw = Draw(seed, index, noise)
        inputs, starts = self.program.begun(x)
        maps: list[Map | None] = []
        states: list[Map | None] = [*starts]
        for call, first in enumerate(inputs):
            maps = self._call(call, [first, *states], draw)
            states = [maps[s.source] for s in self.program.states]
        outputs = maps[-1]
        assert outputs is not None
        return outputs.reshape(len(x), -1)

    def _call(self, call: int, maps: list[Map | None], draw: Draw) -> list[Map | None]:
        """Compute one time step of the program for a batch. Return the list of its
        maps, with None for each map that is not needed later."""
        n = len(draw.index)
        maps = maps + [None] * len(self.program.steps)
        for segment in self._segments:
            at_once = n if segment.reads else batch_of(self.program.steps)
            parts = []
            for start in range(0, n, at_once):
                part = slice(start, start + at_once)
                map_of = {i: m[part] for i, m in enumerate(maps) if m is not None}
                now = dataclasses.replace(draw, index=draw.index[part])
                parts.append(self._made(segment, call, map_of, now))
            for m, *values in zip(segment.makes, *parts, strict=True):
                maps[m] = np.concatenate(values)
            for m in range(len(maps)):
                maps[m] = maps[m] if m in segment.kept else None
            self._passed()
        return maps

    def _made(self, segment: Segment, call: int, maps: dict[int, Map], draw: Draw) -> list[Map]:
        """Return the maps that a segment computes from the earlier ``maps``."""
        n, shapes = len(draw.index), self.program.map_shapes
        number = self.program.products_before(segment.stop - 1)
        last = self.program.steps[segment.stop - 1]
        sums = None if segment.piece is None else self._sums
        codes = Codes.of(self.program, draw, given=sums)
        if segment.piece is None or segment.by_patch:
            return [evaluated(codes, At(call, segment.stop - 1, number), last, maps)]
        x = np.concatenate([maps[m].reshape(n, -1) for m in segment.reads], axis=1)
        calls = draw.index * self.program.calls + call
        values = self._on_board(segment.piece, x, dataclasses.replace(draw, index=calls))
        if segment.sums:
            left = self._ended(segment)
            left = left if _adds_none(segment.piece) else dataclasses.replace(left, skip=None)
            return [codes.ended(number, left, values.astype(np.int64), maps)]
        ends = np.cumsum([math.prod(shapes[m]) for m in segment.makes])
        parts = np.split(values, ends[:-1], axis=1)
        fired = [m < len(shapes) - 1 or last.fires for m in segment.makes]
        return [
            part.reshape(n, *shapes[m]).astype(np.uint8 if fires else np.int64)
            for m, part, fires in zip(segment.makes, parts, fired, strict=True)
        ]

    def _ended(self, segment: Segment) -> Product:
        """Return the matrix product at the end of a segment whose results are
        that product's sums."""
        return of_kind(Product, self.program.steps[: segment.stop])[-1]

    def _sums(
        self, number: int, step: Product, x: npt.NDArray[np.uint8], draw: Draw
    ) -> npt.NDArray[np.int64]:
        """Return the sums of a matrix product that the board computes patch by patch."""
        return self._on_board(self._by_patch[number], x, draw).astype(np.int64)

    def _on_board(self, piece: Program, x: npt.NDArray[np.uint8], draw: Draw) -> npt.NDArray[np.int32]:
        """Load the program ``piece`` of a segment on the board, run it on inputs x (n,
        inputs), and return its results (n, outputs)."""
        self._swap(piece)
        index = draw.index & INDEX_MASK
        starts = [0, len(index)]
        if draw.noise:
            # Split the batch where inference numbers are not consecutive: between the
            # time steps of a sequence, and where they wrap after 32 bits.
            starts[1:1] = (np.flatnonzero(np.diff(index) != 1) + 1).tolist()
        y = np.empty((len(x), piece.outputs), np.int32)
        for low, high in itertools.pairwise(starts):
            first = int(index[low]) if draw.noise else 0
            y[low:high] = self._board.device.infer(
                x[low:high], seed=draw.seed, first_index=first, noise=draw.noise
            )
        return y

    def _swap(self, piece: Program) -> None:
        if self.on_array is piece:
            return
        self.on_array = None
        self._board.program(piece)
        self.on_array = piece
        geometry = self._board.device.geometry
        for section in [] if geometry is None else lay_out(piece, geometry):
            if not np.array_equal(self._laid.get(section.address, ()), section.words):
                self._laid[section.address] = section.words
                self.swapped_words += section.words.size


def _adds_none(piece: Program) -> bool:
    """Return whether ``piece``, the program of a segment, does not add the second
    operand of its last matrix product, so that the host must add it."""
    return of_kind(Product, piece.steps)[-1].skip is None

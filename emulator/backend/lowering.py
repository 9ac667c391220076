"""lowering: converts a program to the few kinds of steps that a device executes.

Those are products, pools, gates and fills. A pool whose results fill blocks is one pool
for each place of a block. A table is a product whose weights pick channels. Maps that
are joined lie side by side, or copies of them do; a copy is a pool of one code. States
begin as fills; at the end of each call but the last they become copies of their
sources, unless a gate has put its results there itself. A result of codes ends as a
product that gives them as sums.
"""

import dataclasses
import math
from abc import abstractmethod
from functools import cache, lru_cache
from typing import Any, ClassVar

import numpy as np

from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.evaluate import PerKind
from ndrite.emulator.spec.flow import of_kind
from ndrite.emulator.spec.layer import Layer
from ndrite.emulator.spec.patches import Patches, Shape
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Gate, Pool, Product, Step, StepBase, Table

SAMPLE = 0
"""Number of the map into which a sample is loaded."""


@record()
class Fill(StepBase):
    """A step that fills a map of shape ``of`` with the code ``code``: the initial
    value of a state."""

    kind: ClassVar[str] = "fill"
    sources = ()

    code: int
    of: Shape

    def shape(self, maps: list[Shape]) -> Shape:
        return self.of

    def visit(self, walk: PerKind, /, *arguments: Any, **options: Any) -> Any:
        """Call the method ``fill`` of the visitor ``walk``, with all further arguments."""
        assert isinstance(walk, PerLoweredKind)
        return walk.fill(*arguments, **options)


class PerLoweredKind(PerKind):
    """Visitor with one method for each kind of step that a device executes. There are
    no lookup tables: lowering turns them into matrix products."""

    @abstractmethod
    def fill(self, *arguments: Any, **options: Any) -> Any:
        """Process a step that fills a map with one code."""

    def table(self, *arguments: Any, **options: Any) -> Any:
        """Raise TypeError: a lowered program contains no lookup tables, since lowering
        turns every table into a matrix product."""
        raise TypeError("a lowered program contains a table, which devices do not execute")


Walked = Product | Pool | Gate | Fill


class Lowered(PerKind):
    """A program's steps as a device executes them, in four parts: the initial values of
    the states, the body that is repeated for every time step (call) of a sequence, the
    copies between time steps, and the final matrix product that returns the answer.

    Attributes
    ----------
    begins, body:
        How many steps the first two are; the answer is one product.
    shapes, targets:
        Shape of every map, and the map that each step writes.
    numbers:
        Number of each product in the read noise's key.
    areas:
        Runs of maps that lie side by side, as they are joined.
    kept:
        Maps that outlive a call.
    places:
        Steps whose results fill blocks: which place of them, row by row; those
        not in it the first.
    """

    def __init__(self, program: Program) -> None:
        states = range(1, program.first)
        self.program, self.calls, self._next = program, program.calls, program.first
        self.steps: list[Walked] = []
        self.targets: list[int] = []
        self.numbers: list[int] = []
        self.areas: list[tuple[int, ...]] = []
        self.places: dict[int, int] = {}
        self.shapes = dict(enumerate(program.map_shapes[: self._next]))
        self.kept = tuple(states)
        if self.calls > 1:
            # The device loads the inputs of all time steps of a sample at
            # once, into map SAMPLE.
            self.kept = (*states, SAMPLE)
        # ``_moved`` has the number in the lowered program for each map of the
        # program; ``_joined`` has, for each set of maps that steps read joined, the
        # numbers of their copies.
        self._moved = {i: i for i in range(self._next)}
        self._joined: dict[tuple[int, ...], tuple[int, ...]] = {}
        for number, state in zip(states, program.states, strict=True):
            self._add(Fill(state.start, state.shape), to=number)
        self.begins = len(self.steps)
        last, at_once = program.steps[-1], _at_once(program)
        for i, step in enumerate(program.steps if last.fires else program.steps[:-1]):
            self._take(step, program.first + i, at_once.get(i))
        # Preparing the last product may append steps that copy the maps it reads. These
        # copies must be made before ``_end_call`` appends the steps that overwrite the
        # recurrent states with their next values.
        (answer,) = (self._codes(),) if last.fires else of_kind(Product, [self._here(last)])
        self.body = len(self.steps) - self.begins
        if self.calls > 1:
            self._end_call()
        self._add(answer, number=self._number_of(last))

    @property
    def products(self) -> tuple[Product, ...]:
        """Return the matrix products that the array computes, in order."""
        return of_kind(Product, self.steps)

    @property
    def fires(self) -> bool:
        """Return whether any matrix product of the lowered program ends in neurons."""
        return any(product.fires for product in self.products)

    def _add(self, step: Walked, *, to: int | None = None, number: int = 0) -> int:
        """Append a step and return the number of the map that the step writes: ``to``
        if given, otherwise a new number."""
        if to is None:
            to, self._next = self._next, self._next + 1
            # ``shape`` is declared for a list, but only looks up shapes by map number,
            # so a dictionary works as well.
            self.shapes[to] = step.shape(self.shapes)  # type: ignore[arg-type]
        self.steps.append(step)
        self.targets.append(to)
        self.numbers += [number] * len(step.layers)
        return to

    def _copy(self, source: int, *, to: int | None = None) -> int:
        """Append a step that copies map number ``source``; return the number of the copy."""
        patches = Patches(shape=self.shapes[source], kernel=(1, 1))
        return self._add(Pool(of="max", sources=(source,), patches=patches), to=to)

    def _flattened(self, source: int) -> int:
        """Append a step that copies map number ``source`` to a single pixel,
        whose channels are the map's values, channel after channel. Return the
        number of the copy."""
        number = self._copy(source)
        self.shapes[number] = (math.prod(self.shapes[source]), 1, 1)
        return number

    def _take(self, step: Step, number: int, to: int | None) -> None:
        """Append the lowered form of the program's step ``step``, which computes map
        ``number`` of the program.

        ``to``: the map that a gate writes, where that is not a new one.
        """
        self._moved[number] = step.visit(self, self._here(step), to=to, number=self._number_of(step))

    def product(self, step: Product, **where: Any) -> int:
        """Append the matrix product unchanged; return the number of its map."""
        return self._add(step, **where)

    def gate(self, step: Gate, **where: Any) -> int:
        """Append the gate unchanged; return the number of its map."""
        return self._add(step, **where)

    def pool(self, step: Pool, **where: Any) -> int:
        """Append the pool once for each position of its blocks, all writing the same
        map; return the map's number."""
        to = self._add(step, **where)
        for place in range(1, step.block[0] * step.block[1]):
            self.places[len(self.steps)] = place
            self._add(step, to=to)
        return to

    def table(self, step: Table, **where: Any) -> int:
        """Append the lookup table as a matrix product whose weight matrix selects
        channels; return the number of its map."""
        shape = step.joined(self.shapes)
        layer = dataclasses.replace(
            _picking(step.channel, shape[0]),
            bias=step.offset.astype(np.int32),
            scale=step.scale,
            curve=step.curve,
            vshift=step.vshift,
            segment_bits=step.segment_bits,
            table_bits=step.table_bits,
        )
        patches = Patches(shape=shape, kernel=(1, 1))
        return self._add(Product(layer=layer, sources=step.sources, patches=patches), **where)

    def _here(self, step: Step) -> Step:
        """Return ``step`` with its maps renumbered, from the numbers in the program to
        those in the lowered program."""
        alone = cache(lambda m: self._alone(self._moved[m]))
        return step.moved(lambda maps: self._side_by_side(tuple(self._moved[m] for m in maps)), alone)

    def _number_of(self, step: Step) -> int:
        """Return the number by which the read noise of a matrix product is selected;
        0 for other steps."""
        numbers = (i for i, product in enumerate(self.program.products) if product is step)
        return next((self.program.first_product + i for i in numbers), 0)

    def _codes(self) -> Product:
        """Return a matrix product that outputs the codes of the program's last map as
        sums, through an n x n identity layer."""
        shape, source = self.program.map_shapes[-1], self._moved[len(self.program.map_shapes) - 1]
        outputs, patches = math.prod(shape), Patches.whole(shape)
        picks = _picking(np.argsort(patches.by_place(np.arange(outputs))), outputs)
        return Product(layer=picks, sources=(source,), patches=patches, fires=False)

    def _end_call(self) -> None:
        """Append the copies at the end of a time step (call), by which each state takes
        over the value of its source map. Old values of states that are themselves
        sources are saved first."""
        moved = enumerate((self._moved[state.source] for state in self.program.states), 1)
        sources = {number: source for number, source in moved if number != source}
        saved = {m: self._copy(m) for m in sorted(set(sources) & set(sources.values()))}
        for number, source in sources.items():
            self._copy(saved.get(source, source), to=number)

    def _alone(self, source: int) -> int:
        """Return the number of a map that has only the values of map ``source`` of this
        time step: ``source`` itself or, if that map holds the inputs of several time
        steps, a copy of the inputs of the present one."""
        return self._copy(source) if source == SAMPLE and self.program.calls > 1 else source

    def _side_by_side(self, sources: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers of maps that lie side by side in memory and hold the
        values of ``sources``. Sources that already lie elsewhere are replaced by
        copies. All readers of the same sources share the copies.

        Joined by channel they share pixels, which a gate's maps do not; of others
        each is one pixel.
        """
        if len(sources) == 1:
            return sources
        if sources in self._joined:
            return self._joined[sources]
        shapes = [self.shapes[source] for source in sources]
        # The maps that exist before a time step (sample and states) keep their
        # location, so they normally cannot be moved into a run of maps that lie
        # side by side. The exception is a state of a single pixel, which may be
        # part of one such run.
        lone = {m for m in range(1, self.program.first) if self.shapes[m][1:] == (1, 1)}
        available = set(range(self.program.first)) - lone
        placed = available.union(*self.areas)
        by_channel = len({shape[1:] for shape in shapes}) == 1
        if by_channel and shapes[0][1:] != (1, 1):
            gates = of_kind(Gate, self.program.steps)
            placed |= {self._moved[m] for gate in gates for m in gate.reads if m in self._moved}
        merged: list[int] = []
        for source, (channels, *plane) in zip(sources, shapes, strict=True):
            if not by_channel and channels > 1 and math.prod(plane) > 1:
                merged.append(self._flattened(source))
            else:
                merged.append(self._copy(source) if source in placed or source in merged else source)
        self.areas.append(tuple(merged))
        self._joined[sources] = tuple(merged)
        return tuple(merged)


@lru_cache(maxsize=16)
def lower(program: Program) -> Lowered:
    """Lower ``program`` to the steps that a device executes."""
    return Lowered(program)


def _at_once(program: Program) -> dict[int, int]:
    """Return the gates that may overwrite a state with its next value, because no later
    step reads the present value. The dictionary maps the index of the gate's step to
    the number of the state.

    A gate may itself: it reads each place before it writes there.
    """
    sources = [state.source for state in program.states]
    position_of: dict[int, int] = {}
    for number, source in enumerate(sources, 1):
        i = source - 1 - len(sources)
        if i < 0 or program.steps[i].kind != "gate":
            continue
        is_read = number in sources or any(number in step.reads for step in program.steps[i + 1 :])
        if not is_read and sources.count(source) == 1:
            position_of[i] = number
    return position_of


def _picking(picks: IntArray, inputs: int) -> Layer:
    """Return a layer that selects inputs: its column e returns input ``picks[e]``
    unchanged as the sum z."""
    weights = np.zeros((inputs, picks.size), np.int16)
    weights[picks, np.arange(picks.size)] = 1
    ones_u16, zero = np.ones(picks.size, np.uint16), np.zeros(picks.size, np.uint16)
    return Layer(
        weights=weights,
        bias=zero.astype(np.int32),
        gain=ones_u16,
        offset=zero.astype(np.int16),
        scale=ones_u16,
        curve=zero,
        adc_bits=12,
    )

"""segments: cuts a program that does not fit a device as a whole into runs of steps,
which the device executes in turn.

A run is a program of its own: what it needs of the maps made before it is its sample,
what is asked for later is its result, several maps one behind the other. A device may
give the sums of a run's last product, whose neurons are then the host's; of a product
alone the host may cut the patches, each an inference of its own. A step that fits no
device is the host's.

The read noise stays what it is: it is drawn by the product's number, which a run begins
with where those before it ended (``first_product``), and by the number of the
inference. It is drawn by column and tile too, which a part of a product would count
from 0 again: so a product is not cut.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import V_BITS, V_MIN
from ndrite.emulator.spec.brief import record
from ndrite.emulator.spec.errors import GeometryError
from ndrite.emulator.spec.flow import joined, of_kind
from ndrite.emulator.spec.patches import Patches
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Pool, Product, Step, Table

Check = Callable[[Program], object]
"""Function that raises GeometryError for a program that does not fit a device."""
Cost = tuple[int, int, int, int]
CODES_MAX = 4096
"""Largest number of codes in a sample, and of values in a result, that the largest
geometry accepts."""


@record(kw_only=True)
class Segment:
    """A run of consecutive steps of a program, ``first`` to ``stop`` - 1, which is
    executed by a device or by the host. Maps are numbered as in the program.

    ``piece`` is what the device computes, of the codes of ``reads`` those of ``makes``.
    Where it ends in ``sums`` the host adds the last product's second operand, unless
    the piece has it, and does its neurons. ``by_patch``: the piece is a product alone,
    and the host cuts its patches. Without ``piece`` the host does the one step;
    ``refused`` says why, of a product. ``kept``: maps that are asked for after it.
    """

    first: int
    stop: int
    makes: tuple[int, ...]
    kept: frozenset[int]
    reads: tuple[int, ...] = ()
    piece: Program | None = None
    sums: bool = False
    by_patch: bool = False
    refused: str = ""


def cut(program: Program, check: Check, most_weights: int | None = None) -> tuple[Segment, ...]:
    """Cut a program into the fewest segments. Each segment is accepted for the device
    by ``check``, or is a single step that the host computes.

    Among cuts with equally few segments, the one that leaves the least work to the
    host, then the one that carries the fewest maps, then the fewest codes. Runs of more
    than ``most_weights`` weights need not be tried.
    """
    count = len(program.steps)
    sizes = [sum(p.layer.weights.size for p in of_kind(Product, [step])) for step in program.steps]
    best: list[tuple[Cost, Segment | None]] = [((0, 0, 0, 0), None)]
    for stop in range(1, count + 1):
        kept, ways = _asked_after(program, stop), []
        for first in range(stop):
            weights = sum(sizes[first:stop])
            if stop > first + 1 and most_weights is not None and weights > most_weights:
                continue
            segment = _segment(program, first, stop, kept, check)
            if segment is not None:
                runs, hosts, maps, codes = best[first][0]
                carried = (*segment.reads, *segment.makes)
                hosts += int(segment.piece is None or segment.sums)
                codes += sum(math.prod(program.map_shapes[m]) for m in carried)
                ways.append(((runs + 1, hosts, maps + len(carried), codes), segment))
        best.append(min(ways, key=lambda way: way[0]))
    chosen: list[Segment] = []
    while count:
        segment = best[count][1]
        assert segment is not None, "every step alone is a segment"
        chosen.insert(0, segment)
        count = segment.first
    return tuple(chosen)


def _asked_after(program: Program, stop: int) -> frozenset[int]:
    """Return the maps that are still needed after the first ``stop`` steps
    of the program: those that later steps read, those that states take
    over, and the result."""
    maps_read = {m for step in program.steps[stop:] for m in step.reads} | {len(program.map_shapes) - 1}
    return frozenset(maps_read | {state.source for state in program.states if program.calls > 1})


def _segment(program: Program, first: int, stop: int, kept: frozenset[int], check: Check) -> Segment | None:
    """Return a segment of the steps ``first`` to ``stop`` - 1. If the device
    does not accept these steps, return a segment for the host in the case of a
    single step, else None."""
    refused, targets = "", range(program.first + first, program.first + stop)
    makes = tuple(m for m in targets if m in kept) or (targets[-1],)
    run = Segment(first=first, stop=stop, makes=makes, kept=kept)
    for segment in _on_a_device(program, run):
        assert segment.piece is not None
        try:
            check(segment.piece)
        except GeometryError as error:
            refused = str(error)
        else:
            return segment
    if stop > first + 1:
        return None
    return dataclasses.replace(run, refused=refused if program.steps[first].layers else "")


def _on_a_device(program: Program, run: Segment) -> Iterator[Segment]:
    """Yield the possible divisions of a run of steps between a device and the host. The
    one that leaves the least work to the host comes first."""
    steps = program.steps[run.first : run.stop]
    last, before = steps[-1], program.first + run.first
    if last.fires or len(run.makes) == 1:
        yield from _piece(program, run, steps)
    for product in of_kind(Product, [last]):
        if product.patches.groups > 1:
            continue
        if len(steps) == 1:
            piece = program.piece(program.products_before(run.first))
            yield dataclasses.replace(run, piece=piece, sums=True, by_patch=True)
        elif product.fires and product.patches.positions == 1 and run.makes == (before + len(steps) - 1,):
            bare = dataclasses.replace(product, fires=False, block=(1, 1))
            if product.skip is not None and product.skip < before:
                bare = dataclasses.replace(bare, skip=None, skip_gain=None, skip_shift=0)
            yield from _piece(program, dataclasses.replace(run, sums=True), (*steps[:-1], bare))


def _piece(program: Program, run: Segment, steps: tuple[Step, ...]) -> Iterator[Segment]:
    """Yield the segment ``run`` with a program that consists of ``steps`` alone. Yield
    nothing if a sample or a result would be too large, or if the maps that the steps
    read cannot be separated in one sample."""
    before, shapes = program.first + run.first, program.map_shapes
    reads = tuple(dict.fromkeys(m for step in steps for m in step.reads if m < before))
    sample = joined([shapes[m] for m in reads])
    results = 0 if run.sums else sum(math.prod(shapes[m]) for m in run.makes)
    if max(math.prod(sample), results) > CODES_MAX:
        return
    base, slope = program.curve_base, program.curve_slope
    # The sample consists of several maps. A step that reads only one of them, instead
    # of the whole sample, needs that map extracted from the sample first.
    apart = {m for step in steps for m in _alone(step, reads) if m < before}
    numbers, parts = dict.fromkeys(reads, 0), []
    if len(reads) > 1 and apart:
        # A map is extracted by a lookup-table step with an identity curve. All curves
        # of a program have equally many segments, and the identity curve exists only if
        # their number is a power of two.
        if not (2 <= base.shape[1] < 1 << V_BITS and base.shape[1].bit_count() == 1):
            return
        first_channel, plane = 0, sample[1] * sample[2]
        for m in reads:
            channels = math.prod(shapes[m]) // plane
            if m in apart:
                if shapes[m] != (channels, *sample[1:]):
                    return
                parts.append(_picked(first_channel, channels, curve=len(base), segments=base.shape[1]))
                numbers[m] = len(parts)
            first_channel += channels
        base, slope = _with_line(base, slope)
    numbers |= {before + i: 1 + len(parts) + i for i in range(len(steps))}
    piece_steps: list[Step] = [*parts, *(_moved(step, reads, numbers) for step in steps)]
    results_last = run.makes == (before + len(steps) - 1,)
    if not results_last:
        where = Patches(shape=joined([shapes[m] for m in run.makes]), kernel=(1, 1))
        piece_steps.append(Pool(of="max", sources=tuple(numbers[m] for m in run.makes), patches=where))
    piece = Program(
        name=f"{program.name}, steps {run.first} to {run.stop - 1}",
        rows=program.rows,
        shape=sample,
        steps=tuple(piece_steps),
        curve_base=base,
        curve_slope=slope,
        first_product=program.first_product + program.products_before(run.first),
    )
    yield dataclasses.replace(run, reads=reads, piece=piece)


def _alone(step: Step, reads: tuple[int, ...]) -> tuple[int, ...]:
    """Return the maps that a step needs separately. If the step joins exactly the maps
    ``reads``, which together form the sample of its segment, it reads the whole sample,
    and needs only those maps separately that it does not join."""
    return step.alone if step.sources == reads else step.reads


def _moved(step: Step, reads: tuple[int, ...], numbers: dict[int, int]) -> Step:
    """Return ``step`` with its maps renumbered, from the numbers in the whole program
    to those in the segment's own program; ``numbers`` maps old to new."""
    return step.moved(
        lambda maps: (0,) if maps == reads else tuple(numbers[m] for m in maps), numbers.__getitem__
    )


def _with_line(
    base: npt.NDArray[np.int32], slope: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the curve tables ``base`` and ``slope`` with one curve
    appended, an identity. In a step with ``table_bits`` 0, this curve
    returns every code unchanged."""
    segments = base.shape[1]
    width = (1 << V_BITS) // segments
    line = V_MIN + width * np.arange(segments, dtype=np.int32)
    return np.vstack([base, line]), np.vstack([slope, np.full(segments, width, np.int32)])


def _picked(first: int, count: int, *, curve: int, segments: int) -> Table:
    """Return a lookup-table step that copies channels ``first`` .. ``first + count -
    1`` of the sample unchanged."""
    return Table(
        sources=(0,),
        channel=np.arange(first, first + count, dtype=np.int32),
        offset=np.zeros(count, np.int16),
        scale=np.ones(count, np.uint16),
        curve=np.full(count, curve, np.uint16),
        segment_bits=V_BITS - (segments.bit_length() - 1),
        table_bits=0,
    )

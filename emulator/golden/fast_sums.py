"""The exact integer sums of products of the compiled loops: importing this needs numba.

Both operands are words of two 16-bit numbers, those of two rows of the array:
slice codes of a patch, or weights of a column. A machine multiplies them pair by
pair and adds each pair, twice as many products in an instruction as in float32,
and of half as many bytes; BLAS has no such call. One operand is read as vectors,
PANEL words of a row, the words of the other one by one: vectors of patches where
there are many, of columns else.

``fast_loops`` includes these functions, and numba's cache does not see that this file
changed: set NUMBA_CACHE_DIR to a new folder after editing it.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ndrite.emulator.golden.fast_noise import LOOP, U16, U32, Int32s, Uint32s

ir = cgutils.ir  # type: ignore[attr-defined]  # llvmlite, as numba has it
FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
"""Features of the processor for which numba compiles the loops."""
LANES = 16 if "+avx512bw" in FEATURES else 8
"""Number of sums in one vector."""
PANEL = 2 * LANES
ROWS_OF_WORDS = 4
"""Number of words of the other operand processed in one pass over a panel, so that
their sums stay in registers."""
PAIRWISE = "llvm.x86.avx512.pmaddw.d.512" if LANES == 16 else "llvm.x86.avx2.pmadd.wd"
PAIRWISE = PAIRWISE if "+avx2" in FEATURES else ""
"""Instruction that multiplies 16-bit numbers and adds pairs of products; other machines
compute this in several instructions."""


def _block(count: int) -> Any:
    """Return a compiled function that adds up the products of a panel of vectors with
    ``count`` neighbouring words.

    Written in the compiler's own language: it does not find the instruction by itself.
    """

    @intrinsic
    def block(
        typing: Any, panel: Any, start: Any, step: Any, words: Any, first: Any, stride: Any, pairs: Any,
        out: Any, to: Any, line: Any,
    ) -> Any:  # fmt: skip
        """Compute out[to + line * w + lane] for each w < count and each lane of the
        panel: the int32 sum over r < pairs of panel[start + step * r + lane] *
        words[first + stride * r + w]. A word holds two 16-bit numbers; "*" adds both
        of their products."""
        word = ir.IntType(32)
        halves, sums = ir.VectorType(ir.IntType(16), 2 * LANES), ir.VectorType(word, LANES)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def place(array: int, offset: Any, vector: Any) -> Any:
                made = context.make_array(signature.args[array])(context, builder, arguments[array])
                return builder.bitcast(builder.gep(made.data, [offset]), vector.as_pointer())

            def plus(a: Any, b: int) -> Any:
                return builder.add(a, ir.Constant(a.type, b))

            def every(numbers: Any, odd: int) -> Any:
                lanes = ir.Constant(ir.VectorType(word, LANES), [2 * i + odd for i in range(LANES)])
                return builder.sext(builder.shuffle_vector(numbers, numbers, lanes), sums)

            def multiply(a: Any, b: Any) -> Any:
                if PAIRWISE:
                    form = ir.FunctionType(sums, [halves, halves])
                    return builder.call(
                        cgutils.get_or_insert_function(builder.module, form, PAIRWISE), [a, b]
                    )
                even, odd = (builder.mul(every(a, i), every(b, i)) for i in range(2))
                return builder.add(even, odd)

            zero = ir.Constant(sums, [0] * LANES)
            totals = [cgutils.alloca_once_value(builder, zero) for _ in range(2 * count)]
            for total in totals:
                builder.store(zero, total)
            _, start, step, _, first, stride, pairs, _, to, line = arguments
            with cgutils.for_range(builder, pairs) as loop:
                panel_row, word_row = (builder.mul(loop.index, by) for by in (step, stride))
                vectors = [
                    builder.load(place(0, plus(builder.add(start, panel_row), i * LANES), halves), align=4)
                    for i in range(2)
                ]
                for i in range(count):
                    value = builder.load(place(3, plus(builder.add(first, word_row), i), word), align=4)
                    value = builder.insert_element(ir.Constant(sums, ir.Undefined), value, word(0))
                    value = builder.shuffle_vector(value, value, zero)
                    for total, vector in zip(totals[2 * i :], vectors, strict=False):
                        product = multiply(vector, builder.bitcast(value, halves))
                        builder.store(builder.add(builder.load(total), product), total)
            for i in range(2 * count):
                offset = builder.add(to, builder.mul(line, ir.Constant(line.type, i // 2)))
                builder.store(builder.load(totals[i]), place(7, plus(offset, i % 2 * LANES), sums), align=4)
            return context.get_dummy_value()

        whole = types.intp
        return types.void(panel, whole, whole, words, whole, whole, whole, out, whole, whole), generate

    return block


several, single = _block(ROWS_OF_WORDS), _block(1)


class Operand(NamedTuple):
    """An operand: ``size`` words of each pair of rows. From words[start] on there is a
    panel of PANEL of them every ``panel_step`` words, and in a panel the next pair of
    rows every ``row_step`` words."""

    words: Uint32s
    start: int
    panel_step: int
    row_step: int
    size: int


@njit(**LOOP)
def multiplied(lanes: Operand, singles: Operand, pairs: int, out: Int32s, line: int) -> None:
    """Compute int32 sums of products over ``pairs`` pairs of rows for each word of
    ``lanes``, read as vectors, and each word of ``singles``, and write them to
    out[single * line + lane]."""
    panels, start, panel_step, row, size = lanes
    words, first, word_step, stride, count = singles
    for lane in range(0, size, PANEL):
        source, i = start + lane // PANEL * panel_step, 0
        while i < count:
            at = first + i // PANEL * word_step + i % PANEL
            if i + ROWS_OF_WORDS <= count:
                several(panels, source, row, words, at, stride, pairs, out, i * line + lane, line)
                i += ROWS_OF_WORDS
            else:
                single(panels, source, row, words, at, stride, pairs, out, i * line + lane, line)
                i += 1


def words_of(shape: tuple[int, ...], groups: int, tile_rows: int) -> npt.NDArray[np.uint32]:
    """Return a zero array, uint32, large enough for weights (M, K) in the layout
    that ``pack`` writes."""
    m, k = shape
    pairs = sum((min(tile_rows, k - begin) + 1) // 2 for begin in range(0, k, tile_rows))
    return np.zeros(groups * pairs * -(-(m // groups) // PANEL) * PANEL, np.uint32)


@njit(**LOOP)
def pack(weights: npt.NDArray[np.int16], groups: int, tile_rows: int, out: Uint32s) -> Uint32s:
    """Pack weights int16 (M, K) into words of two rows, nested in this order: groups of
    a grouped convolution, row tiles, panels of columns, pairs of rows, columns. Fills
    and returns ``out`` uint32, which must be zero before."""
    m, k = weights.shape
    share, at = m // groups, 0
    for group in range(groups):
        for begin in range(0, k, tile_rows):
            end = min(k, begin + tile_rows)
            pairs = (end - begin + 1) // 2
            for i in range(share):
                for r in range(begin, end):
                    place = at + (i // PANEL * pairs + (r - begin) // 2) * PANEL + i % PANEL
                    out[place] |= U32(U16(weights[group * share + i, r])) << U32((r - begin) % 2 * 16)
            at += (share + PANEL - 1) // PANEL * pairs * PANEL
    return out

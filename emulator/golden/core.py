"""core: infers samples with any program, vectorised over samples."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ndrite.emulator.golden.codes import Codes, Draw, Trace
from ndrite.emulator.golden.fast import FastCore, available, installed, loaded, suits, work
from ndrite.emulator.spec.arithmetic import IntArray
from ndrite.emulator.spec.errors import require
from ndrite.emulator.spec.evaluate import last
from ndrite.emulator.spec.flow import of_kind
from ndrite.emulator.spec.program import Program
from ndrite.emulator.spec.steps import Product, Step

BATCH = 1024
"""Largest number of samples computed together, which limits the memory of a large run."""
BATCH_VALUES = 1 << 22
"""Largest number of patch values computed together, unless a single sample has more."""
FAST_FROM = 256
"""Number of samples from which on the compiled loops are used, whatever the
cost of a sample."""
FAST_WORK = 1 << 30
"""Number of multiplications above which importing numba costs less time than it saves:
NumPy takes a second for so many."""


class Core:
    """The golden model of one programmed chip: infers samples in NumPy or in compiled
    loops, with the same results.

    ``fast``: whether to use the compiled loops of ``ndrite.emulator.golden.fast``;
    None: where numba has been loaded or is worth loading, for ``FAST_FROM`` samples or
    ``FAST_WORK`` multiplications (loading costs a second). The answers are the same.
    """

    def __init__(self, program: Program, *, fast: bool | None = None) -> None:
        self.program = program
        possible = fast is not False and installed() and suits(program)
        if fast and not (possible and available()):
            sums = "column sums of this program may reach 2^24; accepted: smaller sums, or fast None or False"
            numba = "numba is not available, or NDRITE_PLAIN is 1; install numba, or pass fast None or False"
            raise ValueError(f"fast is True, but {numba if suits(program) else sums}")
        self._fast = FastCore(program) if possible else None
        self._always = bool(fast)
        self._work, self._batch = work(program), batch_of(program.steps)

    def infer(
        self,
        x: npt.NDArray[np.uint8],
        *,
        seed: int = 0,
        first_index: int = 0,
        noise: bool = True,
        stream: int = 0,
        trace: Trace | None = None,
    ) -> npt.NDArray[np.int32]:
        """Compute the outputs of the program for samples.

        Raises ValueError when ``x`` has another shape or dtype, or the seed is out of range.

        Parameters
        ----------
        x:
            Input codes, uint8 (samples, inputs).
        seed:
            Read-noise seed, 0..2^64-1.
        first_index:
            Inference index of the first sample (mod 2^32); sample i has index first_index + i.
        noise:
            False turns read noise off.
        stream:
            Stream of the read noise: 0, or the virtual chip + 1 in a campaign.
        trace:
            Collects every intermediate; the batch is then computed in one piece.

        Returns
        -------
        Logits, int32 (samples, outputs).
        """
        if x.ndim != 2 or x.shape[1] != self.program.inputs or x.dtype != np.uint8:
            raise ValueError(
                f"inputs are {x.dtype} {x.shape}; accepted: uint8 (n, {self.program.inputs}) "
                f"for {self.program.name!r}"
            )
        require(0 <= seed < 1 << 64, "seed", seed, "0..2^64-1", ValueError)
        enough = self._always or loaded() or len(x) >= FAST_FROM or len(x) * self._work >= FAST_WORK
        if self._fast is not None and trace is None and enough and available():
            return self._fast.infer(x, seed=seed, first_index=first_index, noise=noise, stream=stream)
        step = self._batch if trace is None else max(1, len(x))
        out = np.empty((len(x), self.program.outputs), np.int32)
        for start in range(0, len(x), step):
            part = x[start : start + step]
            index = np.arange(first_index + start, first_index + start + len(part), dtype=np.int64)
            codes = Codes.of(self.program, Draw(seed, index, noise, stream), trace)
            maps = last(self.program.run(codes, part))
            out[start : start + len(part)] = maps[-1].reshape(len(part), -1)
        return out

    def maps(
        self, x: npt.NDArray[np.uint8], *, seed: int = 0, first_index: int = 0, noise: bool = True
    ) -> list[IntArray]:
        """Return every map of the last time step (call) for samples x uint8 (n,
        inputs), in the order of map numbers; parameters as for ``infer``."""
        return last(self.calls(x, seed=seed, first_index=first_index, noise=noise))

    def calls(
        self, x: npt.NDArray[np.uint8], *, seed: int = 0, first_index: int = 0, noise: bool = True
    ) -> Iterator[list[IntArray]]:
        """Yield the list of all maps for each time step (call) in turn, for samples x
        uint8 (n, inputs); parameters as for ``infer``."""
        index = np.arange(first_index, first_index + len(x), dtype=np.int64)
        return self.program.run(Codes.of(self.program, Draw(seed, index, noise)), x)


def batch_of(steps: Sequence[Step]) -> int:
    """Return how many samples to compute together. The number is limited,
    because memory has to hold the patches and the results of a matrix
    product for all of them."""
    values_each = max(
        (
            p.patches.positions * max(p.patches.groups * p.patches.inputs, p.layer.outputs)
            for p in of_kind(Product, steps)
        ),
        default=1,
    )
    return max(1, min(BATCH, BATCH_VALUES // values_each))

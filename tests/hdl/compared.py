"""What a bench has compared with the golden trace: nothing may be missing from either side."""

import numpy as np

from emulator.golden import Trace

SHOWN = ("array", "noise", "sigma", "readout", "neuron", "preneuron")
"""Blocks of the trace that the core's probe shows; of ``preneuron`` the last layer's."""


def same(got: object, wanted: object, where: str) -> None:
    """AssertionError tells what was wanted, and where."""
    assert got == wanted, f"{where}: expected {wanted}, got {got}"


class Compared:
    """Values of a core held against ``trace``, each once, in whatever order they come.

    ``counts`` is how many of each block were compared.
    """

    def __init__(self, trace: Trace, layers: int) -> None:
        self.trace = trace
        self.open = {
            key: np.ones(values.shape, bool)
            for key, values in trace.values.items()
            if key[0] in SHOWN and (key[0] != "preneuron" or key[1] == layers - 1)
        }
        self.counts = dict.fromkeys(SHOWN, 0)

    def check(
        self, block: str, key: tuple[int, int, int], image: int, column: int, got: int, *, again: bool = False
    ) -> None:
        """``got`` is the trace's value, for the first time unless ``again``; AssertionError otherwise."""
        layer, tile, dac_slice = key
        where = (
            f"layer {layer}, block {block}, tile {tile}, slice {dac_slice}, column {column}, image {image}"
        )
        assert (block, *key) in self.open, f"{where}: the trace has no such values"
        same(got, int(self.trace.values[block, *key][image][column]), where)
        if again:
            return
        still = self.open[block, *key]
        assert still[image, column], f"{where}: seen twice"
        still[image, column] = False
        self.counts[block] += 1

    def complete(self) -> None:
        """Every value that can be seen was. AssertionError counts what was not."""
        left = {key: int(still.sum()) for key, still in self.open.items() if still.any()}
        assert not left, f"never compared: {left}"

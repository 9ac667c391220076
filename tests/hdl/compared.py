"""What a bench has compared with the golden trace: nothing may be missing from either side."""

import numpy as np

from ndrite.emulator.golden import Trace

SHOWN = ("array", "noise", "sigma", "readout", "neuron", "preneuron")
"""Blocks of the trace that the core's probe shows; of ``preneuron`` the last layer's."""


def same(got: object, wanted: object, where: str) -> None:
    """AssertionError tells what was wanted, and where."""
    assert got == wanted, f"{where}: expected {wanted}, got {got}"


class Opened:
    """The layers of inferences in the order in which a core opens them, of at
    most two at a time."""

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.order: list[tuple[int, int]] = []
        """(inference, layer)."""

    def open(self, from_input: bool) -> tuple[int, int]:
        """A first layer, or the next one of the oldest under way; AssertionError
        when it may not be."""
        begun = sum(layer == 0 for _, layer in self.order)
        ended = sum(layer == self.layers - 1 for _, layer in self.order)
        if from_input:
            assert begun - ended < 2, f"inference {begun} begins while two are half done"
            self.order.append((begun, 0))
        else:
            done = [layer for n, layer in self.order if n == ended]
            assert done, f"layer after the first of inference {ended}, which was not begun"
            self.order.append((ended, done[-1] + 1))
        return self.order[-1]


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
        """``got`` is the trace's value, for the first time unless ``again``;
        AssertionError otherwise."""
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

"""Inputs of one product on the samples: patches as codes and as exact values, and the second operand."""

import numpy as np
import numpy.typing as npt

from ndrite.emulator.mapping.ranges import column_sums
from ndrite.emulator.mapping.scaling import SCALE_MAX, shift_for
from ndrite.emulator.network import Dense
from ndrite.emulator.spec import Layer
from ndrite.emulator.spec.arithmetic import INPUT_MAX, dac_slice, slices
from ndrite.emulator.spec.arrays import Array, Codes, Floats, Ints
from ndrite.emulator.spec.brief import record


@record()
class Second:
    """A second operand: codes and exact values (n, M), and its weight float64 (M,) in the float network."""

    codes: Codes
    exact: Floats
    weight: Floats


@record()
class Rows:
    """Patches of a product: ``codes`` uint8 and ``exact`` float64 in 0..1, both (n, groups * K).

    ``movable``: whether its rows are addressed, so that any may drive any physical row; not where an analog
    layer's columns are wired to them.
    """

    codes: Codes
    exact: Floats
    groups: int = 1
    second: Second | None = None
    movable: bool = True

    def product(self, x: Array, weights: Array) -> Array:
        """``x`` (n, groups * K) times ``weights`` (K, M), each group of columns on its own inputs: (n, M)."""
        if self.groups == 1:
            return np.asarray(x @ weights)
        parts = zip(np.split(x, self.groups, axis=1), np.split(weights, self.groups, axis=1), strict=True)
        return np.concatenate([part @ columns for part, columns in parts], axis=1)

    def wanted(self, dense: Dense) -> Floats:
        """The float network's sums without bias, (n, M)."""
        return np.asarray(self.product(self.exact, dense.weights.astype(np.float64)))

    def sums(self, weights: npt.NDArray[np.int16], rows: int, dac_bits: int) -> Ints:
        """Accumulator values int64 (tiles, slices, n, M)."""
        parts = zip(
            np.split(self.codes, self.groups, axis=1), np.split(weights, self.groups, axis=1), strict=True
        )
        return np.concatenate([column_sums(x, columns, rows, dac_bits) for x, columns in parts], axis=3)

    def read_noise(self, layer: Layer, rows: int) -> Floats:
        """Variance (M,) that read noise adds to p at these inputs, the mean over them; ``rows`` of a tile."""
        share, per_tile = layer.outputs // self.groups, layer.tile_rows(rows)
        gain = np.ones(layer.outputs)
        if layer.readout == "adc":
            gain = layer.gain.astype(np.float64) / (1 << layer.shift)
        added = np.zeros(layer.outputs)
        for g, x in enumerate(np.split(self.codes, self.groups, axis=1)):
            for k in range(0, layer.inputs, per_tile):
                for j in range(slices(layer.dac_bits)):
                    xj = dac_slice(x[:, k : k + per_tile], j, layer.dac_bits).astype(np.float64)
                    sigma = layer.sigma_out**2 + layer.var_cell / 256 * np.square(xj).sum(axis=1).mean()
                    added[g * share : (g + 1) * share] += sigma * 4.0 ** (j * layer.dac_bits)
        return added * np.square(gain)

    def one_group(self) -> Codes:
        """Codes as one row of cells sees them, (n * groups, K)."""
        return self.codes.reshape(len(self.codes) * self.groups, -1)


def skip_gain(weight: Floats, step: Floats) -> tuple[npt.NDArray[np.uint16], int]:
    """``skip_gain`` (M,) and ``skip_shift`` of a second operand, ``step`` (M,) the value of one unit of p."""
    gain = weight / (INPUT_MAX * step)
    largest = max(float(gain.max()), 1e-12)
    shift = shift_for(largest)
    return np.clip(np.rint(gain * 2.0**shift), 0, SCALE_MAX).astype(np.uint16), shift

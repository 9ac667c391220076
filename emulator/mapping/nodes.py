"""Mapping node by node: converts a float network's nodes to a program's steps, in order."""

import dataclasses

import numpy as np

from ndrite.emulator.device.description import Chip
from ndrite.emulator.errors import CompileError
from ndrite.emulator.golden.codes import Codes as CodeArithmetic
from ndrite.emulator.golden.codes import Draw
from ndrite.emulator.golden.core import batch_of
from ndrite.emulator.mapping.block import laid_out
from ndrite.emulator.mapping.curves import Curves, placed
from ndrite.emulator.mapping.devices import make_neurons
from ndrite.emulator.mapping.die import DieArray, DieTable
from ndrite.emulator.mapping.layer import compile_layer
from ndrite.emulator.mapping.ranges import SCALE_MAX, Rows, Second, shift_for
from ndrite.emulator.mapping.report import LayerReport, MapOptions, TableReport
from ndrite.emulator.network import Gate, Ndr, Network, Node, Pool, Product, Table
from ndrite.emulator.network.floats import result
from ndrite.emulator.spec import Program, steps
from ndrite.emulator.spec.arithmetic import INPUT_MAX, Array, Codes, Floats, slices
from ndrite.emulator.spec.evaluate import At, PerKind, evaluated

LOOKED_AT = (16, 256)
"""Number of samples, and number of patches of each matrix product, from which the
fraction of inputs that are 0 is estimated. The estimate influences the layout."""
PATCHES_MAX = 4096
"""Largest number of patches on which converters are calibrated, picked at even
intervals, if there is more than one patch per sample."""
DEVICES = 1 << 32
"""Offset between the numbers of two random streams of a matrix product: i for its
cells, DEVICES + i for its converters and neurons."""
TABLES = 1 << 33
"""Offset of the number of a table step's random stream: TABLES + i for the
devices of node i."""


def layer_generators(seed: int, layer: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return two random generators of chip number ``seed`` for one matrix product: the
    first for its cells, the second for its converters and neurons."""
    return generator(seed, layer), generator(seed, DEVICES + layer)


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return the random generator for the stream number ``stream`` of chip number ``seed``."""
    return np.random.Generator(np.random.Philox(key=[seed, stream]))


def _cut_again(network: Network) -> set[int]:
    """Return the numbers of the matrix products whose output map is read only as the
    single source of matrix products and pools. Rows and columns of such a map that no
    patch reaches need not be computed."""
    maps_asked = network.asked
    for node in network.nodes:
        if node.kind not in ("product", "pool") or len(node.sources) > 1:
            maps_asked.update(node.sources)
        maps_asked.update(node.alone)
    products = [(network.first + i, node) for i, node in enumerate(network.nodes) if node.kind == "product"]
    return {n for n, (m, node) in enumerate(products) if m not in maps_asked and node.alone == ()}


class Mapper(PerKind):
    """Visitor that maps a network's nodes in order, and keeps the outputs of all nodes
    on the calibration samples.

    ``codes`` and ``exact``: every map so far, uint8 and float64 in 0..1, of all calls,
    one call behind the other. Where a network has states, those are the float
    network's own, as codes.
    """

    def __init__(
        self,
        network: Network,
        chip: Chip,
        samples: Codes,
        seed: int,
        options: MapOptions,
        exact: Floats | None = None,
    ) -> None:
        self._network, self._chip, self._seed, self._options = network, chip, seed, options
        self._laid_out = list(network.products)
        if options.target is not None:
            self._laid_out = laid_out(
                network.products,
                options.target,
                rows=chip.array.rows,
                slices=slices(chip.input.dac_bits),
                beyond=_cut_again(network),
                visited=_visited(network, samples),
            )
        self._steps: list[steps.Step] = []
        self._curves = Curves()
        self.reports: list[LayerReport] = []
        self.tables: list[TableReport] = []
        self.functions: list[DieTable | None] = []
        self.arrays: list[DieArray] = []
        self._codes: list[Codes] = [_by_call(samples, network)]
        inputs = samples.astype(np.float64) / INPUT_MAX if exact is None else exact
        self._exact: list[Floats] = [_by_call(inputs, network)]
        self._known: list[Floats] = []
        if network.states:
            maps_of_calls = list(network.calls_of(inputs))
            self._known = [
                np.concatenate(maps).astype(np.float64) for maps in zip(*maps_of_calls, strict=True)
            ]
            for i, state in enumerate(network.states):
                before = [
                    np.full_like(maps_of_calls[0][1 + i], state.start),
                    *(maps[state.source] for maps in maps_of_calls[:-1]),
                ]
                exact = np.concatenate(before).astype(np.float64)
                self._exact.append(exact)
                self._codes.append(np.rint(exact * INPUT_MAX).astype(np.uint8))

    def program(self) -> Program:
        """Return the program of all nodes; call it after the last ``take``."""
        return Program(
            name=self._network.name,
            rows=self._chip.array.rows,
            shape=self._network.shape,
            steps=tuple(self._steps),
            curve_base=self._curves.base,
            curve_slope=self._curves.slope,
            states=tuple(
                dataclasses.replace(s, start=round(s.start * INPUT_MAX)) for s in self._network.states
            ),
            calls=self._network.calls,
            first_product=self._options.first_product,
        )

    def take(self, node: Node) -> None:
        """Map the next node: append its step to the program, and store its
        outputs on the samples."""
        codes, exact = node.visit(self, node) or (None, None)
        if codes is None:
            codes = self._made(self._steps[-1])
        if self._known:
            exact = self._known[len(self._codes)]
        elif exact is None:
            exact = result(node, {m: self._exact[m].astype(np.float32) for m in node.reads}).astype(
                np.float64
            )
        self._codes.append(codes)
        self._exact.append(exact)

    def _made(self, step: steps.Step) -> Codes:
        """Return the map that a step computes on the samples without read noise,
        computed in batches to limit memory."""
        base, slope, count = self._curves.base, self._curves.slope, len(self._codes[0])
        place, parts, batch = At(), [], batch_of([step])
        for start in range(0, count, batch):
            maps = {m: self._codes[m][start : start + batch] for m in step.reads}
            draw = Draw.none(min(batch, count - start))
            codes = CodeArithmetic(self._chip.array.rows, base, slope, draw)
            parts.append(evaluated(codes, place, step, maps))
        return np.concatenate(parts)

    def pool(self, node: Pool) -> None:
        """Append the program step for a pooling node."""
        border = 0 if node.of == "max" or node.inside else round(node.pad * INPUT_MAX)
        mul, shift = None, 0
        if node.of == "average":
            counts = node.counts / node.gain
            shift = 15 + int(np.floor(np.log2(counts.min())))
            mul = np.rint(2.0**shift / counts).astype(np.uint16)
        self._steps.append(
            steps.Pool(
                of=node.of,
                sources=node.sources,
                patches=node.patches,
                border=border,
                mul=mul,
                pool_shift=shift,
                block=node.block,
            )
        )

    def gate(self, node: Gate) -> None:
        """Append the program step for a gate node. Its gains are converted to code
        units, in which the product of two maps is 255 times too large."""
        gains = [term.gain / (INPUT_MAX if term.b is not None else 1) for term in node.terms]
        largest = max(abs(gain) for gain in gains)
        if not 0 < largest < SCALE_MAX:
            raise CompileError(f"gains of a gate reach {largest:g}; accepted: above 0, below {SCALE_MAX}")
        shift = shift_for(largest)
        terms = tuple(
            dataclasses.replace(
                term,
                gain=round(gain * 2.0**shift),
                a_zero=round(term.a_zero * INPUT_MAX),
                b_zero=round(term.b_zero * INPUT_MAX),
            )
            for term, gain in zip(node.terms, gains, strict=True)
        )
        self._steps.append(steps.Gate(terms=terms, gate_shift=shift, zero=round(node.zero * INPUT_MAX)))

    def product(self, node: Product) -> tuple[Codes, Floats] | None:
        """Append the program step for a matrix-product node. If all patches of the
        samples were used to calibrate it, also return its output maps, as codes
        and as exact values."""
        number = len(self.arrays)
        wide = self._laid_out[number]
        rows, every = self._rows(wide)
        generators = layer_generators(self._seed, self._options.first_product + number)
        result = compile_layer(wide.dense, self._chip, rows, self._curves, generators, self._options)
        self.reports.append(result.report)
        self.arrays.append(result.array)
        self._steps.append(
            steps.Product(
                layer=result.layer,
                sources=wide.sources,
                patches=wide.patches,
                border=round(wide.pad * INPUT_MAX),
                block=wide.block,
                fires=wide.dense.activation is not None,
                skip=wide.skip,
                skip_gain=result.array.skip_gain,
                skip_shift=result.array.skip_shift,
            )
        )
        if every:
            count = len(self._codes[0])
            places = wide.patches.place
            shape = (count, wide.patches.positions, -1)
            codes, exact = result.codes.reshape(shape), result.exact.reshape(shape)
            return places(codes, wide.block), places(exact, wide.block)
        if wide.dense.activation is None:
            # This is the last product. No node reads its output, so any map will do.
            return np.zeros((1, 1, 1, 1), np.uint8), np.zeros((1, 1, 1, 1))
        return None

    def _rows(self, node: Product) -> tuple[Rows, bool]:
        """Return the patches on which a matrix product is calibrated, and whether these
        are all patches of the samples."""
        patches, count = node.patches, len(self._codes[0])
        total = count * patches.positions
        every = patches.positions == 1 or total <= PATCHES_MAX
        pick = np.arange(total)
        if not every:
            pick = np.unique(np.linspace(0, total - 1, PATCHES_MAX).astype(np.int64))
        codes = patches.pick(node.source(self._codes), pick, round(node.pad * INPUT_MAX))
        exact = patches.pick(node.source(self._exact), pick, node.pad)
        second = None
        if node.skip is not None:
            assert node.skip_weight is not None
            codes_beside = patches.gather(self._codes[node.skip], node.block).reshape(total, -1)[pick]
            exact_beside = patches.gather(self._exact[node.skip], node.block).reshape(total, -1)[pick]
            second = Second(codes_beside, exact_beside, node.skip_weight.astype(np.float64))
        first = self._network.first
        source_steps = [self._steps[s - first] for s in node.sources if s >= first]
        wired = self._chip.readout.kind == "analog" and any(s.layers for s in source_steps)
        return Rows(codes, exact, patches.groups, second, not wired), every

    def table(self, node: Table) -> None:
        """Append the program step for a lookup-table node, with curves that each cover
        the whole range of input codes."""
        outputs = len(node.channel)
        rng = generator(self._seed, TABLES + len(self._steps))
        neurons = make_neurons(node.activation, self._chip, outputs, rng)
        table = DieTable(neurons, node.gain.astype(np.float64), node.shift_by.astype(np.float64))
        self.functions.append(table if isinstance(node.activation, Ndr) else None)
        distinct, curve_of = np.unique(table.values(), axis=0, return_inverse=True)
        curve_of = curve_of.reshape(-1)
        offset, scale, exact_codes = placed(distinct)
        of, error = self._curves.fit(exact_codes)
        curve = of[curve_of]
        self.tables.append(
            TableReport(
                functions=outputs,
                curves=len(np.unique(curve)),
                pwl_error_lsb=error,
                unreachable=neurons.unreachable,
            )
        )
        self._steps.append(
            steps.Table(
                sources=node.sources,
                channel=node.channel,
                offset=offset[curve_of],
                scale=scale[curve_of],
                curve=curve,
            )
        )


def _visited(network: Network, samples: Codes) -> list[float]:
    """Return for each matrix product the fraction of the input codes in its patches
    that are not 0, estimated on some of the samples."""
    some = samples[np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT[0]).astype(np.int64))]
    maps = network.maps(some.astype(np.float32) / INPUT_MAX)

    def share(product: Product) -> float:
        last = len(some) * product.patches.positions - 1
        pick = np.unique(np.linspace(0, last, LOOKED_AT[1]).astype(np.int64))
        patches = product.patches.pick(product.source(maps), pick, product.pad)
        return float((np.rint(patches * INPUT_MAX) != 0).mean())

    return [share(product) for product in network.products]


def _by_call(samples: Array, network: Network) -> Array:
    """Reorder samples (n, calls * values) to input maps (calls * n, C, H, W): all
    samples of the first time step (call), then those of the next one."""
    calls = samples.reshape(len(samples), network.calls, *network.shape)
    return np.ascontiguousarray(calls.swapaxes(0, 1)).reshape(-1, *network.shape)

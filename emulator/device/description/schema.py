"""Schema of a chip description. Field names end in their unit; ``Chip.sources`` says
where each value comes from."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any

from ndrite.emulator.device.ecram.description import Ecram
from ndrite.emulator.device.fields import choice, number, section
from ndrite.emulator.device.ndr.description import Neuron
from ndrite.emulator.device.pulsing import Programming
from ndrite.emulator.device.rram.description import Cell
from ndrite.emulator.errors import ChipError, PhysicsError, require, require_field, require_line
from ndrite.emulator.spec.arithmetic import ADC_BITS, DAC_BITS


@section("array")
class Array:
    """The crossbar array. All ``rows`` of an array add on one column line before
    readout; IR drop is solved for each array separately.

    Attributes
    ----------
    rows, columns:
        Cells of one array; G+ and G- of a weight sit at the same place of two arrays
        (``pairs`` separate) or in neighbouring columns of one (``interleaved``, an
        array then holds columns / 2 weights a row).
    wire_resistance_ohm:
        One wire segment between neighbouring cells, row and column alike; 0 is an ideal wire.
    access_resistance_ohm:
        Access transistor (and selector), in series with each cell: 0 where the
        conductances were measured through it, as those of 1T1R cells are,
        which include it.
    wire_capacitance_fF:
        One wire segment between neighbouring cells, row and column alike, the cell's
        terminal included.
    read_time_ns:
        From driving the rows until the columns are sensed; the wires' R C then leaves
        far cells unsettled (``ndrite.emulator.device.settling``). None: long after
        they have settled.
    """

    rows: Annotated[int, number(8, 1024, multiple=8)] = 128
    columns: Annotated[int, number(2, 1024, multiple=2)] = 128
    pairs: Annotated[str, choice(("separate", "interleaved"))] = "separate"
    wire_resistance_ohm: Annotated[float, number(0, 1e3)] = 0.0
    access_resistance_ohm: Annotated[float, number(0, 1e6)] = 0.0
    wire_capacitance_fF: Annotated[float, number(0, 1e3)] = 0.0
    read_time_ns: Annotated[float | None, number(1e-3, 1e9)] = None

    @property
    def segment_time_s(self) -> float:
        """Time constant R C of one wire segment, seconds."""
        return self.wire_resistance_ohm * self.wire_capacitance_fF * 1e-15

    @property
    def settles_for_s(self) -> float | None:
        """Time in seconds between driving the rows and sensing the columns. None if
        settling is not modelled: the columns are then assumed to have settled."""
        return self.read_time_ns * 1e-9 if self.read_time_ns is not None and self.segment_time_s else None

    @property
    def weights_across(self) -> int:
        """Number of weights in one row of a tile."""
        return self.columns // 2 if self.pairs == "interleaved" else self.columns

    @property
    def arrays_a_tile(self) -> int:
        """Number of arrays that hold the weights of one tile: two if positive and
        negative cells are in separate arrays."""
        return 1 if self.pairs == "interleaved" else 2

    def tiles(self, rows: int, columns: int) -> tuple[int, int]:
        """Return how many tiles a matrix of ``rows`` x ``columns`` weights needs, as
        (vertically, horizontally)."""
        return math.ceil(rows / self.rows), math.ceil(columns / self.weights_across)


@section("input")
class Input:
    """Row drivers. An 8-bit input is applied as 8 / ``dac_bits`` bit slices one after
    the other. The largest slice value is at ``read_voltage_V``, which is also the
    voltage at which conductances are specified."""

    dac_bits: Annotated[int, choice(DAC_BITS)] = 8
    read_voltage_V: Annotated[float, number(1e-3, 10)] = 0.2


@section("readout")
class Readout:
    """How a column is sensed: by an ADC, or directly by the neuron (``analog``).

    ``range_policy`` says whether ADC gain and offset are set per column or once for a
    layer. Of analog columns: whether each has a scale of its own (a digital one), or
    all of a layer have one transimpedance, and nothing stands between a column and its
    neuron that is not a circuit. ``output_noise_lsb`` is the standard deviation of
    column and ADC noise, in ADC steps (adc only). ``gain_mismatch_percent`` and
    ``offset_mismatch_lsb``: deviations of each column's converter (adc only).
    ``compression_percent``: part that a column's amplifier loses of a current at the
    end of its converter's range, y / (1 + n |y|) as aihwkit's
    ``IOParameters.out_nonlinearity`` has it, with a relative deviation between columns
    of ``compression_mismatch_percent`` (adc only; ``explain`` alone computes them).
    ``column_*`` (analog only): standard deviations of noise, offset and gain of a
    column's amplifier; noise and offset in percent of the largest column current that
    samples cause in the layer. ``noise_temperature_K``: where noise of columns and
    converters is as given; it goes with the square root of the temperature, as thermal
    noise does (Nyquist, Phys. Rev. 32, 110, 1928). None: it stays. ``bias``:
    ``digital``, or ``cells``: rows of cells whose input is always full (analog only).
    """

    kind: Annotated[str, choice(("adc", "analog"))] = "adc"
    adc_bits: Annotated[int, number(ADC_BITS.start, ADC_BITS.stop - 1)] = 8
    range_policy: Annotated[str, choice(("column", "layer"))] = "column"
    output_noise_lsb: Annotated[float, number(0, 16)] = 0.0
    gain_mismatch_percent: Annotated[float, number(0, 30)] = 0.0
    offset_mismatch_lsb: Annotated[float, number(0, 64)] = 0.0
    compression_percent: Annotated[float, number(0, 90)] = 0.0
    compression_mismatch_percent: Annotated[float, number(0, 100)] = 0.0
    column_noise_percent: Annotated[float, number(0, 30)] = 0.0
    column_offset_percent: Annotated[float, number(0, 30)] = 0.0
    column_gain_mismatch_percent: Annotated[float, number(0, 30)] = 0.0
    noise_temperature_K: Annotated[float | None, number(1, 1000)] = None
    bias: Annotated[str, choice(("digital", "cells"))] = "digital"

    def __post_init__(self) -> None:
        if self.bias == "cells" and not self.is_circuit:
            raise ChipError(
                f"readout.bias is 'cells'; accepted: digital, as readout.kind is {self.kind!r} and "
                f"range_policy {self.range_policy!r}; cells with kind analog and range_policy layer"
            )

    @property
    def is_circuit(self) -> bool:
        """Whether a column drives its neuron directly, without a digital stage in between."""
        return self.kind == "analog" and self.range_policy == "layer"


@section("conditions")
class Conditions:
    """When and at what temperature the chip is used. ``temperature_K`` changes
    everything for which the description has a law of temperature: the neuron, the
    ECRAM's retention, and the noise of columns and converters, but not the memory
    cells. None leaves ``neuron.temperature_K`` as it is. ``corrected_at_s``: when
    ranges, gains and biases were calibrated, in seconds after programming; None: they
    are calibrated anew whenever the chip is used."""

    temperature_K: Annotated[float | None, number(1, 1000)] = None
    time_since_programming_s: Annotated[float, number(1e-6, 1e9)] = 1.0
    corrected_at_s: Annotated[float | None, number(1e-6, 1e9)] = None


SECTIONS: dict[str, type[Any]] = {
    "array": Array,
    "cell": Cell,
    "programming": Programming,
    "input": Input,
    "readout": Readout,
    "neuron": Neuron,
    "ecram": Ecram,
    "conditions": Conditions,
}


CARD = ("data", "conditions", "licence", "error", "extrapolated")
"""Texts of a device card: what was measured and where that is published (figure or
table, DOI), how (sample, sweep, temperature), the licence of the data, the error of the
fit on points that it did not see, and what of the values the data do not say."""


@dataclass(frozen=True, kw_only=True)
class Chip:
    """The description of a whole chip. ``sources`` maps ``section.field`` to the
    publication that states the value, or to ``illustrative``. ``cards`` maps the name
    of a measured part to its device card, a text for each key of ``CARD``."""

    name: str
    cell: Cell
    description: str = ""
    programming: Programming = dataclasses.field(default_factory=Programming)
    array: Array = dataclasses.field(default_factory=Array)
    input: Input = dataclasses.field(default_factory=Input)
    readout: Readout = dataclasses.field(default_factory=Readout)
    neuron: Neuron = dataclasses.field(default_factory=Neuron)
    ecram: Ecram = dataclasses.field(default_factory=Ecram)
    conditions: Conditions = dataclasses.field(default_factory=Conditions)
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    cards: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_texts()
        kelvin = self.conditions.temperature_K
        if kelvin is not None:
            object.__setattr__(self, "neuron", dataclasses.replace(self.neuron, temperature_K=kelvin))
        try:
            for state in (0.0, 1.0):
                self.ecram.shaped(self.neuron.device, state)
        except PhysicsError as error:
            raise ChipError(f"ecram.{error}") from None
        single_slice = not self.readout.is_circuit or self.input.dac_bits == 8
        eight = "8, as analog columns with range_policy layer cannot add slices"
        require_field(self.input, single_slice, "dac_bits", eight)
        low, high = self.cell.drift_model.times_s
        time, corrected = self.conditions.time_since_programming_s, self.conditions.corrected_at_s
        times = f"{low:g}..{high:g}, the times cell.drift {self.cell.drift!r} covers"
        require_field(self.conditions, low <= time <= high, "time_since_programming_s", times)
        before = corrected is None or low <= corrected <= time
        times = f"{low:g}..{time:g}, up to conditions.time_since_programming_s"
        require_field(self.conditions, before, "corrected_at_s", times)

    def _check_texts(self) -> None:
        """Check that all texts of the description are single lines of
        printable characters, because they are displayed, and copied into
        source text of other languages."""
        require_line("name", self.name, ChipError)
        longer = {"description": self.description}
        for field, source in self.sources.items():
            require_line("sources, a field's name", field, ChipError)
            longer[f"sources.{field}"] = source
        for part, card in self.cards.items():
            require_line("cards, a part's name", part, ChipError)
            longer |= {f"cards.{part}.{key}": words for key, words in card.items()}
        for where, words in longer.items():
            fits = isinstance(words, str) and words.isprintable()
            require(fits, where, repr(words)[:60], "printable text without control characters", ChipError)

    @property
    def temperature_K(self) -> float:
        """Temperature of the chip, kelvin."""
        return self.neuron.temperature_K

    @property
    def noise_factor(self) -> float:
        """Factor by which the chip's temperature scales the described noise of
        columns and converters."""
        noise_temperature = self.readout.noise_temperature_K
        return 1.0 if noise_temperature is None else (self.temperature_K / noise_temperature) ** 0.5

    def as_dict(self) -> dict[str, Any]:
        """Return every value by section as plain types, for reports and provenance;
        ``parse_chip`` accepts the result."""
        return dataclasses.asdict(self)

    def fields(self) -> dict[str, Any]:
        """Return every value as ``section.field`` to value, with sections in the order
        of a description."""
        values = self.as_dict()
        return {f"{section}.{name}": v for section in SECTIONS for name, v in values[section].items()}

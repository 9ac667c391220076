"""Report of an import: the error of all that is not exact, node by node and of the whole."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from ndrite.emulator.spec.brief import record


@dataclass(frozen=True, kw_only=True)
class BlockReport:
    """One product, table or gate of the network.

    Attributes
    ----------
    node, function:
        The node its weights are of, and what it computes after them (``product``), of each value
        (``table``), or of several (``gate``).
    kind:
        ``product``, ``table`` or ``gate``.
    inputs, outputs:
        K (of a patch, for a convolution; its group's) and M; channels, for a table or gate.
    low, high:
        Pre-activations that the table spans; outside, the function is held at its ends. For a gate: the
        results that codes span.
    step:
        Value of one code of its outputs, in the model's unit; 0 for the output layer.
    table_error:
        Largest error of the 32-segment table in its span, in the model's unit, its rounding to codes
        included.
    table_error_lsb:
        The same in codes.
    beyond:
        Fraction of the samples' pre-activations outside the span, where that costs a code or more; None
        without samples.
    """

    node: str
    kind: str
    function: str
    inputs: int
    outputs: int
    low: float
    high: float
    step: float
    table_error: float
    table_error_lsb: float
    beyond: float | None


@record(kw_only=True)
class ImportReport:
    """A whole model.

    Attributes
    ----------
    float_error:
        Largest difference of the network's float outputs to the model's on the samples.
    error_rms, error_max:
        With inputs and activations in 8-bit codes and functions as tables, weights exact: root mean square
        and largest difference to the model's outputs on the samples, in the model's unit.
    output_rms:
        Root mean square of the model's outputs on the samples, to compare with.
    output_shape:
        (M,) or (C, H, W) of one result.
    calls:
        Calls of one sample; more than 1 for a sequence.
    notes:
        Parts of the model that were left out, one line each.
    """

    name: str
    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    calls: int
    samples: int
    blocks: tuple[BlockReport, ...]
    float_error: float | None
    error_rms: float | None
    error_max: float | None
    output_rms: float | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return dataclasses.asdict(self)

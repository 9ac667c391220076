"""What of a chip description a network's program does not use, in words."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.device.description import Chip, Neuron
from emulator.network.activation import Activation, Ndr

OTHERS_ERRORS = {
    "analog": (
        ("output_noise_lsb", "gain_mismatch_percent", "offset_mismatch_lsb"),
        "analog readout has no converters",
    ),
    "adc": (
        ("column_noise_percent", "column_offset_percent", "column_gain_mismatch_percent"),
        "adc readout has no analog columns",
    ),
}
"""Fields of the other kind of readout, by the kind that does not use them, and why."""


def unused_parts(activations: Iterable[Activation | None], chip: Chip) -> tuple[str, ...]:
    """One line for each part of ``chip`` that changes nothing in a network with these activations."""
    lines = []
    found = [activation for activation in activations if activation is not None]
    exact = sorted({activation.name for activation in found if not isinstance(activation, Ndr)})
    if not any(isinstance(activation, Ndr) for activation in found):
        parts = ["neuron"] if chip.neuron != Neuron() else []
        parts += ["ecram"] if chip.ecram.tunes != "none" else []
        what = (
            f"hidden layers are exact tables of {', '.join(exact)}" if exact else "there is no hidden layer"
        )
        if parts:
            lines.append(
                f"not used of the chip: {' and '.join(parts)}, as {what}; `ndrite train --chip {chip.name}` "
                "trains a network of its NDR neurons"
            )
    names, why = OTHERS_ERRORS[chip.readout.kind]
    ignored = [name for name in names if getattr(chip.readout, name)]
    if ignored:
        lines.append(f"not used of the chip: readout.{', readout.'.join(ignored)}, as {why}")
    return tuple(lines)

"""Fields of a chip description that have no effect on its chip, each with the reason.

A value that a user states and that changes no number is a wrong answer without
a word: a day since programming on a chip without a law of drift gives the
weights of one second.
"""

from collections.abc import Iterator

from ndrite.emulator.device.description.schema import SECTIONS, Chip
from ndrite.emulator.device.fields import fields_of
from ndrite.emulator.device.ndr.curves import CURRENT, SHAPES, VOLTAGE
from ndrite.emulator.device.rram.description import FITTED, FITTED_DRIFTS

ANALOG_ONLY = "column_noise_percent column_offset_percent column_gain_mismatch_percent bias".split()
CONVERTER_ONLY = (
    "output_noise_lsb gain_mismatch_percent offset_mismatch_lsb compression_percent "
    "compression_mismatch_percent"
).split()
FITTED_ONLY = "error_coefficients_uS error_reference_uS fitted_min_uS fitted_max_uS".split()
LAW = "programming_error"
SWITCHES = {
    "cell.telegraph_percent": "cell.telegraph_step_percent",
    "cell.telegraph_step_percent": "cell.telegraph_percent",
    "cell.telegraph_dwell": "cell.telegraph_percent",
    "cell.stuck_low_uS": "cell.stuck_low_percent",
    "cell.stuck_high_uS": "cell.stuck_high_percent",
    "array.wire_capacitance_fF": "array.wire_resistance_ohm",
    "array.read_time_ns": "array.wire_capacitance_fF",
    "readout.compression_mismatch_percent": "readout.compression_percent",
}
"""Field of a chip description -> the field whose value 0 (or absence) makes it ineffective."""


def idle_fields(chip: Chip) -> dict[str, str]:
    """Return the description fields that have no effect on ``chip``, as a dictionary
    from ``section.field`` to the reason.

    Fields at their default are included: whoever asks knows which ones the user stated.
    """
    reasons = dict(_of_other_models(chip)) | dict(_without_their_condition(chip))
    return {field: reasons[field] for field in chip.fields() if field in reasons}


def stated_in_vain(chip: Chip) -> dict[str, str]:
    """Return the fields that the description sets to a value other than the
    default, although they have no effect on ``chip``, as a dictionary from
    ``section.field`` to the reason."""
    defaults = {
        f"{section}.{field.name}": field.default
        for section, cls in SECTIONS.items()
        for field in cls.__dataclass_fields__.values()
    }
    values = chip.fields()
    return {field: why for field, why in idle_fields(chip).items() if values[field] != defaults[field]}


def _of_other_models(chip: Chip) -> Iterator[tuple[str, str]]:
    """Yield the fields that only another ``model`` of their section would use,
    each with the reason."""
    models = {"neuron": chip.neuron.model, "ecram": chip.ecram.model, "programming": chip.programming.model}
    for section, model in models.items():
        for field, accepted in fields_of(SECTIONS[section]).items():
            needed = getattr(accepted, "models", ())
            if needed and model not in needed:
                yield f"{section}.{field}", f"of model {' or '.join(needed)}, not {model}"


def _without_their_condition(chip: Chip) -> Iterator[tuple[str, str]]:
    """Yield the fields that the value of another field switches off, each with the reason."""
    cell, readout, ecram = chip.cell, chip.readout, chip.ecram
    for field in ANALOG_ONLY if readout.kind == "adc" else CONVERTER_ONLY:
        yield f"readout.{field}", f"readout.kind is {readout.kind}"
    if cell.programming_error != FITTED:
        for field in FITTED_ONLY:
            yield f"cell.{field}", f"cell.{LAW} is {cell.programming_error}, not {FITTED}"
    if cell.drift not in FITTED_DRIFTS:
        for field in ("drift_mean", "drift_deviation", "drift_from_s"):
            yield f"cell.{field}", f"cell.drift is {cell.drift}, not {' or '.join(FITTED_DRIFTS)}"
    if cell.programming_error == "ideal" and cell.drift == "none":
        yield "cell.error_scale", f"cell.{LAW} is ideal and cell.drift none: there is nothing to scale"
    if cell.read_noise_model != "constant":
        yield "cell.read_noise_percent", f"cell.read_noise_model is {cell.read_noise_model}"
    values = chip.fields()
    for field, switch in SWITCHES.items():
        if not values[switch]:
            yield field, f"{switch} is {values[switch] or 0}"
    explained = "explain alone computes it: it is in no program and on no board"
    if readout.kind == "adc" and readout.compression_percent:
        yield "readout.compression_percent", explained
    if cell.telegraph_percent and cell.telegraph_dwell:
        yield "cell.telegraph_dwell", explained
    if chip.programming.model == "none":
        for field in fields_of(SECTIONS["programming"]).keys() - {"model"}:
            yield f"programming.{field}", "programming.model is none"
    if chip.neuron.model != "table":
        for field in ("table_voltage_V", "table_current_A"):
            yield f"neuron.{field}", f"of model table, not {chip.neuron.model}"
    if ecram.tunes == "none":
        for field in fields_of(SECTIONS["ecram"]).keys() - {"tunes"}:
            yield f"ecram.{field}", "ecram.tunes is none"
    for factor, tunes in (("peak_voltage", VOLTAGE), ("peak_current", CURRENT), ("shape", SHAPES)):
        if ecram.tunes not in tunes:
            for end in ("low", "high"):
                yield f"ecram.{factor}_{end}_factor", f"ecram.tunes is {ecram.tunes}"
    still = ecram.tunes == "none" or ecram.retention_s is None
    if ecram.retention_s is None:
        for field in ("retention_energy_eV", "retention_rest", "reference_temperature_K"):
            yield f"ecram.{field}", "ecram.retention_s is not given"
    if cell.drift == "none" and cell.read_noise_model == "constant" and still:
        for field in ("time_since_programming_s", "corrected_at_s"):
            yield f"conditions.{field}", "cell.drift is none and nothing else of the chip changes with time"
    if chip.neuron.model != "esaki" and readout.noise_temperature_K is None and still:
        yield "conditions.temperature_K", "neuron, noise and ECRAM of the chip have no law of temperature"

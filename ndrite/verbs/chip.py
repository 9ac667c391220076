"""chip: list, show, check and compare chip descriptions."""

from textwrap import wrap
from typing import Annotated, Any

from ndrite.emulator.device.description import Chip, Neuron, list_devices, load_chip
from ndrite.emulator.device.description import list_chips as chips
from ndrite.emulator.device.description.idle import idle_fields
from ndrite.emulator.device.description.loader import load_content
from ndrite.emulator.device.description.schema import SECTIONS
from ndrite.results import Found, Table, plain
from ndrite.signature import Option, verb

SUMMARY = 120
"""Number of characters of a description that the list shows."""
Name = Annotated[str, Option("NAME")]


@verb
def list_chips() -> Found:
    """List chip presets, and the devices that can be added with +.

    Examples
    --------
    $ ndrite chip list --json
    """
    names = [(name, "chip") for name in chips()] + [(name, "device") for name in list_devices()]
    rows = [(name, kind, _summary(load_content(name))) for name, kind in names]
    keys = ("name", "kind", "description")
    content = {"chips": [dict(zip(keys, row, strict=True)) for row in rows]}
    return Found(content, (Table("chips", ("name", "kind", "what"), rows),))


@verb
def show(name: Name, /) -> Found:
    """Show every value of a chip or a device with its source.

    Units are in the names of the values. For a measured device the card of its
    measurement is shown too.

    Parameters
    ----------
    name:
        A preset, a file, or several joined with +; the fields of later ones replace
        those of earlier ones.

    Examples
    --------
    $ ndrite chip show dendritic-ndr
    $ ndrite chip show ndr-ai301a
    """
    chip, single, part = _read(name)
    content, stated = chip.as_dict(), dict.fromkeys(_stated(single), "stated without a source")
    if part:
        sections = {key: {f: content[key][f] for f in single[key]} for key in SECTIONS if key in single}
        head = {"name": single.get("name", name), "description": _summary(single, None)}
        sources = {f: source for f, source in chip.sources.items() if f in stated}
        content = head | sections | {"sources": sources, "cards": content["cards"]}
    rows = [
        (field, plain(value), chip.sources.get(field) or stated.get(field, "default"))
        for section in SECTIONS
        for field, value in ((f"{section}.{name}", value) for name, value in content.get(section, {}).items())
    ]
    title = f"{content['name']}: {content['description']}"
    lines = [line for of, card in chip.cards.items() for line in ("", f"Device card of {of}", *_card(card))]
    return Found(content, (Table(title, ("field", "value", "source"), rows),), said=tuple(lines))


@verb
def check(name: Name, /) -> Found:
    """Validate a description, and list values without a source or an effect.

    Also says what keeps the neuron's circuit stable. The exit code is 2 if the
    description is wrong.

    Examples
    --------
    $ ndrite chip check mine.yaml
    """
    chip, single, is_part = _read(name)
    stated = _stated(single)
    unsourced = [field for field in stated if not chip.sources.get(field)]
    idle = {field: why for field, why in idle_fields(chip).items() if field in stated}
    if is_part:  # a partial chip's conditions take effect in another chip
        idle = {field: why for field, why in idle.items() if not field.startswith("conditions.")}
    lists = {"without_source": unsourced, "without_effect": idle}
    lines = (
        f"{name}: ok, {len(stated)} values, {len(unsourced)} without a source, {len(idle)} without an effect",
        *(f"  {field}: no source" for field in unsourced),
        *(f"  {field}: no effect ({why})" for field, why in idle.items()),
    )
    bounds, words = _stability(chip.neuron)
    content = {"name": name, "ok": True, "values": len(stated), **lists, "stability": bounds}
    return Found(content, said=(*lines, *words))


@verb
def diff(first: Name, second: Name, /, *, exit_code: bool = False) -> Found:
    """Show the fields in which two chips differ.

    Parameters
    ----------
    first, second:
        Presets, files, or several joined with +.
    exit_code:
        Set the exit code to 1 if the chips differ.

    Examples
    --------
    $ ndrite chip diff wan2022 dendritic-ndr
    """
    fields, two = load_chip(first).fields(), load_chip(second).fields()
    differences = {field: [fields[field], two[field]] for field in fields if fields[field] != two[field]}
    if not differences:
        return Found({"differences": {}}, said=("no difference",))
    rows = [(field, plain(a), plain(b)) for field, (a, b) in differences.items()]
    table = Table("differences", ("field", first, second), rows)
    failed = f"{first} and {second} differ in {len(differences)} fields" if exit_code else None
    return Found({"differences": differences}, (table,), failed=failed)


def _summary(content: dict[str, Any], most: int | None = SUMMARY) -> str:
    text = " ".join(str(content.get("description", "")).split())
    return text if most is None or len(text) <= most else f"{text[: SUMMARY - 3].rsplit(' ', 1)[0]}..."


def _card(card: dict[str, str]) -> list[str]:
    return [
        line for key, text in card.items() for line in wrap(f"  {key}: {text}", 110, subsequent_indent="    ")
    ]


def _read(name: str) -> tuple[Chip, dict[str, Any], bool]:
    """Load a chip. Also return the content of its files, and whether they describe only
    a part of a chip, which is then completed from ``ideal``."""
    content = load_content(name)
    complete = "name" in content and {"g_max_uS", "levels"} <= content.get("cell", {}).keys()
    return load_chip(name if complete else f"ideal+{name}"), content, not complete


def _stated(content: dict[str, Any]) -> list[str]:
    """Return the fields that are set in the content of description files, without defaults."""
    return [f"{section}.{field}" for section in SECTIONS for field in content.get(section, {})]


def _stability(neuron: Neuron) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the limits within which the nominal neuron's circuit is stable, as values
    and as text; empty for a neuron driven by an ideal source."""
    circuit = neuron.in_circuit(neuron.device)
    if circuit is None:
        return {}, ()
    values = {
        "source_resistance_ohm": circuit.source_resistance_ohm,
        "negative_resistance_ohm": circuit.negative_resistance_ohm,
        "bistable": circuit.bistable,
        "inductance_nH": neuron.inductance_nH,
        "inductance_limit_nH": 1e9 * circuit.inductance_limit_H,
        "oscillates": circuit.oscillates,
    }
    states = "bistable" if circuit.bistable else "one stable voltage for every source"
    side = "above" if circuit.bistable else "below"
    word = "oscillates" if circuit.oscillates else "does not oscillate"
    limit = f"any less than R C Rn = {values['inductance_limit_nH']:.3g} nH does not"
    rule = f"and {neuron.capacitance_pF:g} pF; {limit}"
    if not neuron.capacitance_pF:
        rule = "and no capacitance given, without which any inductance would make it"
    ohm = f"{circuit.source_resistance_ohm:g} ohm is {side}"
    of_device = f"the device's negative resistance of {circuit.negative_resistance_ohm:.4g} ohm"
    return values, (
        f"  neuron: {states}, as its source resistance of {ohm} {of_device}",
        f"  neuron: {word} with {neuron.inductance_nH:g} nH {rule}",
    )

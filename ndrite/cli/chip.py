"""ndrite chip: list, show, check and compare chip descriptions."""

from __future__ import annotations

import warnings
from typing import Any

import click

from ndrite.cli.main import CheckFailed
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table, say

SUMMARY = 120
"""Characters of a description in the list."""


@click.group()
def command() -> None:
    """Chip descriptions: presets, devices to add to them, and your own YAML files.

    NAME is a preset, a file, or several joined with +, the later laid over the earlier field by field.

    \b
    Example: ndrite chip list
             ndrite chip show wan2022+ndr-esaki
             ndrite chip check mine.yaml
             ndrite chip diff wan2022 wan2022+mine.yaml
             ndrite chip table --images 2000
    """


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """Presets and the devices that can be added to them with +.

    \b
    Example: ndrite chip list --json
    """
    from emulator.device.description.loader import list_chips, list_devices, load_content

    names = [(name, "chip") for name in list_chips()] + [(name, "device") for name in list_devices()]
    rows = [(name, kind, _summary(load_content(name))) for name, kind in names]
    if as_json:
        keys = ("name", "kind", "description")
        print_json({"chips": [dict(zip(keys, row, strict=True)) for row in rows]})
    else:
        print_table("chips", ("name", "kind", "what"), rows)


@command.command()
@click.argument("name", metavar="NAME")
@json_option
def show(name: str, as_json: bool) -> None:
    """Every value of a chip with its source; units are in the names.

    \b
    Example: ndrite chip show dendritic-ndr
    """
    from emulator.device.description import load_chip

    chip = load_chip(name)
    if as_json:
        print_json(chip.as_dict())
        return
    rows = [
        (field, _text(value), chip.sources.get(field, "default")) for field, value in chip.fields().items()
    ]
    print_table(f"{chip.name}: {chip.description}", ("field", "value", "source"), rows)


@command.command()
@click.argument("name", metavar="NAME")
@json_option
def check(name: str, as_json: bool) -> None:
    """Validate a description; list values without a source or an effect. Exit code 2 when it is wrong.

    \b
    Example: ndrite chip check mine.yaml
    """
    from emulator.device.description import load_chip
    from emulator.device.description.loader import load_content
    from emulator.device.description.schema import SECTIONS

    single = load_content(name) if "+" not in name else None
    # A single device has no cell: it is checked on top of the ideal chip.
    chip = load_chip(f"ideal+{name}" if single is not None and "cell" not in single else name)
    given = [
        f"{section}.{field}" for section in SECTIONS for field in (single or {}).get(section, {})
    ] or list(chip.sources)
    unsourced = [field for field in given if not chip.sources.get(field)]
    idle = {field: why for field in given if (why := chip.idle(*field.split(".", 1)))}
    if as_json:
        lists = {"without_source": unsourced, "without_effect": idle}
        print_json({"name": name, "ok": True, "values": len(given), **lists})
        return
    say(f"{name}: ok, {len(given)} values, {len(unsourced)} without a source, {len(idle)} without an effect")
    for field in unsourced:
        say(f"  {field}: no source")
    for field, why in idle.items():
        say(f"  {field}: no effect ({why})")


@command.command()
@click.argument("first", metavar="NAME")
@click.argument("second", metavar="NAME")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when the chips differ.")
@json_option
def diff(first: str, second: str, exit_code: bool, as_json: bool) -> None:
    """Fields in which two chips differ.

    \b
    Example: ndrite chip diff wan2022 dendritic-ndr
    """
    from emulator.device.description import load_chip

    one, two = load_chip(first).fields(), load_chip(second).fields()
    rows = [(field, one[field], two[field]) for field in one if one[field] != two[field]]
    if as_json:
        print_json({"differences": {field: [a, b] for field, a, b in rows}})
    elif rows:
        print_table("differences", ("field", first, second), [(f, _text(a), _text(b)) for f, a, b in rows])
    else:
        say("no difference")
    if exit_code and rows:
        raise CheckFailed(f"{first} and {second} differ in {len(rows)} fields")


@command.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--images", default=2000, show_default=True, type=click.IntRange(1, 9_000), help="Test images.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, (1 << 63) - 1), help="Which chip."
)
@click.option("--markdown", is_flag=True, help="Print a Markdown table (the one in docs/physics.md).")
@json_option
def table(names: tuple[str, ...], images: int, seed: int, markdown: bool, as_json: bool) -> None:
    """The shipped network on every preset: fixed point against float physics.

    SNR: power of the float network's outputs over squared deviation, dB, first without, then with read noise.
    PWL, tail: largest |table - curve| in output steps (of 255), in the window and of the ends held beyond it.
    cut: conductances beyond the code range.

    \b
    Example: ndrite chip table --markdown
    """
    from emulator.device.description import list_chips, list_devices, load_chip
    from emulator.errors import CompileWarning
    from emulator.mapping import map_network
    from emulator.mapping.explain import judge
    from ndrite.labelled import typical, unseen
    from ndrite.shipped import shipped_network

    network = shipped_network()
    samples = typical("fashion-mnist")
    x, labels = (part[:images] for part in unseen("fashion-mnist"))
    rows: list[dict[str, Any]] = []
    for name in names or [*list_chips(), *(f"wan2022+{device}" for device in list_devices())]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CompileWarning)
            compiled = map_network(network, load_chip(name), samples, seed=seed)
        quiet = judge(name, network, compiled, x, labels, noise=False)
        noisy = judge(name, network, compiled, x, labels, seed=seed)
        layers = compiled.report.layers
        rows.append(
            {
                "chip": name,
                "snr_db": quiet.snr_db,
                "snr_noise_db": noisy.snr_db,
                "accuracy": noisy.accuracy,
                "pwl_error_lsb": compiled.report.pwl_error_lsb,
                "tail_error_lsb": max(layer.tail_error_lsb for layer in layers),
                "saturated_codes": sum(layer.saturated_codes for layer in layers),
                "warnings": len(caught),
            }
        )
    if as_json:
        print_json({"network": network.name, "images": len(x), "seed": seed, "chips": rows})
        return
    header = ("chip", "SNR", "noisy", "accuracy", "PWL", "tail", "cut")
    lines = [
        (
            str(row["chip"]),
            f"{row['snr_db']:.1f} dB",
            f"{row['snr_noise_db']:.1f} dB",
            f"{100 * row['accuracy']:.2f} %",
            f"{row['pwl_error_lsb']:.2f}",
            f"{row['tail_error_lsb']:.2f}",
            str(row["saturated_codes"]),
        )
        for row in rows
    ]
    if markdown:
        say("| " + " | ".join(header) + " |\n|---" + "|---:" * (len(header) - 1) + "|")
        for line in lines:
            say("| " + " | ".join(line) + " |")
    else:
        print_table(f"{network.name}, {len(x)} test images, chip seed {seed}", header, lines)


def _summary(content: dict[str, Any]) -> str:
    text = " ".join(str(content.get("description", "")).split())
    return text if len(text) <= SUMMARY else f"{text[: SUMMARY - 3].rsplit(' ', 1)[0]}..."


def _text(value: Any) -> str:
    text = ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(value)} values)"

"""ndrite import: a PyTorch or ONNX model into a float network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from ndrite.arrays import load_array
from ndrite.cli.files import require_folder
from ndrite.cli.options import json_option
from ndrite.cli.terminal import print_json, print_table, progress_bar, say


@click.command("import")
@click.argument("model", metavar="MODEL.onnx|.pt", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="FLOAT.npz", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    "samples_path",
    metavar="X.npy",
    type=click.Path(path_type=Path),
    help=(
        "Typical inputs in the model's own unit, (n, ...): they set the ranges, and errors are measured on "
        "them."
    ),
)
@click.option(
    "--input-range",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Values of input codes 0 and 255; default: what the samples span, or 0 and 1 without samples.",
)
@click.option(
    "--input-shape",
    metavar="C,H,W",
    help="Shape of one sample, where the model leaves it open; CALLS,FEATURES of a sequence.",
)
@click.option("--classes", metavar="A,B,...", help="Name of each output, where outputs are classes.")
@click.option("--input-unit", default="", metavar="UNIT", help="Unit of the inputs, for people.")
@click.option("--output-unit", default="", metavar="UNIT", help="Unit of the outputs, for people.")
@click.option(
    "--node", metavar="NAME", help="Output of an ONNX model to take; default: the first that works."
)
@json_option
def command(
    model: Path,
    output: Path,
    samples_path: Path | None,
    input_range: tuple[float, float] | None,
    input_shape: str | None,
    node: str | None,
    classes: str | None,
    input_unit: str,
    output_unit: str,
    as_json: bool,
) -> None:
    """Import MODEL and write a float network for `ndrite compile`; report the error of what is not exact.

    Full layers, 1-D and 2-D convolutions with groups, pooling, LSTM and GRU; branches may be added,
    multiplied and joined; BatchNorm is folded in; any function of each value becomes a table. Errors are in
    the model's own unit, table errors also in codes (LSB). A .pt file holds a module of PyTorch's own layers,
    torch.save(model, path); for others use torch.onnx.export.

    \b
    Example: ndrite import model.onnx --samples x.npy -o float.npz
    """
    from emulator.network.importing import import_model

    require_folder(output)
    shape = None if input_shape is None else _shape(input_shape)
    samples = None if samples_path is None else load_array(samples_path)
    with progress_bar("layers") as bar:
        imported = import_model(
            model, samples=samples, input_range=input_range, input_shape=shape, output=node, progress=bar
        )
    said = dataclasses.replace(
        imported.network.meaning,
        input_unit=input_unit,
        output_unit=output_unit,
        classes=() if classes is None else tuple(name.strip() for name in classes.split(",")),
    )
    dataclasses.replace(imported.network, meaning=said).save(output)
    report = imported.report
    if as_json:
        print_json({"network": str(output), **report.as_dict()})
        return
    rows = [
        (b.node, b.function, f"{b.inputs}-{b.outputs}", *_table(b.table_error, b.table_error_lsb, b.beyond))
        for b in report.blocks
    ]
    header = ("node", "function", "size", "table error", "in LSB", "beyond table")
    print_table(f"{output}: {report.name}", header, rows)
    if report.error_rms is not None and report.output_rms is not None:
        say(
            f"8-bit codes and tables: rms error {report.error_rms:.3g}, largest {report.error_max:.3g} on "
            f"{report.samples} samples; outputs' rms {report.output_rms:.3g}"
        )
    if report.error_bound is not None:
        say(f"largest error possible within the tables: {report.error_bound:.3g}")
    for note in report.notes:
        say(f"note: {note}")


def _table(error: float, lsb: float, beyond: float | None) -> tuple[str, str, str]:
    if not error:
        return "", "", ""
    return f"{error:.3g}", f"{lsb:.2f}", "" if beyond is None else f"{100 * beyond:.2f} %"


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise click.UsageError(f"--input-shape is {text!r}; accepted: positive integers, such as 1,28,28")
    return shape

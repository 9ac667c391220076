"""demo: the shipped network as floats, on the golden model and in the RTL."""

from typing import Annotated

from ndrite.boards.golden import GoldenBoard
from ndrite.compiled import load
from ndrite.emulator.network.datasets.fashion_mnist import CLASSES
from ndrite.evaluations import evaluate
from ndrite.intervals import percent
from ndrite.pages import drawing, figures
from ndrite.results import Found, Table
from ndrite.samples import judging_set
from ndrite.signature import Board, Option, Picture, Seed, Stages, silent, verb
from ndrite.url import connect


@verb
def demo(
    *,
    board: Board = "sim:",
    count: Annotated[int, Option("N", least=1, most=10_000)] = 500,
    seed: Seed = 0,
    picture: Picture = "ndrite-demo.png",
    progress: Stages = silent,
) -> Found:
    """Compare the shipped network as float, golden model and RTL.

    Classifies Fashion-MNIST with a 784-128-10 NDR network on a published RRAM chip.
    Nothing is trained or downloaded. Prints accuracies, agreement in every output bit
    between board and golden model, and clock cycles per inference against the schedule
    bound; writes a picture. Exit code 1 when board and golden model differ.

    Parameters
    ----------
    board:
        URL of the board that is compared with the golden model.
    count:
        Number of test samples to run on the board; the golden model runs all 10,000.
    picture:
        File of the picture.

    Examples
    --------
    $ ndrite demo
    > ndrite demo --board uart:/dev/ttyUSB0 --count 10000 --json
    """
    compiled = load()
    x, labels = judging_set("fashion-mnist")
    golden = GoldenBoard()
    golden.program(compiled.program)
    with progress("golden model") as report:
        evaluation = evaluate(
            golden, compiled.program, x, labels, seed=seed, network=compiled.network, progress=report
        )
    with connect(board) as device:
        with progress("programming") as report:
            device.program(compiled.program, progress=report)
        with progress("RTL") as report:
            rtl = evaluate(device, compiled.program, x[:count], labels[:count], seed=seed, progress=report)
    floats, noisy = evaluation.accuracy_float or 0.0, evaluation.accuracy or 0.0
    figure = drawing.figure(11, 5)
    ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.0, 1.15))
    figures.curves(compiled, left)
    axes = right.subplots()
    figures.confusion(axes, labels, evaluation.outputs.argmax(axis=1), CLASSES, 6.5)
    axes.set(title=f"golden, {len(x):,} test samples")
    drawing.save(figure, picture)
    values = {
        "program": compiled.program.name,
        "board": board,
        "seed": seed,
        "accuracy_float": floats,
        "accuracy_golden": noisy,
        "samples_golden": len(x),
        "accuracy_rtl": rtl.accuracy,
        "accuracy_golden_on_rtl_samples": rtl.accuracy_golden,
        "samples_rtl": rtl.samples,
        "mismatches": rtl.mismatches,
        "first_mismatch": rtl.first_mismatch,
        "cycles_per_inference": rtl.cycles_per_inference,
        "bound_cycles": rtl.bound_cycles,
        "array_busy": rtl.array_busy,
        "mac_use": rtl.mac_use,
        "zeros": rtl.zeros,
        "pwl_error_lsb": compiled.as_dict()["layers"][0]["pwl_error_lsb"],
    }
    agreed = "every bit equal" if not rtl.mismatches else f"{rtl.mismatches} samples differ"
    every, some = len(x), rtl.samples
    rows = [
        ("float software", f"{every:,}", percent(floats, every), ""),
        ("golden model", f"{every:,}", percent(noisy, every), "reference"),
        (f"board {board}", f"{some:,}", percent(rtl.accuracy or 0.0, some), agreed),
        ("golden, the same samples", f"{some:,}", percent(rtl.accuracy_golden or 0.0, some), "reference"),
    ]
    header = ("", "samples", "accuracy (95 % over samples)", "agreement")
    notes: list[str] = []
    if rtl.mac_use is not None and rtl.array_busy is not None and rtl.zeros is not None:
        notes.append(
            f"clock cycles per inference: {rtl.cycles_per_inference:.1f}; array busy "
            f"{100 * rtl.array_busy:.1f} %, of its products {100 * rtl.mac_use:.1f} % used, "
            f"{100 * rtl.zeros:.1f} % of the network's are zeros"
        )
    return Found(values, (Table(compiled.program.name, header, rows),), tuple(notes), rtl.failure)

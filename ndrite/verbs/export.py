"""export: a compiled network's die, or a chip's devices, in the forms of other tools."""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from emulator.device.description import load_chip
from emulator.files import write_whole
from emulator.golden import Core
from emulator.spec.steps import join
from host import InputError
from ndrite import exports
from ndrite.compiled import compiled_of
from ndrite.results import Found
from ndrite.samples import seen_samples
from ndrite.signature import ChipName, Inputs, Option, Source, verb

File = Annotated[Any, Option("FILE")]


@verb
def export(
    program: Source | None = None,
    /,
    inputs: Inputs | None = None,
    *,
    spice: File | None = None,
    product: Annotated[int, Option("N", least=0)] = 0,
    count: Annotated[int, Option("N", least=1)] = 1,
    verilog_a: File | None = None,
    aihwkit: File | None = None,
    chip: ChipName | None = None,
) -> Found:
    """A die for ngspice, its devices as Verilog-A or for aihwkit.

    What stands in a deck is what the emulator computes with before codes: cells with their errors, wires,
    access devices, amplifiers with gain and offset, load lines and devices. Read noise is not in it.

    Parameters
    ----------
    program:
        What `compile` wrote or gave. Default: what ships.
    inputs:
        Samples (n, inputs); default: test samples of the data set that the network names, else those that
        calibrated the die.
    spice:
        Deck of one product to write, a full one, driven by the samples one after the other.
    product:
        Which one, from 0.
    count:
        Samples of the deck.
    verilog_a:
        File for the modules of NDR device, ECRAM and RRAM cell.
    aihwkit:
        Python file for an RPUConfig with the ECRAM's steps, bounds and spread; the die's weights, with their
        programming error, go into a file beside it that ends in .npz.
    chip:
        For Verilog-A and aihwkit: this chip in place of the die's.

    Examples
    --------
    $ ndrite export mine --inputs x.npy --spice deck.cir --count 2
    $ ndrite export --chip dendritic-analog --verilog-a devices.va --aihwkit config.py
    """
    if not (spice or verilog_a or aihwkit):
        raise InputError("there is nothing to write; accepted: --spice, --verilog-a or --aihwkit")
    content: dict[str, Any] = {}
    whole = None if chip is not None and spice is None else compiled_of(program)
    if chip is not None:
        described = load_chip(chip)
    else:
        assert whole is not None
        described = whole.die.chip
    if spice is not None:
        assert whole is not None
        x = seen_samples(whole.program, whole, inputs, data=None, codes=False)[:count]
        step = whole.program.products[product : product + 1]
        if not (step and step[0].is_full):
            raise InputError(f"product is {product}; accepted: a full one of {len(whole.program.products)}")
        maps = Core(whole.program).maps(x, noise=False)
        rows = join([maps[s] for s in step[0].sources]).reshape(len(x), -1).astype(np.int64)
        deck, columns_uA, outputs = exports.drawn(whole.die, product, rows, f"{Path(spice).stem}.out")
        content["spice"] = str(write_whole(spice, deck))
        content["columns_uA"] = columns_uA.tolist()
        content["outputs"] = None if outputs is None else outputs.tolist()
    if verilog_a is not None:
        content["verilog_a"] = str(write_whole(verilog_a, exports.verilog_a(described)))
    if aihwkit is not None:
        content["aihwkit"] = str(write_whole(aihwkit, exports.config(described)))
        if whole is not None:
            buffer = io.BytesIO()
            np.savez(buffer, **exports.weights(whole.die))  # type: ignore[arg-type]
            content["weights"] = str(write_whole(Path(aihwkit).with_suffix(".npz"), buffer.getvalue()))
    names = ("spice", "verilog_a", "aihwkit", "weights")
    return Found(content, said=tuple(f"{n}: {content[n]}" for n in names if n in content))

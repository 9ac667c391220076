"""export: a compiled network's die, or a chip's devices, in the forms of circuit simulators."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ndrite.compiled import compiled_of
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.quoting import spice_word
from ndrite.emulator.device.verilog_a import verilog_a as modules_of
from ndrite.emulator.golden import Core
from ndrite.emulator.mapping.deck import drawn
from ndrite.emulator.spec.files import write_whole
from ndrite.host import InputError
from ndrite.results import Found
from ndrite.samples import first, seen_samples
from ndrite.signature import ChipName, Count, Inputs, Option, Source, verb

File = Annotated[Any, Option("FILE", written=True)]


@verb
def export(
    program: Source | None = None,
    /,
    inputs: Inputs | None = None,
    *,
    spice: File | None = None,
    product: Annotated[int, Option("N", least=0)] = 0,
    count: Count = 1,
    verilog_a: File | None = None,
    chip: ChipName | None = None,
) -> Found:
    """Export a die for ngspice, or its devices as Verilog-A.

    A deck holds the values that the emulator computes with before codes: cells with their errors, wires,
    access devices, amplifiers with gain and offset, load lines and devices. Read noise is not in it.

    Parameters
    ----------
    program:
        A result of `compile` or its file. Default: what ships.
    inputs:
        Samples (n, inputs); default: test samples of the data set that the network names, else those that
        calibrated the die.
    spice:
        Deck of one product to write, a full one, driven by the samples one after the other.
    product:
        Its number, from 0.
    count:
        Samples of the deck.
    verilog_a:
        File for the modules of NDR device, ECRAM and RRAM cell.
    chip:
        For Verilog-A: this chip in place of the die's.

    Examples
    --------
    $ ndrite export mine --inputs x.npy --spice deck.cir --count 2
    $ ndrite export --chip dendritic-analog --verilog-a devices.va
    """
    if not (spice or verilog_a):
        raise InputError("there is nothing to write; accepted: --spice or --verilog-a")
    content: dict[str, Any] = {}
    if spice is not None:
        compiled = compiled_of(program)
        x = seen_samples(compiled.program, compiled, inputs, data=None, codes=False)
        x = first(x, count)
        step = compiled.program.products[product : product + 1]
        if not (step and step[0].is_full):
            raise InputError(
                f"product is {product}; accepted: a full one of {len(compiled.program.products)}"
            )
        maps = Core(compiled.program).maps(x, noise=False)
        rows = step[0].source(maps).reshape(len(x), -1).astype(np.int64)
        results = f"{spice_word(Path(spice).stem)}.out"
        deck, columns_uA, outputs = drawn(compiled.die, product, rows, results)
        content["spice"] = str(write_whole(spice, deck))
        content["results"] = results
        content["columns_uA"] = columns_uA.tolist()
        content["outputs"] = None if outputs is None else outputs.tolist()
    if verilog_a is not None:
        described = compiled_of(program).die.chip if chip is None else load_chip(chip)
        content["verilog_a"] = str(write_whole(verilog_a, modules_of(described)))
    return Found(content, said=tuple(f"{n}: {content[n]}" for n in ("spice", "verilog_a") if n in content))

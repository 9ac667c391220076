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

    An ngspice deck has the physical values from which the emulator computes its codes:
    cells with their errors, wires, access devices, amplifiers with gain and offset,
    load lines and devices. It has no read noise.

    Parameters
    ----------
    program:
        A result of `compile` or its file. Default: the network that ships with the package.
    inputs:
        Samples (n, inputs); default: test samples of the data set that the network
        names, else those that calibrated the die.
    spice:
        Deck to write, of one full layer, whose rows are driven by the samples
        one after the other.
    product:
        Number of that layer among the products; the first is 0.
    count:
        Number of samples in the deck.
    verilog_a:
        File for the Verilog-A modules of NDR device, ECRAM and RRAM cell.
    chip:
        Chip for Verilog-A; default: the chip of the die.

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
            full = [str(i) for i, p in enumerate(compiled.program.products) if p.is_full]
            accepted = (
                f"the number of a full layer: {', '.join(full)}" if full else "none, as no layer is full"
            )
            raise InputError(f"product is {product}; accepted: {accepted}")
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

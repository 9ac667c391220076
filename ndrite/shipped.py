"""What ships with the package, loaded: the trained network and its program."""

from __future__ import annotations

import json
from pathlib import Path

from emulator.errors import NetworkError
from emulator.network import Network, load_network, zoo
from emulator.spec import Program


def shipped_program() -> Program:
    """The compiled Fashion-MNIST network (784-128-10, NDR neurons)."""
    return Program.load(zoo.program())


def shipped_network() -> Network:
    """The float network it was compiled from."""
    return load_network(zoo.float_network())


def network_of(program: Program, path: Path | None) -> Network | None:
    """The float network a program was compiled from: the given file's, or the shipped one of that name.

    Raises
    ------
    FileNotFoundError, NetworkError
        When the file is missing or no network, or of another size than the program.
    """
    if path is not None:
        given = load_network(path)
        if (given.inputs, given.outputs) != (program.inputs, program.outputs):
            raise NetworkError(
                f"{path}: {given.inputs} inputs and {given.outputs} outputs; accepted: {program.inputs} and "
                f"{program.outputs}, as the program"
            )
        return given
    shipped = shipped_network()
    wanted = {"name": shipped.name, "shape": shipped.widths, **shipped.provenance}
    named = program.provenance.get("network")
    return shipped if json.dumps(named, sort_keys=True) == json.dumps(wanted, sort_keys=True) else None

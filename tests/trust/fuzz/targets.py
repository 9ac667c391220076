"""What is fuzzed: each target takes any bytes and lets through nothing but the parser's own error."""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emulator.device.description.loader import PRESETS as CHIPS
from emulator.device.description.loader import load_chip
from emulator.device.measurements import read_measurements
from emulator.errors import EmulatorError
from emulator.golden.random_program import random_program
from emulator.network import Dense, Ndr, Network, load_network
from emulator.network.datasets.idx import read_idx
from emulator.spec import PRESETS, Program
from emulator.spec.errors import ProgramError
from host.packets import (
    FrameError,
    Request,
    Response,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from ndrite.sweeps.plan import load_plan

SCRATCH = Path(tempfile.gettempdir())


def packets(data: bytes) -> None:
    """A frame in either direction; what decodes must survive another turn."""
    try:
        response = decode_response(data)
        assert decode_response(encode_response(response)[:-1]) == response
    except FrameError:
        pass
    try:
        request = decode_request(data)
        assert decode_request(encode_request(request)[:-1]) == request
    except FrameError:
        pass


def program(data: bytes) -> None:
    """A program file."""
    _parse(Program.load, data, ".npz")


def manifest(data: bytes) -> None:
    """The manifest of a program whose arrays are sound: the archive's own checks would hide it."""
    text = data.decode("utf-8", "replace").replace("\0", " ")
    program(_archive({"manifest": np.array(text)} | _program().arrays()))


def network(data: bytes) -> None:
    """A float network file."""
    _parse(load_network, data, ".npz")


def chip(data: bytes) -> None:
    """A chip description."""
    _parse(load_chip, data, ".yaml")


def measurements(data: bytes) -> None:
    """A CSV file from the laboratory."""
    _parse(lambda path: read_measurements(path, ("voltage", "current")), data, ".csv")


def idx(data: bytes) -> None:
    """An IDX file of images."""
    _parse(lambda path: read_idx(path, dimensions=3), data, ".idx")


def plan(data: bytes) -> None:
    """A sweep's plan, and the chips it names."""
    _parse(load_plan, data, ".yaml", names_file=False)


def _parse(read: Callable[[Path], object], data: bytes, suffix: str, *, names_file: bool = True) -> None:
    """Give ``data`` to a reader of files; its error must be the parser's own and name the file."""
    with tempfile.NamedTemporaryFile(dir=SCRATCH, suffix=suffix) as file:
        file.write(data)
        file.flush()
        said = ""
        try:
            read(Path(file.name))
        except (EmulatorError, ProgramError) as error:
            said = str(error)
        assert not said or not names_file or file.name in said, said


Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {
    f.__name__: f for f in (packets, program, manifest, network, chip, measurements, idx, plan)
}


def seeds(name: str) -> list[bytes]:
    """Valid inputs of a target, from which the fuzzers start."""
    small = _program()
    if name == "packets":
        return [
            encode_response(Response(1, 2, 0, 2, b"\1\2\3\4"))[:-1],
            encode_request(Request(1, 4, 7, b"\1\2\3\4"))[:-1],
        ]
    if name == "program":
        return [_archive({"manifest": np.array(json.dumps(small.manifest()))} | small.arrays())]
    if name == "manifest":
        return [json.dumps(small.manifest()).encode()]
    if name == "network":
        rng = np.random.default_rng(1)
        layers = (
            Dense(rng.normal(size=(4, 3)), np.zeros(3), Ndr(np.ones(3), np.ones(3))),
            Dense(rng.normal(size=(3, 2)), np.zeros(2)),
        )
        path = SCRATCH / "seed.npz"
        Network.chain(layers, "seed").save(path)
        content = path.read_bytes()
        path.unlink()
        with np.load(io.BytesIO(content)) as file:
            return [content, _archive(dict(file))]
    if name == "chip":
        return [path.read_bytes() for path in sorted(CHIPS.glob("*.yaml"))]
    if name == "measurements":
        return [b"voltage_V,current_A\n0,0\n0.1,1e-6\n", b"# made\nVoltage [mV];Current (uA);device\n1;2;a\n"]
    if name == "idx":
        # The second once was a finding: no bytes at all, in a shape NumPy refuses.
        return [
            b"\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2\1\2\3\4",
            b"\0\0\x08\x03\0\0\0\0" + b"\xff" * 8,
        ]
    return [
        b"name: a\nchip: ideal\nseeds: 3\nimages: 10\ngrid:\n  rram.g_max_uS: [10, 20]\nboards: ['golden:']\n"
    ]


def _program() -> Program:
    return random_program(PRESETS["tiny"], np.random.default_rng(0), sizes=(6, 4, 3), noise=True)


def _archive(arrays: dict[str, np.ndarray]) -> bytes:
    """As ``np.savez``, uncompressed: changed bytes then reach the arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    return out.getvalue()

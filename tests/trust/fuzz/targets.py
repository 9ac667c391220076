"""What is fuzzed: each target takes any bytes and lets through nothing but the
parser's own error."""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ndrite.emulator.device.description.loader import PRESETS as CHIPS
from ndrite.emulator.device.description.loader import load_chip
from ndrite.emulator.device.measurements import read_measurements
from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.golden.random_program import random_program
from ndrite.emulator.network import load_network
from ndrite.emulator.network.datasets.idx import read_idx
from ndrite.emulator.spec import PRESETS, Program
from ndrite.emulator.spec.errors import ProgramError
from ndrite.host.packets import (
    FrameError,
    Request,
    Response,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from ndrite.sweeps.plan import load_plan
from tests.chips import random_network

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


def _parse(read: Callable[[Path], object], data: bytes, suffix: str, *, names_file: bool = True) -> None:
    """Give ``data`` to a reader of files; its error must be the parser's own
    and name the file."""
    with tempfile.NamedTemporaryFile(dir=SCRATCH, suffix=suffix) as file:
        file.write(data)
        file.flush()
        said = ""
        try:
            read(Path(file.name))
        except (EmulatorError, ProgramError) as error:
            said = str(error)
        assert not said or not names_file or file.name in said, said


def manifest(data: bytes) -> None:
    """The manifest of a program whose arrays are sound: the archive's own
    checks would hide it."""
    text = data.decode("utf-8", "replace").replace("\0", " ")
    _parse(Program.load, _archive({"manifest": np.array(text)} | _program().arrays()), ".npz")


def _columns(path: Path) -> object:
    return read_measurements(path, ("voltage", "current"))


Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {
    "packets": packets,
    "manifest": manifest,
    "program": lambda data: _parse(Program.load, data, ".npz"),
    "network": lambda data: _parse(load_network, data, ".npz"),
    "chip": lambda data: _parse(load_chip, data, ".yaml"),
    "measurements": lambda data: _parse(_columns, data, ".csv"),
    "idx": lambda data: _parse(lambda path: read_idx(path, dimensions=3), data, ".idx"),
    # A plan's error may be that of a chip which it names.
    "plan": lambda data: _parse(load_plan, data, ".yaml", names_file=False),
}
PLAN = b"name: a\nchip: ideal\nseeds: 3\nimages: 10\ngrid:\n  rram.g_max_uS: [10, 20]\nboards: ['golden:']\n"
SEEDS: dict[str, list[bytes]] = {
    "packets": [
        encode_response(Response(1, 2, 0, 2, b"\1\2\3\4"))[:-1],
        encode_request(Request(1, 4, 7, b"\1\2\3\4"))[:-1],
    ],
    "chip": [path.read_bytes() for path in sorted(CHIPS.glob("*.yaml"))],
    "measurements": [
        b"voltage_V,current_A\n0,0\n0.1,1e-6\n",
        b"# made\nVoltage [mV];Current (uA);device\n1;2;a\n",
    ],
    # The second once was a finding: no bytes at all, in a shape NumPy refuses.
    "idx": [b"\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2\1\2\3\4", b"\0\0\x08\x03\0\0\0\0" + b"\xff" * 8],
    "plan": [PLAN],
}


def seeds(name: str) -> list[bytes]:
    """Valid inputs of a target, from which the fuzzers start."""
    if name in SEEDS:
        return SEEDS[name]
    if name == "network":
        path = SCRATCH / "seed.npz"
        random_network((4, 3, 2)).save(path)
        content = path.read_bytes()
        path.unlink()
        with np.load(io.BytesIO(content)) as file:
            return [content, _archive(dict(file))]
    written = json.dumps(_program().manifest())
    if name == "manifest":
        return [written.encode()]
    return [_archive({"manifest": np.array(written)} | _program().arrays())]


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

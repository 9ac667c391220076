"""Compiled: a network on a chip with everything that compiling made, in memory and in
one file; loads such files.

The file is a zip archive: ``program.npz``, ``die.npz``, ``network.npz`` and
``samples.npy``, each a file that its own reader takes, and ``contents.json`` with the
digest of each. Boards and ``Program.load`` take the program out of it.
"""

import dataclasses
import hashlib
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ndrite.answer import Answer
from ndrite.emulator.errors import CompileError, EmulatorError, require
from ndrite.emulator.mapping import CompileReport, Die, die_digest, load_die, program_of, save_die
from ndrite.emulator.network import Network, load_network, zoo
from ndrite.emulator.network.importing import Imported, ImportReport, import_model
from ndrite.emulator.network.importing.proof import BlockReport
from ndrite.emulator.spec import Program, SpecError
from ndrite.emulator.spec.archive import DAMAGED, read_array, read_member
from ndrite.emulator.spec.files import whole_file
from ndrite.files import array_of
from ndrite.host import InputError
from ndrite.host.api import Progress
from ndrite.results import Result, Summary, Table, plain

FORMAT, FORMAT_VERSION = "ndrite-compiled", 2
CONTENTS = "contents.json"
CONTENTS_BYTES_MAX = 1 << 16
MEMBERS = ("program.npz", "die.npz", "network.npz", "samples.npy")
BYTES_MAX = 4 << 30
LOCAL_HEADER_BYTES = 30
"""Size of the local header before the name of a member in a zip archive, in bytes."""


@dataclass(frozen=True, eq=False, repr=False)
class Compiled(Result):
    """The result of ``ndrite.compile`` and of ``ndrite.load``: a network mapped onto a
    die, with its program.

    Attributes
    ----------
    network:
        The float network.
    program, die:
        The computation in integers, and the individual chip that does it.
        ``program.meaning`` has class names and units.
    samples:
        Codes uint8 (n, inputs) that the die was calibrated on.
    report:
        Errors layer by layer: weight errors relative to the weights' rms, table errors
        in output steps (LSB), signal-to-noise ratio in dB; None when read from a file
        (the program's ``provenance`` has its values).
    imported:
        The report of importing a model; None for a network and when read from a file.
    answer:
        How well the die does against the float network; None from a file, and of
        targets for many dies.
    """

    network: Network
    program: Program
    die: Die
    samples: npt.NDArray[np.uint8]
    report: CompileReport | None = None
    imported: ImportReport | None = None
    answer: Answer | None = None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the compiled network to one file, in whole or not at all. Raises
        OSError if it cannot be written. ``program.save`` writes only the program."""
        path = _path(path)
        # Computed again: the stored digest of a die may be that of an older form
        # of its description.
        origin = {**self.program.provenance, "die": die_digest(self.die)}
        with tempfile.TemporaryDirectory() as folder:
            parts = [Path(folder) / name for name in MEMBERS]
            try:
                dataclasses.replace(self.program, provenance=origin).save(parts[0])
                save_die(self.die, parts[1])
                self.network.save(parts[2])
                np.save(parts[3], self.samples, allow_pickle=False)
            except OSError as error:  # name the user's file, not the temporary file
                where = f"{error.strerror or error}, in {tempfile.gettempdir()}, where its parts are written"
                raise OSError(error.errno, where, str(path)) from None
            contents = {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "sha256": {part.name: _digest(part.read_bytes()) for part in parts},
            }
            with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
                archive.writestr(_entry(CONTENTS), json.dumps(contents, indent=1))
                for part in parts:
                    packed = zipfile.ZIP_DEFLATED if part.suffix == ".npy" else zipfile.ZIP_STORED
                    archive.writestr(_entry(part.name), part.read_bytes(), packed)
        return path

    def at(self, time_s: float) -> Self:
        """Return this compiled network on the same die ``time_s`` seconds after
        programming, with the die's program; calibrations are kept."""
        return self.on(self.die.at(time_s))

    def on(self, die: Die, **provenance: Any) -> Self:
        """Return this compiled network on a ``die`` that has aged or been tuned;
        ``provenance`` describes the change."""
        origin = self.program.provenance | {"chip": die.chip.as_dict(), "die": die_digest(die)} | provenance
        program = dataclasses.replace(program_of(die, self.program), provenance=origin)
        return dataclasses.replace(self, die=die, program=program)

    def as_dict(self) -> dict[str, Any]:
        identity = {"tag": f"{self.program.tag:08x}", "die": self.die.seed, "samples": len(self.samples)}
        lost = self.program.provenance["report"] if self.report is None else self.report.as_dict()
        answer = {} if self.answer is None else {"answer": self.answer.as_dict()}
        imported = {} if self.imported is None else {"imported": self.imported.as_dict()}
        return identity | answer | lost | imported

    def tables(self) -> Iterable[Table]:
        title = f"{self.program.name} on {self.die.chip.name}, die {self.die.seed}"
        rows = [] if self.answer is None else self.answer.rows()
        if self.answer is not None:
            rows.append(("judged by", f"{self.answer.samples:,} samples: {self.answer.judged_by}"))
        if self.report is not None:
            rows += self.report.worst_layers()
        if rows:
            yield Table(title, ("quantity", "value"), rows)

    def details(self) -> Iterable[Table]:
        if self.imported is not None:
            header = ("node", "function", "size", "table error", "in LSB", "beyond table")
            blocks = [
                (b.node, b.function, f"{b.inputs}-{b.outputs}", *_block(b)) for b in self.imported.blocks
            ]
            yield Table(f"{self.imported.name}: a model became a float network", header, blocks)
        values = self.as_dict()
        for kind in ("layer", "table"):
            parts = values.get(f"{kind}s")
            if parts:
                rows = [(name, *(plain(part[name]) for part in parts)) for name in parts[0]]
                rows = [row for row in rows if set(row[1:]) != {plain(None)}]  # not on this chip: left out
                parts_of = ("quantity", *(f"{kind} {i}" for i in range(len(parts))))
                yield Table(f"{values['network']} on {values['chip']}, die {self.die.seed}", parts_of, rows)

    def lines(self) -> Iterable[str]:
        report = self.imported
        if report is None:
            return
        if report.error_rms is not None and report.output_rms is not None:
            yield (
                f"8-bit codes and tables: rms error {report.error_rms:.3g}, largest {report.error_max:.3g} "
                f"on {report.samples} samples; outputs' rms {report.output_rms:.3g}"
            )
        yield from (f"note: {note}" for note in report.notes)


@dataclass(frozen=True, eq=False, repr=False)
class LearnedOn(Summary):
    """The result of tuning a chip on a board: ``compiled``, the tuned chip, and
    ``summary``, plain values by name. The summary of ``ndrite.calibrate`` has
    accuracies (0..1) before and after tuning with their intervals, numbers of pulses,
    and cross entropy."""

    compiled: Compiled
    board: str
    summary: dict[str, Any]
    heading = "{compiled.program.name} on {board}"

    def as_dict(self) -> dict[str, Any]:
        return {"board": self.board, "tag": f"{self.compiled.program.tag:08x}", **self.summary}


def load(path: str | os.PathLike[str] | None = None) -> Compiled:
    """Read a file that `compile` wrote: program, die, float network and samples.

    None: the compiled network that ships, 784-128-10 on Fashion-MNIST with NDR neurons,
    on chip ``wan2022``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    CompileError
        When the file holds a program or a network alone, is of an earlier format,
        damaged, or made of parts that do not belong together.
    """
    path = _path(zoo.program() if path is None else path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        members = _members(path)
        with tempfile.TemporaryDirectory() as folder:
            for name in MEMBERS[:-1]:
                (Path(folder) / name).write_bytes(members[name])
            program, die, network = (Path(folder) / name for name in MEMBERS[:-1])
            try:
                loaded_program = Program.load(program)
                compiled = Compiled(
                    load_network(network),
                    loaded_program,
                    load_die(die, loaded_program),
                    read_array(members[MEMBERS[-1]]),
                )
            except (EmulatorError, SpecError) as error:
                raise CompileError(str(error).replace(f"{folder}{os.sep}", "")) from None
        if compiled.network.digest() != compiled.die.network:
            raise CompileError("die and network in the file do not belong together; compile again")
        if compiled.samples.dtype != np.uint8 or compiled.samples.shape[1:] != (loaded_program.inputs,):
            stored = f"{compiled.samples.dtype} {compiled.samples.shape}"
            raise CompileError(f"samples are {stored}; accepted: uint8 (n, {loaded_program.inputs})")
    except CompileError as error:
        raise CompileError(f"{path}: {error}") from None
    return compiled


def is_compiled(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as a compiled file does; such a file may
    still be incomplete."""
    name = CONTENTS.encode()
    try:
        with Path(path).open("rb") as file:
            head = file.read(LOCAL_HEADER_BYTES + len(name))
    except OSError:
        return False
    return head.startswith(b"PK\x03\x04") and head.endswith(name)


def _members(path: Path) -> dict[str, bytes]:
    """Read the members of a compiled file and verify their checksums."""
    if not is_compiled(path):
        raise CompileError(
            "not a compiled network (but a program or network alone, or an earlier format); accepted: a file "
            "that `ndrite compile` wrote; compile again"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if sizes[CONTENTS] > CONTENTS_BYTES_MAX or sum(sizes.values()) > BYTES_MAX:
                raise CompileError(f"larger than {BYTES_MAX} bytes unpacked")
            contents = json.loads(read_member(archive, archive.getinfo(CONTENTS)))
            format_here, format_known = (
                f"{contents['format']} {contents['format_version']}",
                f"{FORMAT} {FORMAT_VERSION}",
            )
            require(
                format_here == format_known,
                "format",
                format_here,
                f"{format_known}: compile again",
                CompileError,
            )
            members = {name: read_member(archive, archive.getinfo(name)) for name in MEMBERS}
            for name, content in members.items():
                if contents["sha256"][name] != _digest(content):
                    raise CompileError(f"{name} was changed after the file was written; compile again")
            return members
    except CompileError:
        raise
    except (SpecError, KeyError, TypeError, *DAMAGED) as error:
        raise CompileError(f"the file is damaged ({error}); compile again") from None


def _entry(name: str) -> zipfile.ZipInfo:
    """Create an archive entry with fixed metadata, so that equal contents give
    byte-identical files."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _block(block: BlockReport) -> tuple[str, str, str]:
    """Format the errors of a block's lookup table, in the model's unit and in output
    steps, and the percentage of values outside the table."""
    if not block.table_error:
        return "", "", ""
    beyond = "" if block.beyond is None else f"{100 * block.beyond:.2f} %"
    return f"{block.table_error:.3g}", f"{block.table_error_lsb:.2f}", beyond


MODELS = (".onnx", ".pt", ".pth")
"""Suffixes of files that are imported as models; other files are read in this
package's formats."""


class Held(NamedTuple):
    """A program, and the compiled network that contains it (None if the
    program stands alone)."""

    program: Program
    whole: Compiled | None


def held(source: object) -> Held:
    """Load a program from ``source``, which is a program or a compiled network; in the
    second case return the compiled network too.

    Raises FileNotFoundError, ProgramError, CompileError when a file is missing or is
    none of what is accepted. Raises InputError when it is another kind of object.
    """
    if isinstance(source, Program):
        return Held(source, None)
    if isinstance(source, str | os.PathLike) and Path(source).is_file() and not is_compiled(source):
        _refuse_model(source)
        return Held(Program.load(source), None)
    compiled = compiled_of(source)
    return Held(compiled.program, compiled)


def compiled_of(source: object) -> Compiled:
    """Return ``source``, a result of ``ndrite.compile``, or load it from its file;
    None loads the network that ships with the package. Raises InputError, as
    ``held`` does, and for a file that holds a program without the network that it
    was compiled from."""
    if isinstance(source, Compiled):
        return source
    if source is not None and not isinstance(source, str | os.PathLike):
        raise InputError(f"program is {type(source).__name__}; accepted: a result of compile, or its file")
    _refuse_model(source)
    return load(source)


def _path(given: object) -> Path:
    if not isinstance(given, str | os.PathLike):
        raise InputError(f"path is {given!r}; accepted: text or a path")
    return Path(given)


def _refuse_model(source: str | os.PathLike[str] | None) -> None:
    if source is not None and Path(source).suffix in MODELS:
        raise InputError(f"{source}: a model; compile it first: ndrite compile {source} --chip NAME -o mine")


def is_model(source: object) -> bool:
    """Return whether ``source`` is a model to import rather than a network of this package."""
    if isinstance(source, str | os.PathLike):
        return Path(source).suffix in MODELS
    return not isinstance(source, Network | Compiled)


def takes_module(
    program: object, of_networks: Mapping[str, object], of_modules: Mapping[str, object]
) -> bool:
    """Return whether a verb's argument ``program`` is a PyTorch module, or text
    FILE.py:FUNCTION that names a function returning one.

    Raises InputError if an option is set that applies only to the other kind of
    program, or if a module is given without ``chip``. ``of_networks`` and
    ``of_modules`` are the options of each kind by name.
    """
    torch = sys.modules.get("torch")
    is_module = torch is not None and isinstance(program, torch.nn.Module)
    if isinstance(program, str):
        is_module = re.fullmatch(r".+\.py:\w+", program) is not None
    kind = "PyTorch module" if is_module else "compiled network"
    refused, taken = (of_networks, of_modules) if is_module else (of_modules, of_networks)
    for name, value in refused.items():
        if value is not None and value is not False:
            value_text = " ".join(str(value).split())[:40]
            raise InputError(
                f"{name} is {value_text}, but it does not apply to a {kind}; accepted options: "
                f"{', '.join(taken)}"
            )
    if is_module and of_modules["chip"] is None:
        raise InputError("chip is missing; accepted: a preset, a YAML file or several joined with +")
    return is_module


class Taken(NamedTuple):
    """A network and the result of `compile` or the imported model that it comes
    from, if there is one."""

    network: Network
    whole: Compiled | None = None
    imported: Imported | None = None


def network_of(
    source: Any, samples: object = None, progress: Progress | None = None, **options: Any
) -> Taken:
    """Load the network from a file or from a result of `compile`, or import a model.

    Raises FileNotFoundError, NetworkError, UnsupportedNodeError, MissingExtraError if a
    file is missing or the model cannot be imported. Raises InputError if an option of
    models is given for something else.

    ``source``: a ``Network`` or its file, a result of `compile` or its file, a
    ``torch.nn.Module``, a scikit-learn estimator, or the path of an ``.onnx``, ``.pt``
    or ``.pth`` file. ``samples``: typical inputs of a model, in its own unit; they set
    the ranges of inputs and activations. ``progress`` and ``options`` are those of
    ``import_model``, for a model.
    """
    set_options = {name: value for name, value in options.items() if value is not None}
    if is_model(source):
        x = None if samples is None else array_of(samples)
        imported = import_model(source, samples=x, progress=progress, **set_options)
        return Taken(imported.network, imported=imported)
    if set_options:
        names = ", ".join(set_options).replace("output", "node")
        raise InputError(f"{names} applies only to an imported model; leave it out")
    if isinstance(source, Network):
        return Taken(source)
    if isinstance(source, Compiled) or is_compiled(source):
        compiled = compiled_of(source)
        return Taken(compiled.network, compiled)
    return Taken(load_network(Path(source)))

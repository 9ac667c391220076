"""Building blocks of the signatures of verbs: names for types, ranges that hold
everywhere, and progress."""

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from ndrite.emulator.spec.files import check_destination
from ndrite.emulator.spec.layer import VECTOR_MAX
from ndrite.files import STANDARD, picture_format
from ndrite.host import InputError

Stages = Callable[[str], AbstractContextManager[Callable[..., None]]]
"""A function that is called with the name of each stage of a verb. It returns a
context; while the stage lasts, the context's value is called with ``(done, total)``, or
with a text, to report progress."""
Announce = Callable[[str], None]
"""A function that is called with a line of text for a person."""


def unheard(line: str) -> None:
    """Discard an announced line: the ``announce`` function of a caller that wants
    no announcements."""


@contextmanager
def silent(what: str) -> Iterator[Callable[..., None]]:
    """Return a progress function that shows no progress of ``what``."""
    yield lambda *_: None


INPUTS = (
    "Samples (n, inputs) in the model's own unit, else codes. Default: test samples of the data set that the "
    "network names, else those that calibrated the die, judged by the float network's answers."
)
LABELS = (
    "Labels of the samples, as the file says what outputs mean: names or numbers of classes (n,), one-hot "
    "rows, 0 and 1 for each of several labels (n, outputs), or values (n, outputs) in the model's unit."
)
CODES = "The samples are codes uint8 0..255, not values in the model's unit."
SEED = "Read-noise seed: the same seed gives the same answers on every board."
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Option:
    """Properties of a verb's parameter that its name and type do not express.

    ``metavar`` is the name of the value in the help; ``short`` is another name of the
    option on the command line. ``least`` and ``most`` are limits, in Python too. ``of``
    converts the text of the command line; ``many``: the option may be repeated there.
    ``written``: the parameter is a file that the verb writes. ``joined``: it names
    presets or files to read, joined with +. ``text`` is the help if the docstring has
    none for the parameter.
    """

    metavar: str = ""
    short: str = ""
    least: float | None = None
    most: float | None = None
    of: Callable[[Any], Any] | None = None
    many: bool = False
    written: bool = False
    joined: bool = False
    text: str = ""


def integers(text: str, most: float = math.inf, refused: str = "") -> tuple[int, ...]:
    """Parse text such as ``1,28,28`` into whole numbers, each 1..``most``; ``refused``
    is the error for other text."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not 1 <= min(numbers) <= max(numbers) <= most:
        raise InputError(refused or f"{text!r} is no shape; accepted: positive integers, such as 1,28,28")
    return numbers


def widths(hidden: str) -> tuple[int, ...]:
    """Parse the widths of hidden full layers: ``64,32`` into its numbers,
    ``0`` into no layers."""
    accepted = f"widths such as 128 or 64,32, each 1..{VECTOR_MAX}; 0 for none"
    none = hidden.strip() == "0"
    return () if none else integers(hidden, VECTOR_MAX, f"hidden is {hidden!r}; accepted: {accepted}")


def names(text: str) -> tuple[str, ...]:
    """Parse text such as ``cat, dog`` into a tuple of names."""
    return tuple(name.strip() for name in text.split(","))


def share(text: str) -> tuple[int, int]:
    """Parse a share of a job array, such as ``2/8``, into the pair (2, 8)."""
    try:
        i, n = (int(part) for part in text.split("/"))
    except ValueError:
        i = n = 0
    if not 1 <= i <= n:
        raise InputError(f"shard is {text!r}; accepted: i/n, such as 1/8 .. 8/8")
    return i, n


def model_input(text: str) -> tuple[str, str | float]:
    """Split ``NAME=VALUE`` into an input's name, and a number or the name of an output."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"model input is {text!r}; accepted: NAME=NUMBER or STATE=OUTPUT")
    try:
        return name, float(value)
    except ValueError:
        return name, value


PathName = str | os.PathLike[str]
Source = Annotated[Any, Option("FILE", text="A result of `compile` or its file.")]
Module = Annotated[Any, Option("FILE.py:FUNCTION")]
SamplesOf = Annotated[object, Option(text="Typical inputs of a module, as for `ndrite.analog`.")]
"""Parameter that has no command-line option: only Python can pass it."""
MetricOf = Annotated[Callable[[Any], Any], Option(text="Function of a module that returns a number.")]
"""Parameter that has no command-line option: only Python can pass it."""
Runs = Annotated[Any, Option("FILE", text="A result of `compile` or its file, or a program alone.")]
Array = Annotated[Any, Option("FILE.npy")]
"""An array, a tensor, or the path of an ``.npy`` file."""
Inputs = Annotated[Any, Option("FILE.npy", text=INPUTS)]
Labels = Annotated[Any, Option("FILE.npy", text=LABELS)]
ChipName = Annotated[
    Any, Option("NAME", joined=True, text="Chip preset, YAML file, or several joined with +.")
]
Board = Annotated[str, Option("URL", text="Board to run on; `ndrite board --help` lists the forms.")]
Boards = Annotated[Any, Option("URL", many=True, text="Board to run on; several boards share the work.")]
DataSet = Annotated[
    Literal["fashion-mnist", "digits", "digits-32", "mnist"],
    Option(text="A data set by name, in place of samples."),
]
OriginalFiles = Annotated[PathName, Option("DIR", text="Folder with the data set's original files.")]
Measure = Annotated[
    Literal["accuracy", "label_accuracy", "rms_error", "mean_absolute_error"],
    Option(text="What to measure; default: accuracy of classes and labels, rms error of values."),
]
Codes = Annotated[bool, Option(text=CODES)]
Count = Annotated[int, Option("N", least=1, text="Number of samples, the first ones.")]
Whole = Annotated[int, Option("N", least=0)]
Seed = Annotated[int, Option("N", least=0, most=(1 << 64) - 1, text=SEED)]
DieSeed = Annotated[int, Option("N", least=0, most=(1 << 63) - 1, text="Number of the individual chip.")]
Noise = Annotated[bool, Option(text="Read noise on or off.")]
File = Annotated[PathName, Option("FILE")]
Output = Annotated[
    PathName, Option("FILE", "-o", written=True, text="File to write, in whole or not at all.")
]
PICTURE = Option(
    "FILE", "-p", written=True, text="Picture to draw; its suffix (.png, .svg, .pdf) is the format."
)
Picture = Annotated[PathName, PICTURE]
Folder = Annotated[PathName, Option("DIR")]
Shape = Annotated[tuple[int, ...], Option("A,B,...", of=integers)]
ModelInputs = Annotated[Mapping[str, Any], Option("NAME=VALUE", "--model-input", of=model_input, many=True)]
Hidden = Annotated[str, Option("WIDTHS", text="Widths of hidden layers, separated by commas; 0: none.")]
Dies = Annotated[int, Option("N", least=1, most=1_000_000, text="Number of dies of the chip to judge.")]
Workers = Annotated[int, Option("N", least=1, most=1024, text="Number of local processes; 1: this process.")]
Scheduler = Annotated[str, Option("URL", text="Dask scheduler whose workers do the runs.")]
Shard = Annotated[tuple[int, int], Option("I/N", of=share, text="Do only share I of N, for job arrays.")]
ChannelRanges = Annotated[
    float,
    Option(
        "SHARE",
        least=0,
        most=1,
        text="Share of the differences between an input's channels that is moved into the weights; 1: each "
        "channel has a range of its own; default: one range for all.",
    ),
]
Names = Annotated[tuple[str, ...], Option("A,B,...", of=names)]


def parted(hint: Any) -> tuple[Any, Option]:
    """Split a parameter's type hint into its type without None and the ``Option``
    that annotates it."""
    option = Option()
    while True:
        if get_origin(hint) is Annotated:
            hint, *_, option = get_args(hint)  # of several annotations, the last is the parameter's own
        elif get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint):
            kinds = [part for part in get_args(hint) if part is not type(None)]
            hint = kinds[0] if len(kinds) == 1 else Any
        else:
            return hint, option


TYPES: dict[object, type | UnionType] = {bool: bool, int: int, float: int | float, str: str}
TYPE_NAMES: dict[object, str] = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap the function of a verb so that it rejects unsuitable arguments before
    it begins its work.

    Raises InputError: naming a value outside its range or choices, the folder of an
    output that does not exist, or an output that is another parameter's file. Raises
    OSError when an output cannot be written.
    """
    signature = inspect.signature(function)

    @functools.lru_cache(1)
    def hints() -> dict[str, tuple[Any, Option]]:
        return {name: parted(hint) for name, hint in get_type_hints(function, include_extras=True).items()}

    @functools.wraps(function)
    def checked(*given: P.args, **options: P.kwargs) -> R:
        files: list[tuple[str, PathName, bool]] = []
        bound = signature.bind(*given, **options)
        for name, value in bound.arguments.items():
            kind, option = hints()[name]
            if isinstance(value, np.generic):
                value = bound.arguments[name] = value.item()  # convert NumPy scalars to Python's numbers
            if value is not None or (kind in TYPES and signature.parameters[name].default is not None):
                _check(name, value, kind, option)
            if isinstance(value, str | os.PathLike):
                parts = [value] if "FILE" in option.metavar else []
                if option.joined:
                    parts = [part for part in os.fspath(value).split("+") if Path(part).is_file()]
                files += [(name, part, option.written) for part in parts]
        _check_apart(files)
        return function(*bound.args, **bound.kwargs)

    checked.__signature__ = _plain(signature)  # type: ignore[attr-defined]
    return checked


def _plain(known: inspect.Signature) -> inspect.Signature:
    """Return the signature that Python's ``help`` shows: names, types and defaults,
    without command-line options.

    Commands read ranges and texts from the annotations, which stay.
    """

    def plain(parameter: inspect.Parameter) -> inspect.Parameter:
        kind, _ = parted(parameter.annotation)
        return parameter.replace(annotation=kind | None if parameter.default is None else kind)

    return known.replace(parameters=[plain(parameter) for parameter in known.parameters.values()])


def _check_apart(files: list[tuple[str, PathName, bool]]) -> None:
    """Raise InputError if an output file is also an input file or another output file.
    ``files`` are (parameter name, path, whether it is written)."""
    for i, (name, path, written) in enumerate(files):
        for other_name, its, its_written in files[:i]:
            if (written or its_written) and _same(path, its):
                output, input_name = (name, other_name) if written else (other_name, name)
                raise InputError(f"{output} is {path}, the file of {input_name}; accepted: another file")


def _same(one: PathName, other: PathName) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        # One of the two files does not exist yet; "-" stands for standard input or
        # output, which are never the same.
        return os.fspath(one) != "-" and bool(os.path.realpath(one) == os.path.realpath(other))


def _check(name: str, value: Any, kind: Any, option: Option) -> None:
    if kind in TYPES and not (isinstance(value, TYPES[kind]) and (kind is bool) == isinstance(value, bool)):
        raise InputError(f"{name} is {value!r}; accepted: {TYPE_NAMES[kind]}")
    if kind == PathName and not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} is {value!r}; accepted: text or a path")
    if option.written and os.fspath(value) != STANDARD:  # check the output folder before the work begins
        if not Path(value).parent.is_dir():
            raise InputError(f"{Path(value).parent}: no such folder")
        check_destination(Path(value))
    if option == PICTURE:
        picture_format(value, name)
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise InputError(f"{name} is {value!r}; accepted: {', '.join(map(str, get_args(kind)))}")
    low, high = option.least, option.most
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        accepted = f"{low:g} and more" if high is None else f"{low}..{high}"
        raise InputError(f"{name} is {value}; accepted: {accepted}")

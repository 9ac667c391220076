"""Turns a function into a command: options from its signature, help from its docstring,
output from its result."""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

from ndrite.files import STANDARD
from ndrite.results import Result
from ndrite.shell import terminal
from ndrite.signature import PathName, parted

SECTION = re.compile(r"^(\w+)\n-+\n", re.M)
TYPES = {kind: kind for kind in (bool, int, float, str)} | {Any: str}
"""Type of a value -> click's type that parses its text."""
TOLD = {"progress": terminal.progress_bar, "announce": terminal.note}
"""Parameters through which a verb reports to a person at a terminal -> the
function that is passed."""
FILES = ("output", "picture")
"""Parameters that name an output file; ``--json`` then goes to stdout or stderr accordingly."""


def _verbose(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    terminal.verbose = terminal.verbose or value


VERBOSE = click.Option(
    ["-v", "--verbose"],
    is_flag=True,
    expose_value=False,
    callback=_verbose,
    help="More tables, and where an error is from.",
)


class CheckFailed(Exception):
    """Error for exit code 1: the command did its work, and the result is bad."""


def told(docstring: str) -> tuple[str, dict[str, str], list[str]]:
    """Split a docstring in NumPy's format into the text before its sections, the text
    of each parameter, and the example commands."""
    first, *parts = SECTION.split(docstring.replace("``", ""))
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    parameters = {}
    for names, text in re.findall(r"^(\w[\w, ]*):\n((?:[ ].*\n?|\n)+)", sections.get("Parameters", ""), re.M):
        for name in names.split(","):
            parameters[name.strip()] = " ".join(text.split())
    examples = re.findall(r"^\$ (.*(?:\n> .*)*)", sections.get("Examples", ""), re.M)
    return first.strip(), parameters, examples


def command_of(name: str, function: Callable[..., Result]) -> click.Command:
    """Build the click command for the function of a verb."""
    hints = get_type_hints(function, include_extras=True)
    text, about, commands = told(inspect.getdoc(function) or "")
    parameters = inspect.signature(function).parameters
    click_parameters = {n: _parameter(n, p, hints[n], about.get(n, "")) for n, p in parameters.items()}
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on stdout.")

    def run(as_json: bool, **given: Any) -> None:
        placed: list[object] = []
        for n, parameter in parameters.items():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                placed.append(given.pop(n))
            elif parameter.kind is parameter.VAR_POSITIONAL:
                placed += given.pop(n)
        written = {n: str(given[n]) for n in FILES if given.get(n) is not None}
        if as_json and STANDARD in written.values():
            raise click.UsageError("--json and -o - both want standard output; accepted: one of them")
        given |= {n: told_by for n, told_by in TOLD.items() if n in parameters}
        result = function(*placed, **given)
        written = {n: name for n, name in written.items() if name == STANDARD or Path(name).exists()}
        _show(result, as_json, written)  # a share of a job array writes no output file

    lines = "\n".join(commands).replace("\n> ", "\n").splitlines()
    examples = [("Example: " if i == 0 else " " * 9) + line for i, line in enumerate(lines)]
    params, full = (
        [*filter(None, click_parameters.values()), as_json, VERBOSE],
        "\n".join([text, "", "\b", *examples]),
    )
    return click.Command(name, params=params, callback=run, help=full, short_help=text)


def _show(result: Result, as_json: bool, written: dict[str, str]) -> None:
    """Print the result of a command on stdout, or on stderr if its output file is stdout."""
    if as_json:
        click.echo(json.dumps({**written, **result.as_dict()}, indent=2))
    elif STANDARD in written.values():
        for line in result.lines():
            terminal.note(line)
    else:
        for table in (*result.tables(), *(result.details() if terminal.verbose else ())):
            terminal.print_table(table)
        for line in (*result.lines(), *(f"{name}: {path}" for name, path in written.items())):
            terminal.say(line)
    if result.failure is not None:
        raise CheckFailed(result.failure)


def _parameter(name: str, parameter: inspect.Parameter, hint: Any, text: str) -> click.Parameter | None:
    """Create the command-line option for a function's parameter, the argument for a
    positional-only parameter, or None for a parameter that only Python can pass."""
    kind, option = parted(hint)
    value = _type(kind, option.of)
    if name in TOLD or value is None:
        return None
    text = text or option.text.replace("`", "")
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    settings: dict[str, Any] = {"required": True} if required else {"default": default}
    if parameter.kind is parameter.VAR_POSITIONAL:
        return click.Argument([name], type=value, nargs=-1)
    if parameter.kind is parameter.POSITIONAL_ONLY:
        metavar = option.metavar if option.metavar not in ("", "FILE") else name.upper()
        return click.Argument([name], type=value, metavar=metavar, **settings)
    long = "--" + name.replace("_", "-")
    if kind is bool:
        form = f"{long}/--no-{long[2:]}" if default else long
        return click.Option([form, name], is_flag=True, default=default, help=text)
    return click.Option(
        [*filter(None, [option.short]), long, name],
        type=value,
        nargs=len(get_args(kind)) if get_origin(kind) is tuple and option.of is None else 1,
        multiple=option.many,
        show_default=default is not None,
        metavar=option.metavar or None,
        help=text,
        **settings,
    )


class _Read(click.types.FuncParamType):  # type: ignore[type-arg]
    """A parameter type for click that converts a word by a function, and reports the
    text of the function's error, which click 8.3 would drop."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.func(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _type(kind: Any, of: Callable[[Any], Any] | None) -> Any:
    if of is not None:
        return _Read(of)
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if get_origin(kind) is tuple:
        return TYPES.get(get_args(kind)[0])
    if kind == PathName:
        return click.Path(path_type=Path)
    return TYPES.get(kind)

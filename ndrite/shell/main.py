"""The commands by name, and the conversion of errors to one line and an exit code."""

import ast
import importlib.util
import io
import pkgutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.spec import SpecError
from ndrite.emulator.spec.files import FULL
from ndrite.host import HostError, InputError
from ndrite.shell import terminal
from ndrite.shell.command import CheckFailed, command_of

OK, FAILED_CHECK, BAD_INPUT, DEVICE, INTERRUPTED = 0, 1, 2, 3, 130
Names = Mapping[str, "str | tuple[str, Names]"]


def _verbs(module: str, names: str) -> dict[str, str]:
    """Return the commands for a module's functions. The command ``list`` of ``chip`` is
    the function ``list_chips``, since ``list`` is a name of Python."""
    functions = {"list": f"list_{module.split('.')[-1]}s"}
    return {name: f"{module}:{functions.get(name, name)}" for name in names.split()}


def _each(names: str) -> dict[str, str]:
    """Return the commands that each have a module of their own."""
    return {name: f"ndrite.verbs.{name}:{name}" for name in names.split()}


COMMANDS: Names = {
    **_each("demo fit"),
    "chip": (
        "Chip descriptions: list, show, check, diff.",
        _verbs("ndrite.verbs.chip", "list show check diff"),
    ),
    **_each(
        "train learn atlas compile evaluate explain place cost report export campaign sweep calibrate infer"
    ),
    "board": (
        "FPGA boards and simulated ones: build, bringup, serve and more.",
        _verbs("ndrite.verbs.board", "list")
        | _verbs("ndrite.verbs.bringup", "build")
        | _verbs("ndrite.verbs.board", "flash")
        | _verbs("ndrite.verbs.bringup", "bringup")
        | _verbs("ndrite.verbs.board", "selftest scrub serve info"),
    ),
}
"""Name of a command -> module and function of its verb; name of a group of commands ->
what the group is about, and its commands."""
START = """\
Neural networks on emulated memristive chips.

you have                   start with
nothing yet                ndrite demo
measured curves (CSV)      ndrite fit ndr iv.csv -o mine.yaml
a model (ONNX, PyTorch)    ndrite compile model.onnx --chip wan2022 --samples x.npy -o mine
a compiled network         ndrite explain mine
any PyTorch module         ndrite explain model.py:make --chip wan2022
an FPGA board              ndrite board bringup BOARD --port PORT

`ndrite --help` lists all commands, `ndrite COMMAND --help` says what one takes.
"""
URLS = """\
\b
A board that runs programs is named by a URL:
  golden:[PRESET]    the bit-exact integer model
  sim:[PRESET]       the RTL compiled for this machine (presets: 64-lane, 8-lane, tiny)
  uart:PORT[@BAUD]   gateware on a serial port, pseudo-terminal or socket://host:port
  udp:HOST[:PORT]    gateware on Ethernet, or ndrite board serve --udp
  sim-udp:[PRESET]   the UDP driver on the compiled gateware
  pcie:DDDD:BB:DD.F  a card at that PCI address (never used with hardware)
  pcie-sim:[PRESET]  the PCIe driver on the compiled endpoint
"""


class Verbs(click.Group):
    """Command group that imports a command's module only when the command is called;
    for help it reads docstrings from the source text."""

    def __init__(self, name: str, known: Names, **options: Any) -> None:
        super().__init__(name, **options)
        self.known = known

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = self.known.get(cmd_name)
        if where is None:
            return None
        if isinstance(where, tuple):
            more = URLS if cmd_name == "board" else None
            return Verbs(cmd_name, where[1], help=where[0], epilog=more)
        return command_of(cmd_name, pkgutil.resolve_name(where))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summaries = [(name, w[0] if isinstance(w, tuple) else summary(w)) for name, w in self.known.items()]
        with formatter.section("Commands"):
            formatter.write_dl(summaries, col_max=12)


def summary(where: str) -> str:
    """Return the first line of a command's docstring without importing the command's module."""
    module, _, function = where.partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    raise AssertionError(f"{where}: no such function")


def _start(ctx: click.Context, quiet: bool, verbose: bool) -> None:
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    terminal.quiet, terminal.verbose = quiet, verbose
    if ctx.invoked_subcommand is None:
        click.echo(START, nl=False)


group = Verbs(
    "ndrite",
    COMMANDS,
    callback=click.pass_context(_start),
    invoke_without_command=True,
    options_metavar="[-q|-v] [--version]",
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        click.Option(["-q", "--quiet"], is_flag=True, hidden=True),
        click.Option(["-v", "--verbose"], is_flag=True, hidden=True),
    ],
)
group = click.version_option(package_name="ndrite", prog_name="ndrite")(group)
group.params[-1].hidden = True  # type: ignore[attr-defined]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its exit code; the entry point of the program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # For names with letters that the locale cannot encode.
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends the command as cleanly as Ctrl-C
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. An error is one line on stderr."""
    terminal.quiet = terminal.verbose = False
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note  # print warnings as notes, without file and line of our sources
            warnings.simplefilter("always", UserWarning)
            code = group.main(args=words, prog_name="ndrite", standalone_mode=False)
        return code if isinstance(code, int) else OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # Click turns a KeyboardInterrupt into an Abort without its text.
        interruption = error.__cause__ or error
        print(" ".join(("ndrite: interrupted", *map(str, interruption.args))), file=sys.stderr)
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return OK
    except click.ClickException as error:
        return _fail(error.format_message(), BAD_INPUT)
    except CheckFailed as error:
        return _fail(str(error), FAILED_CHECK)
    except (InputError, SpecError, EmulatorError) as error:
        return _fail(str(error), BAD_INPUT)
    except HostError as error:
        return _fail(str(error), DEVICE)
    except BrokenPipeError:
        sys.stderr.close()  # the program that reads our output has ended: stay silent
        return OK
    except OSError as error:
        # An OS error without a file name comes from the folder of temporary files.
        where = error.filename or (tempfile.gettempdir() if error.errno in FULL else "")
        where = f"{where}: " if where else ""
        return _fail(f"{where}{error.strerror or error}", BAD_INPUT)


def _note(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    """Show a warning of this package as a note. Warnings of other packages are for
    programmers and are dropped."""
    if category.__module__.partition(".")[0] == "ndrite":
        terminal.note(f"ndrite: warning: {message}")


def _fail(message: str, code: int) -> int:
    if terminal.verbose:
        traceback.print_exc()
    print("ndrite: error: " + terminal.printable(" ".join(message.split())), file=sys.stderr)
    return code

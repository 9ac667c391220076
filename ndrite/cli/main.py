"""The command group, and how errors become one line and an exit code."""

from __future__ import annotations

import importlib
import keyword
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import click

OK, FAILED_CHECK, BAD_INPUT, DEVICE, INTERRUPTED = 0, 1, 2, 3, 130
COMMANDS = {
    "demo": "The shipped network: float, golden model and RTL side by side.",
    "info": "What a board says it is.",
    "import": "A PyTorch or ONNX model: write a float network.",
    "compile": "A float network onto a chip: write a program.",
    "train": "Train a network through a chip's errors: write a float network.",
    "calibrate": "Tune a programmed chip's neurons by ECRAM pulses: write the tuned program.",
    "cost": "Energy, latency and area of one inference by component, modelled.",
    "chip": "Chip descriptions: list, show, check, diff, and what each preset loses.",
    "fit": "Your own measurements into a device description.",
    "explain": "Where the accuracy goes: one cause of error at a time.",
    "infer": "Run inputs through a program on a board.",
    "evaluate": "Accuracy or error on test samples, and agreement with the golden model.",
    "report": "One page about a program: accuracy, errors, curves, cells, cycles.",
    "trace": "Waveforms of one inference in the compiled RTL.",
    "campaign": "Accuracy over many virtual chips of a program.",
    "sweep": "Grids over chip fields, seeds and networks.",
    "explore": "A page to look through a sweep plan's points: accuracy, energy, area.",
    "scrub": "What has changed in a programmed chip's memories; reloads it.",
    "serve": "The simulated board's UART on a pseudo-terminal.",
    "bringup": "A board from bitstream to report: link, memories, arithmetic, noise, speed.",
    "selftest": "Test a board's registers, memories and arithmetic.",
    "boards": "The FPGA boards, with size and speed.",
    "build": "A bitstream for an FPGA board.",
    "flash": "Load a bitstream into an FPGA board.",
    "completion": "The script for a shell's completion.",
}


class CheckFailed(Exception):
    """A command did its work and the result is bad: exit code 1."""


class _Group(click.Group):
    """Knows every command's name and summary; imports one only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        file = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        module = importlib.import_module(f"ndrite.cli.{file}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ndrite", prog_name="ndrite")
@click.option("-q", "--quiet", is_flag=True, help="No progress bars and no notes on stderr; errors stay.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Where an error came from, as a traceback before its line."
)
def group(quiet: bool, verbose: bool) -> None:
    """Neural networks on emulated RRAM crossbars with NDR neurons.

    \b
    A board is named by a URL:
      golden:[PRESET]    the bit-exact integer model
      sim:[PRESET]       the RTL compiled for this machine (presets: 64-lane, 8-lane, tiny)
      uart:PORT[@BAUD]   gateware on a serial port, pseudo-terminal or socket://host:port
      udp:HOST[:PORT]    gateware on Ethernet, or ndrite serve --udp
      sim-udp:[PRESET]   the UDP driver on the compiled gateware
      pcie:DDDD:BB:DD.F  a card at that PCI address (never used with hardware)
      pcie-sim:[PRESET]  the PCIe driver on the compiled endpoint

    \b
    Exit codes: 0 ok, 1 a check failed, 2 wrong usage or input, 3 link or device error, 130 Ctrl-C.
    Defaults: config.toml in the user's configuration folder (or $NDRITE_CONFIG): board, chip, preset.
    """
    from ndrite.cli import terminal

    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    terminal.quiet = quiet


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a command, exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Errors go to stderr as one line."""
    from emulator.errors import EmulatorError
    from emulator.spec import SpecError
    from host import HostError, InputError
    from ndrite.cli import terminal
    from ndrite.cli.settings import defaults

    terminal.quiet = False
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbose = _asked(words)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note  # a line like every other note, without the place in our sources
            warnings.simplefilter("always", UserWarning)
            code = group.main(args=words, prog_name="ndrite", standalone_mode=False, default_map=defaults())
        return code if isinstance(code, int) else OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("ndrite: interrupted", file=sys.stderr)
        return INTERRUPTED
    except click.ClickException as error:
        return _fail(error.format_message(), BAD_INPUT, verbose)
    except CheckFailed as error:
        return _fail(str(error), FAILED_CHECK, verbose)
    except (InputError, SpecError, EmulatorError) as error:
        return _fail(str(error), BAD_INPUT, verbose)
    except HostError as error:
        return _fail(str(error), DEVICE, verbose)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nobody is left to tell
        return OK
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", BAD_INPUT, verbose)


def _asked(words: list[str]) -> bool:
    """Whether ``--verbose`` stands before the command."""
    options = words[: next((i for i, word in enumerate(words) if not word.startswith("-")), len(words))]
    return "--verbose" in options or any(re.fullmatch("-[qh]*v[qhv]*", word) for word in options)


def _note(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """A warning of ours as a note; those of other packages are for programmers, and are dropped."""
    from ndrite.cli.terminal import note

    if category.__module__.partition(".")[0] in ("emulator", "host", "ndrite"):
        note(f"ndrite: warning: {message}")


def _fail(message: str, code: int, verbose: bool) -> int:
    from ndrite.cli.terminal import printable

    if verbose:
        traceback.print_exc()
    print("ndrite: error: " + printable(" ".join(message.split())), file=sys.stderr)
    return code

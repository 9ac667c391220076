"""ndrite completion: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ndrite.cli.main import group

VARIABLE = "_NDRITE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell, to be read by it when it starts.

    \b
    Example: ndrite completion bash > ~/.local/share/bash-completion/completions/ndrite
             ndrite completion zsh > ~/.zfunc/_ndrite          (with ~/.zfunc in fpath)
             ndrite completion fish > ~/.config/fish/completions/ndrite.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # the choices are click's own
    complete = found(group, {}, "ndrite", VARIABLE)
    # click's own source() starts bash to learn its version; the script is the same without.
    click.echo(complete.source_template % complete.source_vars())

"""completion: the script that makes a shell complete commands and options."""

from __future__ import annotations

from typing import Literal

from click.shell_completion import get_completion_class

from ndrite.results import Found
from ndrite.signature import verb

VARIABLE = "_NDRITE_COMPLETE"


@verb
def completion(shell: Literal["bash", "zsh", "fish"], /) -> Found:
    """The script for a shell's completion.

    The shell reads it when it starts.

    Examples
    --------
    $ ndrite completion bash > ~/.local/share/bash-completion/completions/ndrite
    > ndrite completion zsh > ~/.zfunc/_ndrite          (with ~/.zfunc in fpath)
    > ndrite completion fish > ~/.config/fish/completions/ndrite.fish
    """
    from ndrite.shell.main import group

    found = get_completion_class(shell)
    assert found is not None  # the choices are click's own
    complete = found(group, {}, "ndrite", VARIABLE)
    # click's own source() starts bash to learn its version; the script is the same without.
    script = complete.source_template % complete.source_vars()
    return Found({"script": script}, said=(script,))

"""completion: the script that makes a shell complete commands and options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from click.shell_completion import get_completion_class

from ndrite.results import Result
from ndrite.signature import verb

VARIABLE = "_NDRITE_COMPLETE"


@dataclass(frozen=True)
class Script(Result):
    """A shell's script."""

    text: str

    def as_dict(self) -> dict[str, Any]:
        """The script alone."""
        return {"script": self.text}

    def lines(self) -> tuple[str, ...]:
        """All of it."""
        return (self.text,)


@verb
def completion(shell: Literal["bash", "zsh", "fish"], /) -> Script:
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
    return Script(complete.source_template % complete.source_vars())

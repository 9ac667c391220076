"""Writing a file in whole or not at all (kept where the program format needs it, in ``emulator.spec``)."""

import os
from pathlib import Path

from emulator.spec.files import check_destination, whole_file


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file in whole or not at all; where it is."""
    with whole_file(Path(path)) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return Path(path)


__all__ = ["check_destination", "whole_file", "write_whole"]

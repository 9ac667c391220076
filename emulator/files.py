"""Writing a file in whole or not at all (kept where the image format needs it, in ``emulator.spec``)."""

from emulator.spec.files import whole_file

__all__ = ["whole_file"]

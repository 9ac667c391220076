"""Writing a file in whole or not at all (kept where the program format needs it, in ``emulator.spec``)."""

from emulator.spec.files import check_destination, whole_file

__all__ = ["check_destination", "whole_file"]

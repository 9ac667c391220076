"""tracer: finds the names of signals that one statement assigns together, which
Amaranth 0.5 cannot do from Python 3.13 on.

Python 3.13 stores two local variables in one instruction, which Amaranth does not
decode. Names are part of a netlist: place and route depend on them, and so does every
committed report.
"""

import sys
from opcode import opname
from types import FrameType
from typing import Any

from amaranth import tracer

_of_one = tracer.get_var_name


def get_var_name(depth: int = 2, default: Any = tracer._raise_exception) -> Any:
    """Return the name of the variable to which a statement assigns, as Amaranth's
    function of this name does. If a statement assigns to two variables, the value on
    top of the stack gets the name of the first variable."""
    name = _of_one(depth + 1, None) or _of_two(sys._getframe(depth))
    if name is None and default is tracer._raise_exception:
        raise tracer.NameNotFound
    return default if name is None else name


def _of_two(frame: FrameType) -> str | None:
    code, index = frame.f_code.co_code, frame.f_lasti
    while opname[code[index]] == "CACHE":
        index -= 2
    index += 2
    while opname[code[index]] == "CACHE":
        index += 2
    if opname[code[index]] != "STORE_FAST_STORE_FAST":
        return None
    return str(frame.f_code._varname_from_oparg(code[index + 1] >> 4))  # type: ignore[attr-defined]


tracer.get_var_name = get_var_name

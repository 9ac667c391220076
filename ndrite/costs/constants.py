"""The constants of the cost model: read from YAML, checked, and scaled to the
chip's technology node."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.errors import EmulatorError, require
from ndrite.emulator.yaml_file import read_yaml

Triple = npt.NDArray[np.float64]
"""A range: low, typical and high value, float64 (3,)."""
ACCOUNTINGS = ("low", "typical", "high")
CONSTANTS = Path(__file__).parent / "constants.yaml"
NODES_NM = (5.0, 500.0)
LARGEST = 1e15
EXPONENTS = {"pJ": 1.9, "fJ": 1.9, "um2": 2.0}
"""Unit of a constant -> the power of the technology node by which the constant scales,
if it names a node."""


class CostError(EmulatorError):
    """Error: constants of the cost model are wrong, or the cost of a die cannot be computed."""


@dataclass(frozen=True)
class Constants:
    """Constants of the cost model; ``constants["dac_pJ"]``, for example, is a range
    (low, typical, high) at technology node ``node_nm``, in nanometres.

    ``given``: low, typical and high of each by name, its ``unit``, and the node it was
    given at (None: it does not scale).
    """

    given: dict[str, dict[str, Any]]
    node_nm: float

    def __getitem__(self, name: str) -> Triple:
        entry = self.given[name]
        scale = (self.node_nm / (entry["node_nm"] or self.node_nm)) ** EXPONENTS.get(entry["unit"], 0.0)
        return np.asarray([scale * entry[a] for a in ACCOUNTINGS], np.float64)

    def on(self, node_nm: float | None) -> Self:
        """Return the constants scaled to technology node ``node_nm``; None leaves them
        unchanged. Raises CostError outside 5..500 nm."""
        if node_nm is None:
            return self
        return replace(self, node_nm=_number("node", node_nm, *NODES_NM))

    def with_values(self, **values: float) -> Self:
        """Return the constants with some of them replaced by single values that are
        known of one chip. A replaced constant has no range and is not scaled to other
        technology nodes."""
        single = {
            name: {**self.given[name], **dict.fromkeys(ACCOUNTINGS, float(v)), "node_nm": None}
            for name, v in values.items()
        }
        return replace(self, given=self.given | single)


def load_constants(path: Path = CONSTANTS) -> Constants:
    """Load constants from a YAML file, which must have every field that the built-in file has.

    Raises CostError naming file, field, value and what is accepted.
    """
    content = read_yaml(path, CostError)
    try:
        constants = _constants(content)
    except CostError as error:
        raise CostError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise CostError(f"{path}: field missing or of the wrong kind ({error})") from None
    if path != CONSTANTS:
        shipped = load_constants().given
        for name in shipped.keys() ^ constants.given.keys():
            state = "missing" if name in shipped else "unknown"
            raise CostError(f"{path}: constants.{name} is {state}; accepted: {', '.join(shipped)}")
    return constants


def _constants(content: Any) -> Constants:
    entries = {}
    for name, entry in content["constants"].items():
        where, node = f"constants.{name}", entry["node_nm"]
        values = [_number(f"{where}.{a}", entry[a], 0.0, LARGEST) for a in ACCOUNTINGS]
        require(sorted(values) == values, where, values, "low, typical and high in rising order", CostError)
        node = None if node is None else _number(f"{where}.node_nm", node, *NODES_NM)
        fields = {"unit": entry["unit"], "source": entry["source"], "node_nm": node}
        entries[name] = dict(zip(ACCOUNTINGS, values, strict=True)) | fields
    return Constants(entries, _number("node_nm.value", content["node_nm"]["value"], *NODES_NM))


def _number(where: str, value: Any, low: float, high: float) -> float:
    # YAML 1.1 reads 1.3e5 as text, so text that is a number is converted.
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    require(low <= number <= high, where, repr(value), f"a number, {low:g}..{high:g}", CostError)
    return number

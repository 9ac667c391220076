"""The accounting: paths of parts, their product of latency, area and energy, and ratios between paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from emulator.errors import EmulatorError
from emulator.yaml_file import read_yaml

ACCOUNTINGS = ("low", "typical", "high")
QUANTITIES = ("latency_ns", "area_um2", "energy_pJ")
CONSTANTS = FilePath(__file__).parent / "constants.yaml"
REFERENCES = ("digital", "analog")
LARGEST = 1e15


@dataclass(frozen=True)
class Path:
    """One way to compute an activation under one accounting: ns, um2, pJ."""

    latency_ns: float
    area_um2: float
    energy_pJ: float

    @property
    def lae(self) -> float:
        """Latency x area x energy, ns um2 pJ."""
        return self.latency_ns * self.area_um2 * self.energy_pJ


def load_constants(path: FilePath = CONSTANTS) -> dict[str, Any]:
    """Constants of a YAML file, checked.

    Raises
    ------
    EmulatorError
        Naming the file, field, value and what is accepted.
    """
    content = read_yaml(path, EmulatorError)
    try:
        for reference in REFERENCES:
            ratio = content["quoted"][reference]["ratio"] = float(content["quoted"][reference]["ratio"])
            if not 0 < ratio < LARGEST:
                raise EmulatorError(f"{path}: quoted.{reference}.ratio is {ratio}; accepted: above 0")
        for name in (*REFERENCES, "ndr"):
            for part, values in content["paths"][name].items():
                for quantity in QUANTITIES:
                    for accounting in ACCOUNTINGS:
                        value = values[quantity][accounting]
                        if not isinstance(value, int | float) or not 0 <= value < LARGEST:
                            raise EmulatorError(
                                f"{path}: paths.{name}.{part}.{quantity}.{accounting} is {value!r}; "
                                "accepted: a number, 0 or more"
                            )
            for accounting in ACCOUNTINGS:
                if not path_of(content, name, accounting).lae > 0:
                    raise EmulatorError(f"{path}: paths.{name} comes to 0 ({accounting}); accepted: above 0")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EmulatorError(f"{path}: field missing or of the wrong kind ({error})") from None
    return dict(content)


def path_of(constants: dict[str, Any], name: str, accounting: str) -> Path:
    """The sum of a path's parts."""
    parts = constants["paths"][name].values()
    return Path(*(sum(part[q][accounting] for part in parts) for q in QUANTITIES))


def report(constants: dict[str, Any]) -> dict[str, Any]:
    """Paths, ratios to the NDR neuron, and what the NDR neuron would need for the quoted ratios.

    Each path is taken under the same accounting, and the widest spread pairs one path's low with the other's
    high. ``needs``: the latency at which the NDR neuron would have the quoted ratio, its area and power as
    in the accounting (LAE goes with the square of the latency at constant power), and that latency's factor
    on today's.
    """
    paths = {name: {a: path_of(constants, name, a) for a in ACCOUNTINGS} for name in (*REFERENCES, "ndr")}
    ratios: dict[str, Any] = {}
    for name in REFERENCES:
        quoted = constants["quoted"][name]["ratio"]
        found = {a: paths[name][a].lae / paths["ndr"][a].lae for a in ACCOUNTINGS}
        needs = {}
        for a in ACCOUNTINGS:
            factor = math.sqrt(found[a] / quoted)
            needs[a] = {"latency_ns": paths["ndr"][a].latency_ns * factor, "factor": factor}
        ratios[name] = {
            "quoted": quoted,
            **found,
            "least": paths[name]["low"].lae / paths["ndr"]["high"].lae,
            "greatest": paths[name]["high"].lae / paths["ndr"]["low"].lae,
            "needs": needs,
        }
    return {
        "paths": {name: {a: {**vars(p), "lae": p.lae} for a, p in by.items()} for name, by in paths.items()},
        "ratios": ratios,
        "fpga": fpga(),
    }


def fpga() -> list[dict[str, Any]]:
    """What the emulator's own gateware spends: whole designs of the committed builds, nothing of a chip."""
    from boards.fpga.reports import summaries

    names = ("board", "lanes", "luts", "ffs", "dsps", "brams", "clock_mhz")
    return [{n: row.get(n) for n in names} for row in summaries() if row.get("luts") is not None]

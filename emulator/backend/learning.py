"""A learning program for a geometry: where states, columns and lists of rows lie, and every setting by name."""

from __future__ import annotations

from typing import NamedTuple

from emulator.spec.errors import GeometryError
from emulator.spec.geometry import Geometry
from emulator.spec.learning import LEVELS, Learning

TILES_MAX = 16
"""Row tiles of a layer, at most."""
TABLES = ("step", "asymmetry", "upper", "lower", "cycle")


class LearningLayout(NamedTuple):
    """What the gateware is given, each a list of settings by name: ``layers``, ``columns`` of all layers one
    behind the other, ``tables`` (table, address, data) of devices, ``curves`` (address, base, slope)."""

    layers: list[dict[str, int]]
    columns: list[dict[str, int]]
    tables: list[dict[str, int]]
    curves: list[dict[str, int]]


def lay_out_learning(learning: Learning, geometry: Geometry) -> LearningLayout:
    """Places of everything.

    Raises
    ------
    GeometryError
        When the program does not fit: no layer wider than the lanes, all of them with converters, and states,
        columns, curves, layers and tiles within the memories.
    """
    check_learning_fits(learning, geometry)
    layers: list[dict[str, int]] = []
    columns: list[dict[str, int]] = []
    tables: list[dict[str, int]] = []
    state = live = 0
    for i, (of, learned) in enumerate(zip(learning.program.layers, learning.layers, strict=True)):
        law = learned.devices
        layers.append(
            {
                "inputs": of.inputs,
                "outputs": of.outputs,
                "at_state": state,
                "at_column": len(columns),
                "at_live": live,
                **{name: getattr(of, name) for name in ("dac_bits", "adc_bits", "shift", "vshift")},
                **{name: getattr(of, name) for name in ("segment_bits", "table_bits", "var_cell")},
                "variance_out": of.sigma_out**2,
                **{name: getattr(learned, name) for name in ("bias_gain", "bias_shift", "slope_shift")},
                **{name: getattr(learned, name) for name in ("row_rate", "row_shift")},
                **{name: getattr(learned, name) for name in ("column_rate", "column_shift")},
                **{name: getattr(learned, name) for name in ("back_gain", "back_shift", "back_bits")},
                "back_variance": learned.back_sigma**2,
                "back_var": learned.back_var,
                "slope_up": law.slope_up,
                "slope_down": law.slope_down,
                "step_shift": law.step_shift,
            }
        )
        for m in range(of.outputs):
            constants = {"bias": int(learned.bias[m])}
            columns.append(
                constants | {n: int(getattr(of, n)[m]) for n in ("gain", "offset", "scale", "curve")}
            )
        for t, name in enumerate(TABLES):
            values = getattr(law, name).tolist()
            tables += [{"table": t, "address": i * LEVELS + n, "data": v} for n, v in enumerate(values)]
        state, live = state + of.inputs + 1, live + of.inputs
    base, slope = learning.program.curve_base, learning.program.curve_slope
    pairs = zip(base.reshape(-1).tolist(), slope.reshape(-1).tolist(), strict=True)
    curves = [{"address": i, "base": b, "slope": s} for i, (b, s) in enumerate(pairs)]
    return LearningLayout(layers, columns, tables, curves)


def check_learning_fits(learning: Learning, geometry: Geometry) -> None:
    """Raise GeometryError unless a geometry holds a learning program."""
    layers, g = learning.program.layers, geometry

    def require(ok: bool, what: str, value: object, accepted: str) -> None:
        if not ok:
            raise GeometryError(
                f"{learning.program.name!r} on {g.name!r}: {what} is {value}; accepted: {accepted}"
            )

    widest = max(layer.outputs for layer in layers)
    require(widest <= g.lanes, "the widest layer", widest, f"at most {g.lanes}, the lanes")
    require(len(layers) <= g.layers, "layers", len(layers), f"at most {g.layers}")
    require(learning.program.rows == g.rows, "rows", learning.program.rows, f"{g.rows}")
    states = sum(layer.inputs + 1 for layer in layers)
    require(states <= g.weight_depth, "states of a lane", states, f"at most {g.weight_depth}")
    columns = sum(layer.outputs for layer in layers)
    require(columns <= g.columns, "columns", columns, f"at most {g.columns}")
    curves, segments = learning.program.curve_base.shape
    require(
        curves <= g.curves and segments == g.segments, "curves", (curves, segments), f"{g.curves, g.segments}"
    )
    for i, layer in enumerate(layers):
        require(layer.readout == "adc", f"readout of layer {i}", layer.readout, "adc")
        require(
            layer.tiles(g.rows) <= TILES_MAX,
            f"tiles of layer {i}",
            layer.tiles(g.rows),
            f"at most {TILES_MAX}",
        )

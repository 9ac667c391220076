"""Devices of bases in the breakdown: those of the die, as it holds them, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from emulator.mapping import Mapped, map_network
from emulator.mapping.explain import explain
from emulator.mapping.explain.forward import Forward, stages
from emulator.network import Table
from emulator.spec.evaluate import At
from tests.chips import changed
from tests.stimulus import step_of
from tests.system.test_kan import INPUTS, kan

X = np.random.default_rng(1).integers(0, 256, (80, INPUTS), dtype=np.uint8)
NET = kan()
LABELS = NET.forward(X / np.float32(255)).argmax(axis=1)


def made(name: str = "ideal", **neuron: float) -> Mapped:
    chip = changed(name, neuron=neuron)
    return map_network(NET, chip, X, seed=3)


def forward(one: Mapped, *causes: str) -> Forward:
    return Forward(NET, one.program, one.die, stages(NET, one.program, one.die), causes)


def answers(one: Mapped, *causes: str) -> np.ndarray:
    return forward(one, *causes).logits(X)


def test_no_cause_is_the_float_network() -> None:
    np.testing.assert_allclose(answers(made()), NET.forward(X / np.float32(255)), atol=1e-4)


def test_the_devices_are_the_dies() -> None:
    """Every map in codes, tables looked up by hand in what the die holds."""
    one = made(peak_voltage_variation_percent=10.0, peak_current_variation_percent=10.0)
    codes = X.astype(np.int64)
    for table, node, dense in zip(one.die.tables, NET.nodes[::2], NET.layers, strict=True):
        assert table is not None
        assert isinstance(node, Table)
        curves = np.rint(table.values())
        values = np.stack([curve[codes[:, c]] for curve, c in zip(curves, node.channel, strict=True)], axis=1)
        sums = values / 255 @ dense.weights.astype(np.float64) + dense.bias
        codes = np.rint(255 * np.clip(sums, 0, 1)).astype(np.int64)
    np.testing.assert_allclose(answers(one, "NDR device", "DAC"), sums, atol=0.02 * sums.std())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "chip", "neuron"),
    [
        ("NDR device", "ideal", {"peak_voltage_variation_percent": 10.0}),
        ("NDR device", "ideal+ecram-pair", {}),
        ("load line", "ideal", {"source_resistance_ohm": 100.0}),
    ],
)
def test_devices_show_in_their_own_row(cause: str, chip: str, neuron: dict[str, float]) -> None:
    plain, hurt = (explain(NET, one.program, one.die, X, X, LABELS) for one in (made(), made(chip, **neuron)))
    assert hurt.row(cause).snr_db < min(40, plain.row(cause).snr_db - 20)
    other = "load line" if cause == "NDR device" else "NDR device"
    assert hurt.row(other).snr_db > 60


@pytest.mark.parametrize("chip", ["ideal", "dendritic-ndr+ecram-pair"])
def test_tables_of_bases_are_the_programs(chip: str) -> None:
    one, node = made(chip), NET.nodes[0]
    assert isinstance(node, Table)
    x = X.reshape(len(X), INPUTS, 1, 1)
    causes = ["NDR device", "load line", "PWL fit"]
    got = forward(one, *causes).table(At(), node, [x / 255])
    golden = step_of(one.program, 0, {0: x})
    assert np.abs(255 * got - golden).max() <= 0.51
    plain = forward(one, *causes[:2]).table(At(), node, [x / 255])
    assert 0.51 < np.abs(255 * plain - golden).max() < 12

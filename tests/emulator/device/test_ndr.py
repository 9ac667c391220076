"""NDR curves against what is known of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.device.ndr.curves import Bell, Esaki, Table, Tunnel, tunnel
from emulator.errors import PhysicsError


def test_tunnel_form():
    assert tunnel(1.0) == 1.0
    assert tunnel(-3.0) == 0.0
    x = np.linspace(0, 10, 100_001)
    assert x[tunnel(x).argmax()] == pytest.approx(1.0)
    # inflection at 2: the slope there is the steepest fall
    assert x[np.gradient(tunnel(x), x).argmin()] == pytest.approx(2.0, abs=1e-3)


def test_esaki_defaults_have_the_known_peak_and_valley():
    # Peak 1.000 mA at 0.100 V, valley 0.156 mA at 0.462 V: computed independently from the fREEDA constants.
    v = np.linspace(0, 0.5, 50_001)
    i = Esaki().current(v)
    assert i.max() == pytest.approx(1e-3, rel=1e-3)
    assert v[i.argmax()] == pytest.approx(0.1, abs=1e-3)
    tail = v > 0.2
    assert i[tail].min() == pytest.approx(0.156e-3, rel=0.01)
    assert v[tail][i[tail].argmin()] == pytest.approx(0.462, abs=2e-3)
    assert Esaki().current(0.0) == 0.0


@given(st.floats(0.01, 2), st.floats(1e-9, 1e-2))
def test_shape_is_the_current_in_units_of_the_peak(peak_v, peak_i):
    for device in (Tunnel(peak_v, peak_i), Bell(peak_v, peak_i, peak_v / 3)):
        u = np.linspace(-1, 5, 61)
        np.testing.assert_allclose(device.shape(u) * peak_i, device.current(u * peak_v), rtol=1e-9, atol=0)
        assert device.shape(1.0) == pytest.approx(1.0)


def test_table_is_its_points_and_has_a_peak():
    table = Table([0, 0.1, 0.3, 0.5], [0, 2e-6, 1e-6, 0.5e-6])
    assert (table.peak_voltage_V, table.peak_current_A) == (0.1, 2e-6)
    np.testing.assert_allclose(table.current([0.1, 0.2, 9]), [2e-6, 1.5e-6, 0.5e-6])
    assert table.shape(1.0) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tunnel(0.0, 1e-3), "peak_voltage_V is 0.0"),
        (lambda: Esaki(valley_voltage_V=0.05), "valley_voltage_V is 0.05; accepted: above peak_voltage_V"),
        (lambda: Bell(0.1, 1e-3, -1), "width_V is -1"),
        (lambda: Table([0, 1], [0, 1]), "n >= 3"),
        (lambda: Table([0, 0, 1], [0, 1, 0]), "strictly rising"),
        (lambda: Table([0, 1, 2], [-1, -1, -2]), "peak_voltage_V"),
        (lambda: Table([0, 1, 2], [0, 1]), "n >= 3"),
    ],
)
def test_impossible_devices(make, message):
    with pytest.raises(PhysicsError, match=message):
        make()

"""One NDR device behind a resistance in ngspice: the independent judge of
``ndrite.emulator.device.ndr.circuit``.

The netlist has the published diode equation as a behavioural source; nothing of ours is in it.
"""

import shutil
import subprocess

import numpy as np
import pytest

needs_ngspice = pytest.mark.skipif(
    shutil.which("ngspice") is None, reason="ngspice is not installed (Debian's package ngspice)"
)

ESAKI = (
    "1e-3*(max(v(d),0)/0.1)*exp(1-max(v(d),0)/0.1)"
    "+1e-4*(exp(30*(max(v(d),0)-0.5))-exp(-15))"
    "+1e-16*(exp(max(v(d),0)*1.602176634e-19/(1.380649e-23*300))-1)"
)
"""fREEDA's diodetun with its defaults, amperes of the device's node d."""


def simulated(folder, deck: str):
    """The table (rows, columns) that a deck writes to ``deck.out``."""
    (folder / "deck.cir").write_text(deck)
    line = ["ngspice", "-b", "deck.cir"]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=3600, check=False)
    assert (folder / "deck.out").is_file(), done.stdout[-2000:] + done.stderr[-2000:]
    return np.atleast_2d(np.loadtxt(folder / "deck.out"))


def transient(
    folder,
    ohm: float,
    farad: float,
    source: str,
    seconds: float,
    points: int = 4000,
    henry: float = 0.0,
    start: tuple[float, float] = (0.0, 0.0),
):
    """Times (n,), source and device voltages (n,) of a transient analysis; ``source`` is SPICE.

    From ``start``, the device's voltage and the inductance's current. Gear's method
    damps oscillations: with an inductance the trapezoidal rule is used.
    """
    step = seconds / points
    series = f"R1 s a {ohm}\nL1 a d {henry} IC={start[1]}" if henry else f"R1 s d {ohm}"
    table = simulated(
        folder,
        f"""* one device behind a resistance
Vs s 0 {source}
{series}
C1 d 0 {farad} IC={start[0]}
B1 d 0 I={ESAKI}
.options reltol=1e-5 abstol=1e-12 method={"trap" if henry else "gear"}
.control
tran {step} {seconds} 0 {step} uic
wrdata deck.out v(s) v(d)
.endc
.end
""",
    )
    return table[:, 0], table[:, 1], table[:, 3]


def sweep(folder, ohm: float, top_V: float):
    """Source voltages (n,) and currents (n,) of a sweep of a millisecond over
    0..``top_V``: slow for 1 pF."""
    shape = f"PWL(0 0 1e-5 0 1.01e-3 {top_V})"
    t, source, device = transient(folder, ohm, 1e-12, shape, 1.01e-3)
    on = t >= 1.0e-5
    return source[on], (source - device)[on] / ohm

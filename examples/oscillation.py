"""How far off its load line a neuron is whose inductance lets it oscillate, by ngspice.

One neuron for every source voltage, switched on from 0 V. Its mean current over the
second half of the time is compared with the load line that a neuron's table holds, in
steps of 255. Takes a minute.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ndrite import devices


def law(device: devices.Esaki, volt: str) -> str:
    """Amperes of the diode for ngspice: tunnel, excess and thermal current."""
    x, v, a2 = f"(max({volt},0)/{device.peak_voltage_V})", f"max({volt},0)", device.excess_slope_per_V
    excess = f"(exp({a2}*({v}-{device.valley_voltage_V}))-exp({-a2 * device.valley_voltage_V}))"
    thermal = f"{device.saturation_current_A}*(exp({v}/{8.617333e-5 * device.temperature_K})-1)"
    return f"{device.peak_current_A}*{x}*exp(1-{x})+{device.excess_current_A}*{excess}+{thermal}"


def mean_currents(
    device: devices.Esaki, volts: np.ndarray, ohm: float, farad: float, henry: float
) -> np.ndarray:
    """Amperes (n,), means over time."""
    seconds = 400 * (ohm * farad + henry / ohm + (henry * farad) ** 0.5)
    step = min((henry * farad) ** 0.5, ohm * farad + henry / ohm) / 40
    cells = [
        f"Vs{k} s{k} 0 PWL(0 0 {step} {v})\nR{k} s{k} a{k} {ohm}\nL{k} a{k} d{k} {henry} IC=0\n"
        f"C{k} d{k} 0 {farad} IC=0\nB{k} d{k} 0 I={law(device, f'v(d{k})')}"
        for k, v in enumerate(volts)
    ]
    wanted = " ".join(f"i(L{k})" for k in range(len(volts)))
    end = f".options reltol=1e-4 method=trap\n.control\ntran {step} {seconds} {seconds / 2} {step} uic"
    with tempfile.TemporaryDirectory() as folder:
        deck = ["* neurons", *cells, end, f"wrdata out.txt {wanted}", ".endc", ".end"]
        (Path(folder) / "deck.cir").write_text("\n".join(deck) + "\n")
        subprocess.run(["ngspice", "-b", "deck.cir"], cwd=folder, check=True, capture_output=True)
        found = np.loadtxt(Path(folder) / "out.txt")
    return np.asarray(np.trapezoid(found[:, 1::2], found[:, 0], axis=0) / np.ptp(found[:, 0]))


def main() -> None:
    ohm = 20.0
    device = devices.Esaki()  # the preset ndr-esaki
    volts = np.linspace(0.01, 0.5, 50)
    for pF, nH in ((0.05, 1.0), (0.05, 0.05), (1.0, 1.0)):
        circuit = devices.Circuit(device, ohm, pF * 1e-12, inductance_H=nH * 1e-9)
        mean = mean_currents(device, volts, ohm, pF * 1e-12, nH * 1e-9)
        off = 255 * np.abs(mean - circuit.current(volts)).max() / circuit.peak_current_A
        bound = f"bound {1e9 * circuit.inductance_limit_H:.2g} nH"
        print(f"{ohm:g} ohm, {1e3 * pF:g} fF, {nH:g} nH ({bound}): {off:.2g} of 255 steps off")


if __name__ == "__main__":
    main()

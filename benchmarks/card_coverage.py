"""Coverage of the 95 % intervals of device cards.

    python benchmarks/card_coverage.py [--draws 200] [--seed 1] [--most]

Each draw simulates cells of a known law, its kind, numbers and sizes at random, fits
them as ``ndrite fit`` does, and asks for each parameter whether its stated interval has
the truth in it. The laws are written down here once more, so that no line of the fits
is their own reference.
"""

import argparse
from collections import defaultdict

import numpy as np

from ndrite.emulator.device.fitting import KINDS, Measurements
from ndrite.emulator.errors import DatasetError

BOLTZMANN_EV = 8.617333262e-5


def measurements(cells, **columns):
    """Build the measurements of ``cells`` cells; each of ``columns`` is (cells, rows)."""
    rows = next(iter(columns.values())).shape[1]
    flat = {name: np.asarray(values, np.float64).ravel() for name, values in columns.items()}
    return Measurements("drawn", flat, np.arange(cells).repeat(rows).astype(str), 0)


def drift(rng, cells, points, model):
    """Draw cells that drift by a power law of time (model "power-law") or in proportion
    to its logarithm."""
    first = 10 ** rng.uniform(-2, 2)
    time = np.broadcast_to(first * np.geomspace(1, 10 ** rng.uniform(1.5, 5), points), (cells, points))
    x, start = np.log(time / first), rng.uniform(2, 20, (cells, 1))
    noise, mean = rng.uniform(0.002, 0.03), rng.uniform(0.01, 0.1)
    deviation = mean * rng.uniform(0.2, 0.6)
    own = mean + deviation * rng.standard_normal((cells, 1))
    wandering = noise * rng.standard_normal((cells, points))
    if model == "power-law":
        g, names = start * np.exp(-own * x + wandering), ("drift_exponent", "drift_exponent_deviation")
    else:
        g, names = 20 + start - own * x + wandering, ("drift_uS_per_ln_s", "drift_uS_per_ln_s_deviation")
        mean = -mean
    truth = {names[0]: mean, names[1]: deviation, "noise": noise}
    return "retention", measurements(cells, time=time, conductance=g * 1e-6), truth


def relaxation(rng, cells, points):
    """Draw states that relax; in half of the draws the cells have three
    different temperatures."""
    tau, rest, energy = 10 ** rng.uniform(1, 6), rng.uniform(0.1, 0.5), rng.uniform(0.3, 1.2)
    noise = rng.uniform(0.003, 0.02)
    heated = bool(rng.integers(2))
    kelvin = np.broadcast_to(
        rng.permutation(np.resize([300.0, 320.0, 340.0], cells))[:, None] if heated else 300.0,
        (cells, points),
    )
    own = tau * np.exp(energy * (1 / kelvin - 1 / 300) / BOLTZMANN_EV)
    time = own * np.geomspace(0.05, 4, points)
    start = rng.uniform(0.6, 1.0, (cells, 1))
    state = rest + (start - rest) * np.exp(-time / own) + noise * rng.standard_normal((cells, points))
    truth = {"retention_s": tau, "retention_rest": rest, "noise": noise}
    columns = {"time": time, "state": state}
    if heated:
        truth["retention_energy_eV"] = energy
        columns["temperature"] = kelvin
    return "retention", measurements(cells, **columns), truth


def endurance(rng, cells, points):
    """Draw windows that close after a log-normal number of cycles; they are read at
    cycles in geometric steps."""
    middle, deviation = rng.uniform(7, 16), rng.uniform(0.3, 1.2)
    fails = np.exp(middle + deviation * rng.standard_normal((cells, 1)))
    end = middle + deviation * rng.uniform(0.3, 3)
    cycle = np.exp(np.linspace(middle - 4 * deviation, end, max(points, 20)))
    window = np.where(cycle < fails, 1.0, 0.1) * rng.uniform(5, 20, (cells, 1))
    both = np.concatenate([window + 1.0, np.ones_like(window)], axis=1)
    way = np.broadcast_to(np.repeat([1.0, -1.0], len(cycle)), both.shape)
    cycles = np.broadcast_to(np.tile(cycle, 2), both.shape)
    truth = {"median_cycles": np.exp(middle), "deviation_of_ln_cycles": deviation}
    return "endurance", measurements(cells, cycle=cycles, direction=way, conductance=both * 1e-6), truth


def heated(rng, cells, points, model):
    """Draw peak currents that change in proportion to temperature (model "linear"), or
    time constants that follow Arrhenius' law."""
    kelvin = np.broadcast_to(np.linspace(250, 400, max(3, min(points, 12))), (cells, max(3, min(points, 12))))
    if model == "linear":
        mean, deviation, noise = rng.uniform(-0.3, 0.3), rng.uniform(0.02, 0.1), rng.uniform(0.2, 2)
        own = mean + deviation * rng.standard_normal((cells, 1))
        percent = 100 + own * (kelvin - 300) + noise * rng.standard_normal(kelvin.shape)
        truth = {"peak_current_percent_per_K": mean, "deviation_between_devices_percent_per_K": deviation}
        amperes = percent * rng.uniform(0.5, 2, (cells, 1)) * 1e-5
        return (
            "temperature",
            measurements(cells, temperature=kelvin, current=amperes),
            truth | {"noise": noise},
        )
    energy, deviation, noise = rng.uniform(0.3, 1.5), rng.uniform(0.01, 0.1), rng.uniform(0.02, 0.3)
    log_tau, apart = rng.uniform(2, 12), rng.uniform(0.05, 0.5)
    own = energy + deviation * rng.standard_normal((cells, 1))
    first = log_tau + apart * rng.standard_normal((cells, 1))
    log = first + own * (1 / kelvin - 1 / 300) / BOLTZMANN_EV + noise * rng.standard_normal(kelvin.shape)
    truth = {
        "retention_s": np.exp(log_tau),
        "retention_energy_eV": energy,
        "deviation_between_devices_eV": deviation,
    }
    return "temperature", measurements(cells, temperature=kelvin, time=np.exp(log)), truth | {"noise": noise}


DRAWN = {
    "power-law": lambda *of: drift(*of, "power-law"),
    "logarithmic": lambda *of: drift(*of, "logarithmic"),
    "exponential": relaxation,
    "programming": endurance,
    "linear": lambda *of: heated(*of, "linear"),
    "arrhenius": lambda *of: heated(*of, "arrhenius"),
}


def covered(draws, seed, most=False):
    """Return, for each model and parameter, whether the interval of each draw contained
    the true value, and the number of draws that the fit refused.

    Cells are 10, 30 or 100 with 5, 15 or 50 rows each; with ``most`` 100 with 50.
    """
    rng, hits, refused = np.random.default_rng(seed), defaultdict(list), 0
    for _ in range(draws):
        model = str(rng.choice(list(DRAWN)))
        cells, points = int(rng.choice([10, 30, 100])), int(rng.choice([5, 15, 50]))
        cells, points = (100, 50) if most else (cells, points)
        kind, data, truth = DRAWN[model](rng, cells, points)
        try:
            fit = KINDS[kind].fit(data, model)
        except DatasetError:
            refused += 1
            continue
        for name, value in truth.items():
            low, high = fit.intervals[name]
            hits[model, name].append(low <= value <= high)
    return hits, refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", action="store_true", help="100 cells with 50 rows each")
    options = parser.parse_args()
    counts, refusals = covered(options.draws, options.seed, options.most)
    for (model, name), inside in sorted(counts.items()):
        print(f"{model:12} {name:40} {np.mean(inside):6.1%} of {len(inside)}")
    everything = np.concatenate(list(counts.values()))
    print(f"all: {everything.mean():.1%} of {len(everything)} intervals hold the truth; {refusals} refused")

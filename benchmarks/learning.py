"""Learning here against aihwkit: a device under pulses, coincidences, rank-one
updates, networks, speed.

    python benchmarks/learning.py --peer /path/to/python/with/aihwkit --figure docs/images/learning.svg

Without ``--peer`` the golden model's speed and the gateware's cycles alone. One
thread each, one after the other. The gateware is simulated: the first run
compiles it, minutes.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import ndrite
from ndrite.boards.fpga import TARGETS
from ndrite.boards.fpga.reports import load
from ndrite.boards.learning import LearningBoard
from ndrite.boards.sim.link import SimLink
from ndrite.emulator.device.description import load_chip
from ndrite.emulator.device.ecram.pulses import EcramSpread, LinearStep, StepTable
from ndrite.emulator.golden import Core
from ndrite.emulator.golden.learn import make_learner
from ndrite.emulator.golden.learn.devices import Constants, coincidences, constants, key_of, trains, updated
from ndrite.emulator.golden.noise import words
from ndrite.emulator.learning.insitu import Course, Plan, devices_of, follow, law_of_weights, prepare
from ndrite.emulator.learning.labelled import Labelled
from ndrite.emulator.network.datasets import digits, fashion_mnist_test
from ndrite.emulator.spec.learning import (
    DOMAIN_CYCLE,
    DOMAIN_DEVICE,
    DOMAIN_TRAIN,
    SLOTS_MAX,
    STATE_ONE,
    Devices,
    Learning,
)
from ndrite.intervals import mean_interval
from ndrite.pages import drawing

SAMPLES, EPOCHS = 10_000, 6
"""Samples of Fashion-MNIST, the first of the set, and epochs."""
PEER = Path(__file__).parent / "peers" / "learning_peer.py"
STUDIES = Path(__file__).parents[1] / "studies"
BOARD = "ecpix5-85f-udp"
ONE = 1 << 16
RATES = [0.003, 0.01, 0.03, 0.1, 0.3]
DIGITS: dict[str, Any] = {
    "data": "digits",
    "hidden": 32,
    "epochs": 20,
    "rule": "stochastic",
    "rates": [0.05],
    "thresholds": [0.0],
    "chops": [0.0],
    "seeds": 5,
    "step": 0.002,
    "gamma": 0.1,
    "cycle": 0.3,
    "spread": 0.1,
    "array": "",
    "chosen_on": 2,
}
TRANSFER = {"rates": [0.02, 0.05, 0.1], "thresholds": [2.0, 5.0, 10.0, 25.0, 50.0]}
FALLING = DIGITS | {"step": 0.004, "gamma": 1.0}
COARSE = DIGITS | {"gamma": 1.0, "rates": RATES, "seeds": 20, "chosen_on": 10}
OM = COARSE | {"array": "ReRamArrayOM"}
ARRAYS = {"ReRamArrayOM": "rram-array-om", "ReRamArrayHfO2": "rram-array-hfo2"}
"""Presets of the peer and their descriptions in ``studies/``."""
HOWS = {
    "digits": DIGITS,
    "fashion": DIGITS | {"data": "fashion", "hidden": 64, "epochs": EPOCHS, "rates": [0.01]},
    "tiki-taka": FALLING | TRANSFER | {"rule": "tiki-taka"},
    "agad": FALLING | TRANSFER | {"rule": "agad", "chops": [0.5, 0.1]},
    "16 levels": COARSE | {"step": 2 / 16, "spread": 0.3},
    "4 levels": COARSE | {"step": 2 / 4, "spread": 0.3},
    "ReRamArrayOM": OM,
    "ReRamArrayHfO2": COARSE | {"array": "ReRamArrayHfO2"},
    "ReRamArrayOM by tiki-taka": OM | TRANSFER | {"rule": "tiki-taka", "chosen_on": 2},
}
"""How each network learns: rule, device, and the settings of which each side takes its
best. ``chops`` are how often the peer's choppers may change a reading's sign; 0.5 is as
often as they can. ``chosen_on``: number of other seeds that the best is chosen on; two
do not tell the rates of coarse devices apart."""


def law(**changes: float) -> LinearStep:
    fields = {"step_up": 0.002, "step_down": 0.002, "w_min": -1.0, "w_max": 1.0, **changes}
    return LinearStep(**fields)


class Array:
    """Devices of one array, driven by probabilities of rows and columns instead of codes."""

    def __init__(self, what: Devices, rows: int, columns: int, start: float) -> None:
        self.what = what
        key = key_of(1, DOMAIN_DEVICE, 0, 0)
        self.own = constants(what, key, np.arange(rows)[:, None], np.arange(columns))
        self.s = np.full((rows, columns), round(start * STATE_ONE), np.int64)
        self.update = 0

    def pulse(self, p: Any, d: Any, slots: int) -> Any:
        """Pulse all devices with trains of probabilities p (rows,) and |d|
        (columns,); the sign of d is the direction. Return the number of coinciding
        pulses of each device."""
        keys = [key_of(2, DOMAIN_TRAIN, 0, self.update, side) for side in (0, 1)]
        rows = trains(np.rint(np.abs(p) * ONE).astype(np.int64), keys[0], slots)
        columns = trains(np.rint(np.abs(d) * ONE).astype(np.int64), keys[1], slots)
        count = coincidences(rows, columns)
        k, m = np.nonzero(count)
        own = Constants(*(values[k, m] for values in self.own))
        drawn = words(key_of(2, DOMAIN_CYCLE, 0, self.update), k, m)
        up = (np.sign(p)[:, None] * np.sign(d))[k, m] > 0
        self.s[k, m] = updated(self.s[k, m], count[k, m], up, own, self.what, drawn)
        self.update += 1
        return count


def work(names: Iterable[str]) -> dict[str, Any]:
    """Draw the inputs of the measurements that ndrite and the peer both make, and load
    the samples of the networks ``names``."""
    rng = np.random.default_rng(5)
    samples = {}
    for data in {HOWS[name]["data"] for name in names}:
        if data == "digits":
            x, y, test_x, test_y = digits()
            sets = {"x": x[:600], "y": y[:600], "test_x": test_x, "test_y": test_y}
        else:
            pictures = ndrite.data_set("fashion-mnist")
            sets = {"x": pictures.x[:SAMPLES], "y": pictures.labels[:SAMPLES]}
            sets |= {"test_x": pictures.test_x, "test_y": pictures.test_labels}
        samples |= {f"{data}_{part}": values for part, values in sets.items()}
    return samples | {
        "p": rng.uniform(0, 1, 30),
        "q": rng.uniform(0, 1, 30) ** 2,
        "slots": 15,
        "repeats": 600,
        "x": np.maximum(rng.normal(0.1, 0.2, (1000, 80)), 0.0).clip(0, 1),
        "d": rng.normal(0.02, 0.2, (1000, 80)).clip(-1, 1),
        "most_pulses": SLOTS_MAX,
    }


def ours(w: dict[str, Any]) -> dict[str, Any]:
    """Make the measurements of ``work`` with the golden model."""
    fading = {"w_min": -0.83, "w_max": 1.17, "gamma_up": 0.4, "gamma_down": 0.73}
    one = Array(devices_of(law(**fading), EcramSpread()), 50, 50, -0.4)
    response = [float(one.s.mean()) / STATE_ONE]
    for i in range(2000):
        one.pulse(np.ones(50), np.full(50, 1.0 if i < 1000 else -1.0), 1)
        response.append(float(one.s.mean()) / STATE_ONE)
    counted = Array(devices_of(law(), EcramSpread()), 30, 30, 0.0)
    counts = np.array([counted.pulse(w["p"], w["q"], w["slots"]) for _ in range(w["repeats"])])
    noisy = devices_of(law(gamma_up=0.4, gamma_down=0.73, cycle_sigma=0.3), EcramSpread(step_sigma=0.3))
    many = Array(noisy, 80, 80, 0.0)
    for x, d in zip(w["x"], w["d"], strict=True):
        many.pulse(x, d, 15)
    return {"response": np.array(response), "coincidences": counts, "rank_one": many.s / STATE_ONE}


def devices(how: dict[str, Any]) -> tuple[LinearStep | StepTable, EcramSpread]:
    """Return the law and the spread of the devices that hold the weights."""
    if how["array"]:
        name = ARRAYS[how["array"]]
        chip = load_chip(f"ideal+{STUDIES / f'{name}.yaml'}")
        return law_of_weights(chip, name), chip.ecram.spread
    step, gamma = how["step"], how["gamma"]
    same = {"step_up": step, "step_down": step, "gamma_up": gamma, "gamma_down": gamma}
    return law(**same, cycle_sigma=how["cycle"]), EcramSpread(step_sigma=how["spread"])


def learned(w: dict[str, Any], how: dict[str, Any], seeds: range) -> list[list[float]]:
    """Train a network on the golden model with the devices and settings that the peer
    uses, and 12-bit converters; return its accuracy after each epoch, for each seed."""
    accuracies = []
    x, y, test_x, test_y = (w[f"{how['data']}_{part}"] for part in ("x", "y", "test_x", "test_y"))
    device, spread = devices(how)
    samples = Labelled(how["data"], x, y, test_x, test_y)
    for seed in seeds:
        widths = (x.shape[1], how["hidden"], 10)
        plan = Plan(widths=widths, rate=how["rate"], activation="sigmoid", seed=seed)
        if how["threshold"]:
            plan = dataclasses.replace(plan, rule=how["rule"], threshold=how["threshold"])
        ready = prepare(plan, load_chip("ideal"), device, spread, x[:64])
        learner, course, right = make_learner(ready.learning, seed=seed), Course(), []
        for epoch in range(how["epochs"]):
            follow(learner, course, samples, epochs=epoch + 1, seed=seed)
            answers = Core(learner.program()).infer(test_x).argmax(axis=1)
            right.append(float((answers == test_y).mean()))
        accuracies.append(right)
    return accuracies


def best(w: dict[str, Any], how: dict[str, Any]) -> dict[str, Any]:
    """Return ``how`` with the rate and transfer threshold that are best on other seeds;
    the peer chooses its own in the same way."""
    settings = [
        how | {"rate": rate, "threshold": threshold}
        for rate in how["rates"]
        for threshold in how["thresholds"]
    ]
    if len(settings) == 1:
        return settings[0]
    return max(
        settings, key=lambda one: np.array(learned(w, one, range(100 - how["chosen_on"], 100)))[:, -1].mean()
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the accuracy of 784-64-10 over seconds for board, golden model and aihwkit:
    means and extremes over the seeds."""
    figure = drawing.figure(8, 4.2)
    axes = figure.subplots()
    clock, report = TARGETS[BOARD].clock_mhz, load(BOARD)
    routed = "estimated" if report is not None and report["timing_met"] else "not routed yet"
    lines = {
        "aihwkit, one core (measured)": ("aihwkit", found["aihwkit"]["samples_per_second"]["64 hidden"]),
        "golden model, one core (measured)": ("here", found["golden_64"]["updates_per_second"]),
        f"{BOARD}: simulated cycles at {clock:g} MHz ({routed})": (
            "here",
            clock * 1e6 / found["gateware_64"]["cycles_an_update"],
        ),
    }
    for (label, (whose, rate)), colour in zip(lines.items(), drawing.SERIES, strict=False):
        right = 100 * np.array(found["accuracy"]["fashion"][whose])
        seconds = SAMPLES * np.arange(1, right.shape[1] + 1) / rate
        axes.plot(seconds, right.mean(axis=0), "o-", color=colour, ms=3, label=label)
        axes.fill_between(seconds, right.min(axis=0), right.max(axis=0), color=colour, alpha=0.2, lw=0)
    axes.set(xscale="log", xlabel="seconds of learning", ylabel="right of 10,000 test samples, %")
    axes.set_title(
        f"784-64-10 learns Fashion-MNIST in situ, {SAMPLES:,} samples an epoch, one pulse train each"
    )
    axes.xaxis.set_major_formatter("{x:g}")
    # Below the axes: inside them a line would run through it, wherever it is.
    figure.legend(frameon=False, loc="outside lower center")
    axes.spines[["top", "right"]].set_visible(False)
    drawing.save(figure, path)


def network(x: Any, hidden: int) -> Learning:
    """Build the learning program 784-hidden-10 from inputs x."""
    plan = Plan(widths=(784, hidden, 10), rate=0.01, seed=1)
    return prepare(plan, load_chip("ideal"), law(), EcramSpread(), x[:64]).learning


def speed(hidden: int, count: int = 20_000) -> dict[str, float]:
    """Measure the updates per second of 784-hidden-10 on Fashion-MNIST, and the pulses
    per device and update."""
    x, y = fashion_mnist_test()
    learner = make_learner(network(x, hidden), seed=1)
    learner.learn(x[:64], y[:64])
    start, done, pulses = time.perf_counter(), 0, 0
    while done < count:
        found = learner.learn(x, y, first_update=64 + done)
        done, pulses = done + found.updates, pulses + found.pulses[0]
    seconds = time.perf_counter() - start
    return {"updates_per_second": done / seconds, "pulses_a_device": pulses / done / (785 * hidden)}


def gateware(hidden: int, count: int, name: str = BOARD) -> dict[str, float]:
    """Simulate the updates of 784-hidden-10 on gateware with ``hidden`` lanes; return
    the cycles per update by its own counters. If board ``name`` has as many lanes and
    was placed and routed, also return the updates per second at its clock.

    Every state must be the golden model's.
    """
    board, report = TARGETS[name], load(name)
    x, y = fashion_mnist_test()
    learning = network(x, hidden)
    learner = make_learner(learning, seed=1)
    geometry = dataclasses.replace(board.geometry, lanes=hidden)
    with LearningBoard(SimLink(geometry, learns=True)) as device:
        device.program_learning(learning, seed=1)
        device.clear_counters()
        for first in range(0, count, len(x)):
            part = slice(0, min(len(x), count - first))
            wanted = learner.learn(x[part], y[part], first_update=first)
            assert device.learn(x[part], y[part], first_update=first) == wanted, f"counts from update {first}"
        cycles = device.counters()["inference_cycles"] / count
        states = list(zip(device.states(), learner.states, strict=True))
    different = sum(int((a != b).sum()) for a, b in states)
    assert not different, f"{different} states differ from the golden model's"
    found = {"cycles_an_update": cycles, "updates": count, "states_equal": sum(a.size for a, _ in states)}
    if report is not None and report["timing_met"] and board.geometry.lanes == hidden:
        found |= {
            "clock_mhz": board.clock_mhz,
            "updates_per_second_estimated": board.clock_mhz * 1e6 / cycles,
        }
    return found


def compared(mine: dict[str, Any], theirs: Any) -> dict[str, float]:
    """Return the differences between both results; the keys ``*_p`` are the
    probabilities that chance alone makes a difference as large."""
    a, b = mine["coincidences"].astype(float), theirs["coincidences"].astype(float)
    mean = (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a) + 1e-12)
    moving = (a.var(axis=0) > 0.05) & (b.var(axis=0) > 0.05)
    ratio = a.var(axis=0)[moving] / b.var(axis=0)[moving]
    s, t = mine["rank_one"], theirs["rank_one"]
    return {
        "response_largest_difference": float(np.abs(mine["response"] - theirs["response"]).max()),
        "coincidence_mean_z_rms": float(np.sqrt(np.square(mean[moving]).mean())),
        "coincidence_variance_ratio": float(np.exp(np.log(ratio).mean())),
        "rank_one_mean": float(s.mean()),
        "rank_one_mean_peer": float(t.mean()),
        "rank_one_deviation": float(s.std()),
        "rank_one_deviation_peer": float(t.std()),
        "rank_one_p": float(stats.ks_2samp((s - s.mean(0)).ravel(), (t - t.mean(0)).ravel()).pvalue),
        "rank_one_correlation": float(np.corrcoef(s.ravel(), t.ravel())[0, 1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a Python that has aihwkit")
    parser.add_argument("--updates", type=int, default=2_000, help="of the simulated gateware; 0: none")
    parser.add_argument("--figure", type=Path, help="accuracy over seconds; needs --peer and --updates")
    parser.add_argument(
        "--network",
        action="append",
        choices=list(HOWS),
        help="trained here and there, without the golden model's speed; default: all",
    )
    options = parser.parse_args()
    peer = options.peer
    if options.figure and (options.network or not (peer and options.updates)):
        parser.error("--figure needs --peer, --updates above 0 and every network")
    found: dict[str, Any] = {} if options.network else {"golden": speed(128)}
    if options.updates:
        found["gateware"] = gateware(128, options.updates)
        found["golden_64"], found["gateware_64"] = speed(64), gateware(64, options.updates)
        found["gateware_32"] = gateware(32, options.updates, "colorlight-i9-learn-udp")
    if peer:
        hows = {name: HOWS[name] for name in options.network or HOWS}
        w = work(hows)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "work.npz"
            np.savez(path, **w, hows=json.dumps(hows))
            one = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [peer, str(PEER), str(path)], capture_output=True, text=True, check=False, env=one, cwd=folder
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            found["aihwkit"] = json.loads(done.stdout.splitlines()[-1])
            with np.load(Path(folder) / "work.peer.npz") as theirs:
                found["compared"] = compared(ours(w), theirs)
        theirs = found["aihwkit"].pop("accuracy")
        found["accuracy"] = {}
        for name, how in hows.items():
            how = best(w, how)
            right = {"here": learned(w, how, range(how["seeds"])), "aihwkit": theirs[name]}
            found["accuracy"][name] = right
            ends = {whose: np.array(rows)[:, -1] for whose, rows in right.items()}
            mean, half = mean_interval(ends["here"] - ends["aihwkit"])
            found[name] = {
                "rate": how["rate"],
                "threshold": how["threshold"],
                **{f"percent_{whose}": 100 * values.mean() for whose, values in ends.items()},
                "points_ahead": [100 * mean, None if half is None else 100 * half],
            }
        if "golden" in found:
            rate = found["golden"]["updates_per_second"]
            found["times_aihwkit"] = {b: rate / v for b, v in found["aihwkit"]["samples_per_second"].items()}
        if options.figure:
            draw(found, options.figure)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""aihwkit 1.2 doing what learning here does: pulses of a device, coincidences,
rank-one updates, digits.

    PYTHON_WITH_AIHWKIT learning_peer.py WORK.npz

``WORK.npz`` is what ``benchmarks/learning.py`` writes: inputs, errors, samples, labels.
Prints JSON, and writes the arrays that are compared to ``WORK.peer.npz``.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import BufferedTransferCompound, DynamicTransferCompound
from aihwkit.simulator.configs.devices import LinearStepDevice
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.tiles import AnalogTile
from presets import array

torch.set_num_threads(1)


PLAIN = {
    "dw_min": 0.002,
    "w_max": 1.0,
    "w_min": -1.0,
    "gamma_up": 0.0,
    "gamma_down": 0.0,
    "up_down_dtod": 0.0,
    "w_max_dtod": 0.0,
    "w_min_dtod": 0.0,
    "gamma_up_dtod": 0.0,
    "gamma_down_dtod": 0.0,
}


def config(slots: int, cycle: float = 0.0, spread: float = 0.0, **device: Any) -> SingleRPUConfig:
    """Return the configuration of a LinearStep device, updated by trains of ``slots``
    slots and read without error."""
    rpu = SingleRPUConfig(device=LinearStepDevice(dw_min_std=cycle, dw_min_dtod=spread, **(PLAIN | device)))
    rpu.update.desired_bl = slots
    rpu.update.update_management = False
    rpu.update.update_bl_management = False
    rpu.forward.is_perfect = rpu.backward.is_perfect = True
    return rpu


def with_transfer(plain: SingleRPUConfig, threshold: float, chop: float, most: int) -> UnitCellRPUConfig:
    """Return the configuration of Tiki-Taka 2, or of AGAD if ``chop`` is not 0, with
    two copies of the device. A column is read after every update, without error. The
    buffer gives one pulse per ``threshold`` steps of the device, at most ``most`` at
    once, and forgets nothing."""
    chopped = {"in_chop_prob": chop, "fast_lr": 1.0, "scale_fast_lr": True}
    rule = (DynamicTransferCompound if chop else BufferedTransferCompound)(
        **(chopped if chop else {}),
        unit_cell_devices=[plain.device, plain.device],
        transfer_every=1.0,
        units_in_mbatch=False,
        scale_transfer_lr=False,
        transfer_lr=1 / threshold,
        # By default a device gets one pulse at most, however full its buffer is.
        transfer_update=UpdateParameters(
            desired_bl=most, update_bl_management=False, update_management=False
        ),
        momentum=0.0,
        forget_buffer=False,
    )
    rule.transfer_forward.is_perfect = True
    rpu = UnitCellRPUConfig(device=rule, update=plain.update)
    rpu.forward.is_perfect = rpu.backward.is_perfect = True
    return rpu


def tile_of(rows: int, columns: int, rpu: SingleRPUConfig, start: float, rate: float) -> Any:
    tile = AnalogTile(columns, rows, rpu)
    tile.set_weights(torch.full((columns, rows), start))
    tile.set_learning_rate(rate)
    return tile


def states(tile: Any) -> Any:
    """Return the weights (rows, columns)."""
    return np.asarray(tile.get_weights()[0]).T.copy()


def response(work: Any) -> Any:
    """Return the mean state of 2,500 devices after each of 1,000 pulses up and 1,000 down."""
    tile = tile_of(
        50, 50, config(1, dw_min=0.002, w_min=-0.83, w_max=1.17, gamma_up=0.4, gamma_down=0.73), -0.4, 0.002
    )
    x, found = torch.ones(1, 50), [float(states(tile).mean())]
    for i in range(2000):
        tile.update(x, torch.full((1, 50), -1.0 if i < 1000 else 1.0))
        found.append(float(states(tile).mean()))
    return np.array(found)


def coincidences(work: Any) -> Any:
    """Count the coinciding pulses (updates, rows, columns) of trains with probabilities
    p of rows and q of columns."""
    p, q, slots = work["p"], work["q"], int(work["slots"])
    step = 1e-4
    tile = tile_of(len(p), len(q), config(slots, dw_min=step), 0.0, step * slots)
    found = []
    before = states(tile)
    for i in range(int(work["repeats"])):
        sign = -1.0 if i % 2 else 1.0
        tile.update(
            torch.tensor(p[None], dtype=torch.float32), torch.tensor(sign * q[None], dtype=torch.float32)
        )
        after = states(tile)
        found.append(np.rint(np.abs(after - before) / step))
        before = after
    return np.array(found, np.int8)


def rank_one(work: Any) -> Any:
    """Return the states after rank-one updates; steps vary by 30 % between devices and
    between pulses, and shrink toward the bounds."""
    rows, columns = work["x"].shape[1], work["d"].shape[1]
    law = {"gamma_up": 0.4, "gamma_down": 0.73, "dw_min": 0.002}
    tile = tile_of(rows, columns, config(15, cycle=0.3, spread=0.3, **law), 0.0, 0.002 * 15)
    for x, d in zip(work["x"], work["d"], strict=True):
        # aihwkit descends: it takes d away.
        tile.update(torch.tensor(x[None], dtype=torch.float32), torch.tensor(-d[None], dtype=torch.float32))
    return states(tile)


def network(widths: tuple[int, ...], rpu: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    layers: list[Any] = []
    for i in range(len(widths) - 1):
        layer = AnalogLinear(widths[i], widths[i + 1], bias=True, rpu_config=rpu)
        reach = 1 / np.sqrt(widths[i])
        layer.set_weights((torch.rand(widths[i + 1], widths[i]) * 2 - 1) * reach, torch.zeros(widths[i + 1]))
        layers += [layer] if i == len(widths) - 2 else [layer, torch.nn.Sigmoid()]
    return AnalogSequential(*layers)


def trained(work: Any, how: dict[str, Any], seeds: range) -> list[list[float]]:
    """Train a network of sigmoids one sample at a time; return its accuracy after each
    epoch, for each seed."""
    data = how["data"]
    x, test_x = (torch.tensor(work[f"{data}_{p}"] / 255, dtype=torch.float32) for p in ("x", "test_x"))
    y, test_y = (torch.tensor(work[f"{data}_{p}"].astype(np.int64)) for p in ("y", "test_y"))
    slopes = {"gamma_up": how["gamma"], "gamma_down": how["gamma"], "mean_bound_reference": True}
    accuracies = []
    for seed in seeds:
        rpu: Any = config(15, cycle=how["cycle"], spread=how["spread"], dw_min=how["step"], **slopes)
        if how["array"]:
            rpu.device = array(how["array"])
        if how["threshold"]:
            rpu = with_transfer(rpu, how["threshold"], how["chop"], int(work["most_pulses"]))
        # By default biases are digital numbers, which no device moves; here they are devices.
        rpu.mapping.digital_bias = False
        model = network((x.shape[1], how["hidden"], 10), rpu, seed)
        optimiser = AnalogSGD(model.parameters(), lr=how["rate"])
        optimiser.regroup_param_groups(model)
        target, right = torch.eye(10), []
        loss = torch.nn.BCEWithLogitsLoss(reduction="sum")
        for epoch in range(how["epochs"]):
            for i in np.random.default_rng([seed, epoch]).permutation(len(x)):
                optimiser.zero_grad()
                loss(model(x[i : i + 1]), target[y[i : i + 1]]).backward()
                optimiser.step()
            with torch.no_grad():
                right.append(float((model(test_x).argmax(1) == test_y).float().mean()))
        accuracies.append(right)
    return accuracies


def speed() -> dict[str, float]:
    """Measure the samples per second of 784-128-10 by batch size, and of
    784-64-10 one by one."""
    found = {}
    for name, batch, hidden in (("1", 1, 128), ("10", 10, 128), ("64", 64, 128), ("64 hidden", 1, 64)):
        model = network((784, hidden, 10), config(15), 0)
        optimiser = AnalogSGD(model.parameters(), lr=0.01)
        optimiser.regroup_param_groups(model)
        x, y = torch.rand(batch, 784), torch.eye(10)[torch.arange(batch) % 10]
        loss = torch.nn.BCEWithLogitsLoss(reduction="sum")
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < 4.0:
            optimiser.zero_grad()
            loss(model(x), y).backward()
            optimiser.step()
            done += batch
        found[name] = done / (time.perf_counter() - start)
    return found


def best(work: Any, how: dict[str, Any]) -> dict[str, Any]:
    """Return ``how`` with the rate, transfer threshold and chopper probability that are
    best on other seeds."""
    settings = [
        how | {"rate": rate, "threshold": threshold, "chop": chop}
        for rate in how["rates"]
        for threshold in how["thresholds"]
        for chop in how["chops"]
    ]
    if len(settings) == 1:
        return settings[0]
    return max(
        settings,
        key=lambda one: np.array(trained(work, one, range(100 - how["chosen_on"], 100)))[:, -1].mean(),
    )


def main(path: str) -> None:
    torch.manual_seed(1)
    work = np.load(path)
    np.savez(
        path.replace(".npz", ".peer.npz"),
        response=response(work),
        coincidences=coincidences(work),
        rank_one=rank_one(work),
    )
    hows = json.loads(str(work["hows"]))
    accuracy = {name: trained(work, best(work, how), range(how["seeds"])) for name, how in hows.items()}
    print(json.dumps({"samples_per_second": speed(), "accuracy": accuracy}))


main(sys.argv[1])

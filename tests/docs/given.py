"""Files that examples and pages name, made small, and what makes their commands shorter."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

import ndrite
from ndrite.emulator.network import zoo
from ndrite.emulator.network.datasets import fashion_mnist_test
from ndrite.shell.main import OK, run
from tests.system.serving import MAIN

SHORTER = (
    (r"--epochs \d+", "--epochs 1"),
    (r"--chips 1000", "--chips 3"),
    (r"--count (1000|10000|2000)\b", "--count 40"),
    (r"uart:\S+ --count 100\b", "uart:board --count 2"),
    (r"uart:/tmp/ndrite", "uart:board --count 2"),
    (r"uart:/\S+", "uart:board"),
    (r"--steps 200", "--steps 1 --batch 2 --measure 2"),
    (r"(calibrate mine( --board golden:)?) -o", r"\1 --steps 2 --measure 20 -o"),
    (r"train --inputs", "train --batch 32 --inputs"),
    (r"explain (\w+)(?![\w.])", r"explain \1 --count 40"),
    (
        r"atlas --device",
        "atlas --samples 50 --epochs 1 --seeds 2 --rules agad --states 64 --noise 1 --device",
    ),
    (r"report (\w+)(?![\w.])", r"report \1 --count 200"),
    (r"bringup --simulated", "bringup --simulated --inferences 16"),
    (r"demo( --count \d+|$)", "demo --count 10"),
    (r"demo --board (\S+) --count 40", r"demo --board \1 --count 2"),
)
"""Pattern -> replacement, in order: what a test does less of."""


MODEL = """import torch

def make():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()

def samples():
    return torch.rand(64, 6, generator=torch.Generator().manual_seed(1))

def metric(module):
    return 1 + (module(samples()) - make()(samples())).square().mean().sqrt()
"""
"""A file with a module, typical inputs and a metric."""


def shorter(line: str) -> str:
    """A command that does the same on less."""
    for pattern, replacement in SHORTER:
        line = re.sub(pattern, replacement, line)
    return line


def write_files() -> None:
    """Into the working folder: what ships compiled, samples of its data set,
    measurements, a plan."""
    for name in ("mine", "other"):
        Path(name).write_bytes(zoo.program().read_bytes())
    ndrite.load().program.save("program.npz")
    Path("float.npz").write_bytes(zoo.float_network().read_bytes())
    x, labels = fashion_mnist_test()
    np.save("x.npy", x[:64])
    np.save("s.npy", x[64:128])
    np.save("y.npy", labels[:64])
    np.save("codes.npy", x[:64])
    np.save("test.npy", x[:64] / np.float32(255))
    np.save("samples.npy", x[:256] / np.float32(255))
    np.save("train.npy", x[:256] / np.float32(255))
    rng = np.random.default_rng(0)
    v = np.linspace(0, 0.5, 120)
    current = 1e3 * (v / 0.1 * np.exp(1 - v / 0.1) + 0.1 * np.exp(30 * (v - 0.5)))
    write_csv("iv.csv", "voltage_V,current_uA", v, current)
    target = np.repeat(np.linspace(0, 60, 16), 40)
    read = np.abs(target + rng.normal(size=target.size))
    write_csv("g.csv", "target_uS,conductance_uS", target, read)
    write_csv("cells.csv", "target_uS,conductance_uS", target, read)
    up = 1 + 39 * np.linspace(0, 1, 100)
    write_csv("pulses.csv", "pulse,conductance_uS", np.arange(200), np.concatenate([up, up[::-1]]))
    turns = np.repeat([1, -1], 100)  # twice up and down
    write_csv(
        "runs.csv",
        "pulse,conductance_uS,direction,cycle",
        *np.tile([np.arange(200), np.concatenate([up, up[::-1]]), turns], 2),
        np.repeat([1, 2], 200),
    )
    cell, hour = np.arange(12).repeat(5), np.tile(np.geomspace(60, 6e5, 5), 12)
    drifted = (
        20 * (hour / 60) ** -(0.05 + 0.01 * rng.normal(size=12))[cell] * (1 + 0.01 * rng.normal(size=60))
    )
    write_csv("bake.csv", "time_s,conductance_uS,device", hour, drifted, cell)
    cell, cycle = np.arange(20).repeat(60), np.tile(np.geomspace(100, 1e7, 30).repeat(2), 20)
    window = np.where(cycle < np.exp(11 + rng.normal(size=20))[cell], 20.0, 3.0)
    way = np.tile([1, -1], 600)
    write_csv("cycles.csv", "cycle,direction,conductance_uS,device", cycle, way, 1 + window * (way > 0), cell)
    cell, kelvin = np.arange(12).repeat(4), np.tile([280, 320, 360, 400], 12)
    peak = (1 + (0.001 + 0.0001 * rng.normal(size=12))[cell] * (kelvin - 300)) * (
        1 + 0.002 * rng.normal(size=48)
    )
    write_csv("hot.csv", "temperature_K,current_mA,device", kelvin, peak, cell)
    assert run(["fit", "rram", "g.csv", "-o", "mine.yaml"]) == OK
    Path("model.py").write_text(MODEL)
    Path("plan.yaml").write_text("chip: wan2022\ngrid: {cell.levels: [8, 16]}\ncount: 40\nsamples: 64\n")


def write_csv(name: str, header: str, *columns: np.ndarray) -> None:
    """Columns under a header line."""
    np.savetxt(name, np.column_stack(columns), delimiter=",", header=header, comments="", fmt="%.6g")


def write_onnx(path: Path) -> None:
    """784-8-10 with ReLU; needs PyTorch and ONNX."""
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(784, 8), torch.nn.ReLU(), torch.nn.Linear(8, 10))
    torch.onnx.export(model, (torch.zeros(1, 784),), path, dynamo=False)


def in_shell(line: str) -> None:
    """A line with pipes or redirections."""
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(MAIN)} "
    command = re.sub(r"(^|\| )ndrite ", lambda m: m[1] + program, line.replace("make_inputs", "cat x.npy"))
    subprocess.run(command, shell=True, check=True)

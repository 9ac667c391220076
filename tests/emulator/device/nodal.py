"""Operating points of small decks by nodal analysis, where ngspice would take them as they are.

A deck has resistances, sources of voltage or current (numbers or expressions of node
voltages and currents of voltage sources), inductances, capacitances, and a control
block that alters sources and asks for results.
"""

import re

import numpy as np

FUNCTIONS = {"max": max, "min": min, "exp": np.exp, "__builtins__": {}}


def operating_points(deck: str) -> np.ndarray:
    """The results (runs, probes) that every ``wrdata`` of a deck asks for."""
    body, control = deck.split(".control\n")
    sources = [line.split(" ", 3) for line in body.splitlines() if line[0] in "RLVB"]
    assert all(line[0] in "RLVBC*." for line in body.splitlines())
    results = []
    for line in control.splitlines():
        if line.startswith("alter "):
            _, name, value = line.split()
            (source,) = (s for s in sources if s[0] == name)
            source[3] = value
        elif line.startswith("wrdata "):
            probes = re.findall(r" v\((\w+)\)", line)
            voltages = _voltages(sources)
            results.append([voltages[probe] for probe in probes])
    assert control.splitlines()[-2:] == [".endc", ".end"]
    return np.array(results)


def _voltages(sources: list[list[str]]) -> dict[str, float]:
    """Newton's method on Kirchhoff's laws: voltages of nodes, then currents of
    sources of voltage."""
    nodes = sorted({node for source in sources for node in source[1:3]} - {"0"})
    fixed = [name for name, *_, value in sources if name[0] in "VL" or value.startswith("V=")]
    place = {name: n for n, name in enumerate([*nodes, *fixed])}
    linear, constant = np.zeros((len(place), len(place))), np.zeros(len(place))
    laws = []
    for name, a, b, value in sources:
        ends = [(place[node], sign) for node, sign in ((a, 1.0), (b, -1.0)) if node != "0"]
        if name in place:
            for node, sign in ends:
                linear[node, place[name]] += sign
                linear[place[name], node] += sign
            constant[place[name]] = float(value) if name[0] == "V" else 0.0
        if name[0] == "R":
            for node, sign in ends:
                for other, sign_other in ends:
                    linear[node, other] += sign * sign_other / float(value)
        elif name[0] == "B":
            names = sorted(set(re.findall(r"[vi]\((\w+)\)", value)))
            law = re.sub(r"[vi]\((\w+)\)", r"x['\1']", value[2:])
            into = [(place[name], -1.0)] if name in place else ends
            laws.append((compile(law, name, "eval"), names, into))
    x = np.zeros(len(place))
    for _ in range(40):
        rest, slopes = linear @ x - constant, linear.copy()
        for law, names, into in laws:
            read = [place[name] for name in names]
            value, *moved = (
                float(eval(law, FUNCTIONS, {"x": dict(zip(names, x[read] + step, strict=True))}))
                for step in (np.zeros(len(read)), *(np.eye(len(read)) * 1e-7))
            )
            for row, sign in into:
                rest[row] += sign * value
                slopes[row, read] += sign * (np.array(moved) - value) / 1e-7
        change = np.linalg.solve(slopes, rest)
        x = x - change
        if np.abs(change).max() < 1e-9:
            return {name: float(x[n]) for name, n in place.items()}
    raise AssertionError("no operating point")

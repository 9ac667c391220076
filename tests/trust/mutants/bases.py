"""Bases: Kolmogorov-Arnold networks in training, on a die, and the figures about them."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

TRAINING = ("tests/emulator/learning/training/test_bases.py",)
FUNCTIONS = ("tests/emulator/mapping/test_functions.py",)
LEARNED = ("tests/emulator/network/test_kolmogorov_arnold.py",)
EXPERIMENT = ("tests/ndrite/test_kan_experiment.py",)
CROSSED = ("tests/ndrite/test_crossed_experiments.py",)
DEPTHS = ("tests/ndrite/test_depth_experiment.py",)
IMPORTED = ("tests/emulator/network/importing/test_kan.py",)
DIES = ("tests/emulator/mapping/test_die_tables.py",)
FITTED = "emulator/network/importing/kan.py"
BASES = "emulator/learning/training/bases.py"
BUILD = "emulator/learning/training/build.py"
PLACED = "emulator/mapping/functions.py"
EDGES = "emulator/network/importing/onnx_edges.py"
FOUND = ("tests/emulator/network/importing/test_kan_onnx.py", "-k", "not exporter")
EXPLAINED = ("tests/emulator/mapping/explain/test_bases.py",)
TUNED = ("tests/emulator/learning/tuning/test_bases.py",)
WALKED = ("tests/emulator/spec/test_walked_cycles.py",)

MUTANTS = (
    Mutant(
        EDGES, "x, at = layer.outputs(x), further", "at = further", "layers see the first one's inputs", FOUND
    ),
    Mutant(
        EDGES,
        "= found + level[:, None] / inputs",
        "= found",
        "edges of a file leave out what their layer adds",
        FOUND,
    ),
    Mutant(EDGES, "if not error <= ERROR_MAX:", "if False:", "named layers that multiply are taken", FOUND),
    Mutant(
        EDGES,
        "rng.permutation(len(x)) for _",
        "np.arange(len(x)) for _",
        "a sum of functions is tried on the samples only",
        FOUND,
    ),
    Mutant(
        "emulator/network/importing/onnx_parts.py",
        "if self.input.name in needed and begin != self.input.name:",
        "if False:",
        "a layer may be made of more than it is given",
        FOUND,
    ),
    Mutant(
        "emulator/mapping/explain/forward.py",
        "table += 1",
        "table += 0",
        "all tables are explained by the first one's devices",
        EXPLAINED,
    ),
    Mutant(
        "emulator/mapping/explain/devices.py",
        "(at * INPUT_MAX + offset) * scale",
        "(at * INPUT_MAX) * scale",
        "explained tables have no offsets",
        EXPLAINED,
    ),
    Mutant(
        "emulator/learning/tuning/retune.py",
        "(bases if layer.table else neurons)[layer.index] = state",
        "neurons[layer.index] = state",
        "states of bases are set at neurons",
        TUNED,
    ),
    Mutant(
        "emulator/spec/walk.py",
        "(ours.calls, ours.steps[ours.begins : first]),",
        "(1, ours.steps[ours.begins : first]),",
        "a walk's bound counts one call",
        WALKED,
    ),
    Mutant(BASES, "1.0 - gain * centres", "-gain * centres", "bases begin where they should peak", TRAINING),
    Mutant(
        BASES,
        "np.tile(np.arange(self.channels, dtype=np.int32), self.bases.count)",
        "np.arange(self.channels, dtype=np.int32).repeat(self.bases.count)",
        "exported bases read their channels in another order",
        TRAINING,
    ),
    Mutant(
        BASES,
        "activation.peak.repeat(times), activation.height.repeat(times)",
        "np.tile(activation.peak, times), activation.height.repeat(times)",
        "peaks of shared bases go from input to input",
        TRAINING,
    ),
    Mutant(
        BUILD,
        'last = "linear" if to_bases else self._neuron',
        "last = self._neuron",
        "sums that go to bases are neurons' outputs",
        TRAINING,
    ),
    Mutant(
        BUILD,
        " if not isinstance(h, Pooling)), None)",
        "), None)",
        "a pool hides the bases behind it",
        TRAINING,
    ),
    Mutant(
        "emulator/learning/training/neurons.py",
        "self.shift.fill_(0.5 * float(np.exp(-start)))",
        "self.shift.fill_(0.5)",
        "sums for bases start at the end of their range",
        TRAINING,
    ),
    Mutant(PLACED, "errors[1] < errors[0]", "errors[1] > errors[0]", "the worse of two tables", FUNCTIONS),
    Mutant(
        PLACED,
        "(voltage - ALIGNED) // size",
        "voltage // size - 1",
        "input codes are moved to no boundary",
        FUNCTIONS,
    ),
    Mutant(
        PLACED,
        "kink = np.where(left[0] <= left[1], at, at + 1)",
        "kink = at",
        "a kink is taken for the code before it",
        FUNCTIONS,
    ),
    Mutant(
        "emulator/mapping/nodes.py",
        "offset=offset[which],",
        "offset=np.full(outputs, -128, np.int16),",
        "a die's tables are not looked up where they were fitted",
        TRAINING,
    ),
    Mutant(
        "emulator/mapping/report.py",
        "*(table.pwl_error_lsb for table in self.tables), 0.0",
        "0.0, 0.0",
        "table steps count for nothing in the error of tables",
        TRAINING,
    ),
    Mutant(
        "emulator/network/kolmogorov_arnold.py",
        "functions[channel] +=",
        "functions[channel] =",
        "a learned function is its last basis",
        LEARNED,
    ),
    Mutant(
        "ndrite/experiments/kan.py",
        "if low >= of.published:",
        "if right.mean() >= of.published:",
        "a mean above a published figure is a claim",
        EXPERIMENT,
    ),
    Mutant(
        "ndrite/intervals.py",
        "return float(beside.mean() - on_dies.mean()), low, high",
        "return float(on_dies.mean() - beside.mean()), low, high",
        "a chip behind software is called ahead",
        DEPTHS,
    ),
    Mutant(
        "ndrite/experiments/crossing.py",
        'right = in_float if what == FLOAT else unpacked(r[what], r["samples"], in_float)',
        'right = unpacked(r[FLOAT if what == FLOAT else what], r["samples"])',
        "what dies get right is read without what they differ from",
        CROSSED,
    ),
    Mutant(
        "ndrite/experiments/ecram.py",
        "points(after - plain) if same",
        "points(plain - after) if same",
        "a worse ECRAM is called better",
        CROSSED,
    ),
    Mutant(
        "ndrite/experiments/depth.py",
        "points(in_float - on_dies),",
        "points(beside[:, None] - on_dies),",
        "a loss is against another network",
        DEPTHS,
    ),
    Mutant(
        "ndrite/experiments/kan_dies.py",
        'not kind.startswith("mlp relu") or',
        'kind != "mlp relu" or',
        "dies of a network without NDR curves have errors of theirs",
        EXPERIMENT,
    ),
    Mutant(
        "ndrite/experiments/kan.py",
        "return str(task.bases * task.width)",
        "return str(task.width)",
        "an MLP of fewer weights",
        EXPERIMENT,
    ),
    Mutant(
        FITTED,
        "weights / span, (bias - low) / span",
        "weights / span, bias / span",
        "a fitted layer's sums do not begin at the next one's range",
        IMPORTED,
    ),
    Mutant(
        FITTED,
        ".transpose(0, 2, 1).reshape(bases * inputs, outputs)",
        ".reshape(bases * inputs, outputs)",
        "fitted weights of another edge",
        IMPORTED,
    ),
    Mutant(
        FITTED,
        'affine("node_scale") * affine("subnode_scale")',
        'affine("node_scale")',
        "a pykan model's inner scales are left out",
        IMPORTED,
    ),
    Mutant(
        FITTED,
        "if model.symbolic_enabled:",
        "if False:",
        "a pykan model's symbolic functions are left out",
        IMPORTED,
    ),
    Mutant(
        "emulator/mapping/program_of.py",
        "next(functions, None)",
        "None",
        "a die's tables stay as they were mapped",
        DIES,
    ),
    Mutant(
        "emulator/mapping/die.py",
        "neurons=_set(table.neurons, kept(states, chip, passed_s), chip)",
        "neurons=table.neurons",
        "the ECRAMs of bases do not age",
        DIES,
    ),
    Mutant(
        "emulator/mapping/die_file.py",
        'held["gain"], held["shift"])',
        'held["shift"], held["gain"])',
        "gains and shifts of bases change places in the file",
        DIES,
    ),
)

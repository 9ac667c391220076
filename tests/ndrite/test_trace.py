"""ndrite trace: the waveforms say what the counters say, and hold the outputs."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.backend.lay_out import check_fits
from emulator.golden import Core
from emulator.golden.random_program import random_program
from emulator.spec import PRESETS, Program
from emulator.spec.patches import Patches
from host import InputError
from ndrite.url import geometry_for
from ndrite.waveforms import SIGNALS, on_array, read_activity


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("NDRITE_RELEASE"), reason="compiles RTL: make test-release")
def test_waveforms_of_one_inference(folder: Path, program: Program, said: Any) -> None:
    result = said("trace program.npz --inputs x.npy --sample 3 --preset tiny --seed 9")
    x = np.load("x.npy")
    np.testing.assert_array_equal(result["outputs"], Core(program).infer(x[3:4], seed=9, first_index=3)[0])
    busy = result["busy_cycles"]
    # Every input code, hidden neuron and output is written once; rows are those of every column group.
    assert (busy["inputs"], busy["neuron"], busy["outputs"]) == (20, 6, 3)
    assert busy["array"] == result["bound_cycles"] == 20 * 2 + 6
    assert busy["link in"] > 20
    assert result["bound_cycles"] < result["cycles"] < result["traced_cycles"]
    names = {line.split()[-1].split("[")[0] for line in Path("trace.gtkw").read_text().splitlines()}
    assert {signal.path for signal in SIGNALS} <= names
    assert Path("trace.sucl").read_text().count("variable_add") == len(SIGNALS)
    assert not re.search(r"\blane_\d", Path("trace.vcd").read_text()), "a signal of every lane"
    with pytest.raises(InputError, match=r"trace.vcd: no signal nothing"):
        read_activity(Path("trace.vcd"), ["nothing"])


def test_activity_of_a_small_dump(tmp_path: Path) -> None:
    (tmp_path / "a.vcd").write_text(
        "$scope module TOP $end\n$scope module core $end\n$var wire 1 ! busy $end\n$var wire 8 # x [7:0] "
        "$end\n"
        "$upscope $end\n$upscope $end\n$enddefinitions $end\n#0\n0!\nb1010 #\n#2\n1!\n#6\n0!\n#8\n1!\n#9\n"
    )
    activity = read_activity(tmp_path / "a.vcd", ["TOP.core.busy"])
    assert activity["TOP.core.busy"].tolist() == [False, True, True, False, True]


def test_wrong_numbers(folder: Path, fails: Any) -> None:
    fails("trace program.npz --inputs x.npy --sample 5 --preset tiny", "sample is 5; accepted: 0..4")
    fails("trace program.npz --inputs x.npy --preset huge", "huge")
    assert not Path("trace.vcd").exists()


def test_the_array_is_as_large_as_the_program(program: Program) -> None:
    """A default that the program does not fit would be none."""
    roomy = dataclasses.replace(PRESETS["64-lane"], name="roomy", weight_depth=8192)
    large = random_program(roomy, np.random.default_rng(0), sizes=(784, 300, 10))
    assert PRESETS["64-lane"].lanes * PRESETS["64-lane"].weight_depth < 784 * 300
    check_fits(large, geometry_for(large, None))
    assert geometry_for(program, "tiny") is PRESETS["tiny"]
    with pytest.raises(InputError, match="geometry preset is 'huge'"):
        geometry_for(large, "huge")


def test_the_first_product_on_the_array_is_not_a_grouped_one() -> None:
    program = _graph([2, 1, 1])
    part, number = on_array(program, None)
    assert (part.tag, number) == (program.piece(1).tag, 1)
    with pytest.raises(InputError, match="product 0 is grouped; accepted: one that the array computes"):
        on_array(program, 0)
    with pytest.raises(InputError, match="'groups': all products are grouped"):
        on_array(_graph([2, 2]), None)


def _graph(groups: list[int]) -> Program:
    """Products of two channels at one position, one after the other, in so many groups."""
    chain = random_program(PRESETS["tiny"], np.random.default_rng(0), sizes=(2, 2, 2), noise=False)
    neuron, one = chain.products[0], chain.products[0].layer.weights[:1]
    steps = []
    for i, g in enumerate(groups):
        layer = neuron.layer if g == 1 else dataclasses.replace(neuron.layer, weights=one)
        patches = Patches(shape=(2, 1, 1), kernel=(1, 1), groups=g)
        steps.append(dataclasses.replace(neuron, layer=layer, patches=patches, sources=(i,)))
    return dataclasses.replace(chain, name="groups", shape=(2, 1, 1), steps=tuple(steps))

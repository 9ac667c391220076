"""The public face: names, what importing loads, examples that run, and what notebooks show."""

import dataclasses
import doctest
import pkgutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import ndrite
from ndrite.emulator.network import zoo
from ndrite.files import array_of
from tests.chips import random_network, samples
from tests.extras import needs
from tests.refusals import refused

FUNCTIONS = "compile fit campaign sweep cost evaluate explain place report infer calibrate train".split()
FUNCTIONS += ["Classifier"]


def test_no_public_name_is_a_module() -> None:
    """Importing a module puts it where its package would look for the function."""
    modules = {module.name for module in pkgutil.iter_modules(ndrite.__path__)}
    assert not modules & (set(ndrite.__all__) - set(ndrite._MODULES))
    assert not hasattr(ndrite, "nothing")


@pytest.mark.parametrize("told", ["", "from ndrite.shell.main import run; run(['--help'])"])
def test_neither_importing_nor_help_loads_anything_heavy(told: str) -> None:
    heavy = ("scipy", "torch", "numba", "matplotlib", "amaranth", "ndrite.emulator.mapping")
    code = f"import sys, ndrite; {told}\nprint([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.endswith("[]\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docstrings_example_runs(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for needed in {"place": ["torch"], "train": ["torch"], "sweep": ["pyarrow"]}.get(name, ()):
        needs(needed)
    found = doctest.DocTestFinder(recurse=False).find(getattr(ndrite, name), name, globs={})
    assert sum(len(test.examples) for test in found) >= 3
    for test in found:
        assert doctest.DocTestRunner().run(test).failed == 0, capsys.readouterr().out


def test_notebooks_show_tables_and_names_stay_text() -> None:
    network = random_network((784, 16, 10))
    network = dataclasses.replace(network, name="<script>alert(1)</script>&")
    x, labels = samples(network, 32), np.zeros(32, np.int64)
    compiled = ndrite.compile(network, "ideal", samples=x)
    of_samples = (ndrite.explain(compiled, x, labels), ndrite.evaluate(compiled, x, labels))
    account = ndrite.cost(compiled, x)
    for shown in (compiled, compiled.program, compiled.die, compiled.report, account, *of_samples):
        # Every tag that is opened is closed again, or this is no XML.
        read = ElementTree.fromstring(f"<div>{shown._repr_html_().replace('<wbr>', '')}</div>")
        seen = {element.tag for element in read.iter()}
        assert {"table", "td"} <= seen
        assert "script" not in seen
        assert len(repr(shown)) < 2500, type(shown)
    assert "&lt;script&gt;" in compiled._repr_html_()
    # What a prompt shows of a program is a line or two, not its arrays.
    for shown, length, told in (
        (compiled.program, 400, "<script>"),
        (compiled.program.layers[0], 800, "int16 (784, 16)"),
    ):
        assert len(repr(shown)) < length
        assert told in repr(shown)


test_wrong_calls_say_what_is_accepted = refused(
    ndrite.InputError,
    (ndrite.fit, "memtransistor", "x.csv", "kind is 'memtransistor'; accepted: ndr"),
    (lambda: ndrite.fit("ndr", "x.csv", model="exponential"), "model is 'exponential'; accepted: auto"),
    (ndrite.cost, 7, "program is int; accepted: a result of compile"),
    (lambda: ndrite.evaluate(zoo.program(), count=0), "count is 0; accepted: 1 and more"),
    (lambda: ndrite.evaluate(zoo.program(), board=None), "board is None; accepted: a URL or several"),
    (lambda: ndrite.connect(None), "board URL is None; accepted: golden:"),
    (
        lambda: array_of(np.ma.masked_equal([1, 2], 2)),
        "masked values; accepted: arrays without masked values",
    ),
    (lambda: ndrite.campaign(zoo.program(), trials=5000), "trials is 5000; accepted: 1..4096"),
)

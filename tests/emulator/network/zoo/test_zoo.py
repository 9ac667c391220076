"""The network in the box: files present, consistent with each other, accuracies held."""

import numpy as np
import pytest

import ndrite
from emulator.backend.lay_out import check_fits
from emulator.errors import EmulatorError
from emulator.mapping import golden_accuracy, map_network
from emulator.network import load_network
from emulator.network.datasets import fashion_mnist_test
from emulator.network.zoo import FOLDER, float_network, program, programs
from emulator.spec import PRESETS, Program


def test_files():
    assert programs() == ["fashion-mnist-784-128-10"]
    assert {p.name for p in FOLDER.glob("fashion-mnist-*.npz")} == {program().name}
    with pytest.raises(EmulatorError, match="network is 'lenet'; accepted: fashion-mnist-784-128-10"):
        program("lenet")


def test_program_belongs_to_its_float_weights_and_fits_the_simulated_board():
    chip_program, network = Program.load(program()), load_network(float_network())
    assert (
        (chip_program.inputs, chip_program.layers[0].outputs, chip_program.outputs)
        == network.widths
        == (784, 128, 10)
    )
    check_fits(chip_program, PRESETS["64-lane"])
    assert chip_program.provenance["chip"]["name"] == "wan2022"
    # Programmed codes follow the float weights: the correlation is that of about 15 % error.
    for layer, dense in zip(chip_program.layers, network.layers, strict=True):
        scaled = dense.weights / np.abs(dense.weights).max(axis=0)
        assert np.corrcoef(layer.weights.ravel(), scaled.ravel())[0, 1] > 0.97


def test_float_accuracy():
    assert load_network(float_network()).accuracy(*fashion_mnist_test()) >= 0.887


def test_golden_accuracy_with_all_device_errors():
    images_, labels = (part[:2000] for part in fashion_mnist_test())
    reference = load_network(float_network()).accuracy(images_, labels)
    chip_program = Program.load(program())
    for seed in (0, 1):
        assert golden_accuracy(chip_program, images_, labels, seed=seed) >= reference - 0.0103
    assert golden_accuracy(chip_program, images_, labels, noise=False) >= reference - 0.0103


def test_other_chips_of_the_same_kind_do_as_well():
    # Calibrated on other test images than it is measured on, since training files need not be there.
    images_, labels = fashion_mnist_test()
    network = load_network(float_network())
    reference = network.accuracy(images_[:2000], labels[:2000])
    for seed in (11, 12):
        compiled = map_network(network, "wan2022", images_[-1000:], seed=seed)
        assert golden_accuracy(compiled.program, images_[:2000], labels[:2000]) >= reference - 0.015
    ideal = map_network(network, "ideal", images_[-1000:]).program
    assert golden_accuracy(ideal, images_[:2000], labels[:2000]) == pytest.approx(reference, abs=0.004)


def test_recompiling_gives_the_shipped_program():
    shipped = ndrite.load(program())
    again = map_network(load_network(float_network()), "wan2022", shipped.samples)
    assert again.program.checksum() == shipped.program.checksum()
    assert shipped.network.digest() == load_network(float_network()).digest()

"""compile: compiles a network or a model for a chip."""

import dataclasses
import warnings
from typing import Annotated, Any, Literal

from ndrite import signature as sig
from ndrite.answer import Answer, answered
from ndrite.boards.fpga.registry import find_buildable
from ndrite.compiled import Compiled, network_of
from ndrite.emulator.device.description import Chip, load_chip
from ndrite.emulator.errors import CompileWarning, DatasetError, MissingExtraError
from ndrite.emulator.golden.fast import work as work_of
from ndrite.emulator.mapping import MapOptions, Mitigation, map_network
from ndrite.emulator.mapping.network import in_order
from ndrite.emulator.spec import Geometry, Program
from ndrite.files import array_of, name_of
from ndrite.host import InputError
from ndrite.labels import decided, told
from ndrite.samples import EvaluationSet, both_or_neither, judged_samples, typical_samples

WORK = 20_000_000_000
"""Largest number of multiplications for judging a die: a few seconds of the golden model."""


@sig.verb
def compile(
    network: sig.Source,
    /,
    chip: sig.ChipName,
    *,
    output: sig.Output | None = None,
    program_only: bool = False,
    samples: sig.Array | None = None,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    measure: sig.Measure | None = None,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    seed: sig.DieSeed = 0,
    name: str | None = None,
    nominal: bool = False,
    target: Annotated[Any, sig.Option("BOARD")] | None = None,
    mitigation: Mitigation | None = None,
    place_rows: bool = False,
    input_range: Annotated[tuple[float, float], sig.Option("LOW HIGH")] | None = None,
    input_shape: sig.Shape | None = None,
    node: str | None = None,
    model_inputs: sig.ModelInputs | None = None,
    classes: sig.Names | None = None,
    task: Literal["classes", "two classes", "labels", "values"] | None = None,
    input_unit: str | None = None,
    output_unit: str | None = None,
    progress: sig.Stages = sig.silent,
) -> Compiled:
    """Compile a network or a model for a chip into one file.

    Programs the chip's cells, calibrates its converters and turns curves into tables. A
    model is imported first: full layers, 1-D and 2-D convolutions with groups, pooling,
    LSTM and GRU; branches may be added, multiplied and joined; BatchNorm is folded in;
    any function of each value becomes a table. Then the die is judged on the golden
    model: accuracy or error against float, with its interval. Nothing is written
    without ``output``. ``-v`` prints the numbers of every layer: the error of the
    weights relative to the weights' rms, the error of tables in output steps (LSB) or
    the model's own unit, and the SNR in dB.

    Parameters
    ----------
    network:
        A model (``.onnx``, ``.pt`` or ``.pth``, a ``torch.nn.Module``, a fitted
        scikit-learn estimator), a float network, or a result of `compile`, whose
        network and samples are used again.
    chip:
        A chip, a preset's name (see ``ndrite chip list``), the path of a YAML file, or
        several of these joined with ``+``.
    output:
        File to write: program, die, float network, calibration samples, class names and units.
    program_only:
        Write only the program, which is all that a board needs.
    samples:
        Typical inputs, (n, inputs) with n at least 16, as an array or an ``.npy`` file:
        in the model's own unit, else codes uint8. They set the ranges of converters,
        and of a model's inputs and activations. Default: samples of the data set that
        the network names.
    inputs, labels:
        Test samples and their labels to judge the die by. Labels without inputs are
        those of ``samples``. Default: the data set's test samples, or the float
        network's answers on ``samples``. Labels also decide what the outputs mean, if
        the model, ``classes`` and ``task`` do not.
    seed:
        Number of the individual chip, which decides its programming errors.
    name:
        The program's name; default: the network's name.
    nominal:
        Leave every cell on its target and store the spread of cells: a program for a campaign.
    target:
        Board for which kernels are programmed several times, side by side, if that is
        faster and the board's memories allow it: its name, or in Python any `Geometry`.
    mitigation:
        The measures against the chip's errors; default: gain and bias correction.
    place_rows:
        Additional measure: place rows of weights on the physical rows whose stuck cells
        hurt them least, and units of analog layers on the columns that are wired to
        such rows. Takes seconds per layer.
    input_range:
        Values of input codes 0 and 255 of an imported model; default: the range of the
        samples, or 0 and 1.
    input_shape:
        Shape of one sample, if an imported model does not define it; for a sequence
        TIME_STEPS,FEATURES.
    node:
        Output of an ONNX model to use; default: the first that can be imported.
    model_inputs:
        For an ONNX model with several inputs, all but the one that takes the samples: a
        constant, such as ``rate=16000``, or for a state the output that is its value in
        the next call, such as ``h=h_next``. With states, samples are (n, calls, values
        of a call), and outputs those of the last call.
    classes:
        Name of each class in the order of the outputs. For a single output: the names
        of its two classes, last the one above the threshold.
    task:
        Meaning of the outputs: one class per output, one output that tells two classes
        apart, several labels, or values. Default: taken from the model or the labels.
    input_unit, output_unit:
        Units of inputs and outputs, shown to people.

    Warns
    -----
    CompileWarning
        One line for everything that was cut off or limited;
        ``Compiled.report.warnings`` has the lines too.

    Examples
    --------
    $ ndrite compile model.onnx --chip wan2022 --samples x.npy -o mine
    > ndrite compile float.npz --chip dendritic-ndr --seed 7 -o mine
    >>> import ndrite
    >>> compiled = ndrite.compile(ndrite.networks.shipped_network(), "wan2022", seed=7)
    >>> compiled.program.inputs, compiled.program.outputs
    (784, 10)
    >>> compiled.save("mine").name
    'mine'
    """
    if program_only and output is None:
        raise InputError("program_only is given without output; accepted: both, or neither")
    options: dict[str, Any] = {"input_range": input_range, "input_shape": input_shape, "output": node}
    options["model_inputs"] = dict(model_inputs) if model_inputs else None
    with progress("nodes") as report:
        floats, earlier, imported = network_of(network, samples, report, **options)
    meaning = told(floats.meaning, floats.map_shapes[-1], classes, task)
    if input_unit is not None:
        meaning = dataclasses.replace(meaning, input_unit=input_unit)
    if output_unit is not None:
        meaning = dataclasses.replace(meaning, output_unit=output_unit)
    floats = dataclasses.replace(floats, meaning=meaning)
    typical = typical_samples(floats, earlier, samples, data=data, codes=codes)
    test = samples if inputs is None and labels is not None else inputs
    test = typical if test is None and labels is not None else test
    both_or_neither(test, labels)
    if labels is not None:
        floats = decided(floats, array_of(labels), name_of(labels, "labels"), measure)
    array = target if isinstance(target, Geometry | None) else find_buildable(target).geometry
    measures = mitigation or Mitigation()
    if place_rows or measures.row_placement:
        measures = dataclasses.replace(measures, row_placement=True)
        chip = chip if isinstance(chip, Chip) else load_chip(chip)
        floats = in_order(floats, chip, typical, seed)
    with progress("layers") as report:
        mapped = map_network(
            floats,
            chip,
            typical,
            seed=seed,
            name=name,
            progress=report,
            options=MapOptions(nominal=nominal, target=array, mitigation=measures),
        )
    done = None if imported is None else imported.report
    compiled = Compiled(floats, mapped.program, mapped.die, typical, mapped.report, done)
    if not nominal:  # a nominal program has target values, but no die to score
        with progress("test samples"):
            wanted = EvaluationSet(test, labels, data, codes or test is typical, measure, seen=False)
            answer = judged_answer(compiled, wanted)
        compiled = dataclasses.replace(compiled, answer=answer)
    if output is not None:  # saved after judging, so that unsuitable labels leave no file
        (compiled.program if program_only else compiled).save(output)
    return compiled


def judged_answer(compiled: Compiled, wanted: EvaluationSet) -> Answer | None:
    """Score the compiled die on at most ``samples_within`` test samples. Return None,
    with a warning, if the data set that the network names is not on this machine."""
    program = compiled.program
    try:
        judged = judged_samples(program, compiled, wanted)
    except (DatasetError, MissingExtraError) as error:
        if wanted.data is not None:
            raise
        warnings.warn(f"the die is not judged: {error}", CompileWarning, stacklevel=3)
        return None
    return answered(program, compiled.network, *judged.first(min(len(judged.x), samples_within(program))))


def samples_within(program: Program) -> int:
    """Return the number of test samples that the golden model can answer in a few
    seconds: 100..2000."""
    return int(min(2000, max(100, WORK // max(1, work_of(program)))))

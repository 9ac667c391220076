"""Classifier: a program on a board with the interface of scikit-learn."""

import dataclasses
import os
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from ndrite.compiled import Compiled, held
from ndrite.emulator.spec import Program
from ndrite.emulator.spec.task import CLASSES, LABELS, TWO_CLASSES, VALUES, Task, Truth, probabilities
from ndrite.files import array_of, encode
from ndrite.host import InputError
from ndrite.labels import read_labels, task_by
from ndrite.url import connect

if TYPE_CHECKING:
    from sklearn.utils import Tags


@dataclass(eq=False, repr=False)
class Classifier:
    """A scikit-learn classifier that runs a program on a board; it works in a pipeline
    after any transformer of the inputs.

    Inputs (n, ...) are in the model's own unit for an imported network, else uint8
    codes. ``InputWarning`` says how many values are outside the stored range. Inputs
    are NumPy arrays or torch tensors, and results are of the same kind, except that
    class names are always arrays. The program is already trained: ``fit`` checks the
    number of inputs and keeps the labels' classes. The board is opened for every call.

    Parameters
    ----------
    program:
        A program, a result of ``ndrite.compile``, or the path of a file of either.
    board:
        URL, as for ``ndrite.connect``.
    seed:
        Read-noise seed; the same seed gives the same answers on every board.
    classes:
        The classes in the order of the outputs, or the two classes of a single
        output. Default: the classes that the program names (whole numbers as
        integers), else 0, 1, 2 ...
    noise:
        Read noise on or off.
    codes:
        Inputs are codes uint8 0..255 even where the program stores an input range.

    Examples
    --------
    >>> import ndrite
    >>> chip = ndrite.Classifier(ndrite.networks.shipped_program(), seed=7)
    >>> x, labels = ndrite.networks.judging_set("fashion-mnist")
    >>> chip.predict(x[:3]).shape
    (3,)
    """

    _estimator_type: ClassVar[str] = "classifier"

    program: Compiled | Program | str | os.PathLike[str]
    board: str = "golden:"
    _: KW_ONLY
    seed: int = 0
    classes: npt.ArrayLike | None = None
    noise: bool = True
    codes: bool = False

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments, for scikit-learn's clone and pipelines."""
        return {
            "program": self.program,
            "board": self.board,
            "seed": self.seed,
            "classes": self.classes,
            "noise": self.noise,
            "codes": self.codes,
        }

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments of the constructor, as scikit-learn expects."""
        for name, value in parameters.items():
            if name not in self.get_params():
                raise InputError(f"parameter is {name!r}; accepted: {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def fit(self, x: object, y: object = None) -> Self:
        """Check that the inputs ``x`` (n, ...) fit the program and that the labels are
        known classes; nothing is trained.

        Raises
        ------
        InputError
            When they do not.
        """
        encode(array_of(x), self._program(), codes=self.codes)
        if y is not None:
            self._truth(y)
        return self

    @property
    def classes_(self) -> npt.NDArray[np.generic]:
        """Return the class of every output, (classes,), or, for a program with a single
        output, the names of its two classes."""
        task = self._task()
        names = self.classes if self.classes is not None else task.names
        if self.classes is None and all(name.lstrip("-").isdecimal() for name in task.names):
            names = [int(name) for name in task.names]
        classes = np.asarray(names)
        if classes.shape != (len(task.names),):
            raise InputError(f"classes have shape {classes.shape}; accepted: ({len(task.names)},)")
        return classes

    def _task(self) -> Task:
        """Return the task that the program states. Raises InputError if the program's
        outputs are not classes."""
        program = self._program()
        shape, meaning = program.map_shapes[-1], program.meaning
        task = task_by(meaning, shape)
        if task is None:
            names = () if self.classes is None else tuple(map(str, np.asarray(self.classes).tolist()))
            kind = TWO_CLASSES if shape[0] == 1 else CLASSES
            fits = len(names) in (0, 2 if kind == TWO_CLASSES else shape[0])
            task = Task(kind=kind, shape=shape, classes=names if fits else (), threshold=meaning.threshold)
        if task.kind == VALUES:
            raise InputError(
                f"{program.name}: its outputs are values; accepted: classes; compile it again with the class "
                "names in classes"
            )
        return task

    def _truth(self, y: object) -> Truth:
        """Convert labels to class numbers, or to truth values where a sample has
        several labels. Raises InputError for an unknown class."""
        task, labels = self._task(), array_of(y)
        if self.classes is not None and task.kind != LABELS:
            task = dataclasses.replace(task, classes=tuple(map(str, self.classes_.tolist())))
        meaning = dataclasses.replace(self._program().meaning, task=task.kind, classes=task.classes)
        return read_labels(labels, meaning, task.shape, "labels").truth

    def decision_function(self, x: object) -> Any:
        """Return the chip's outputs int32 (n, outputs) for inputs (n, ...)."""
        return _like(x, self._outputs(x))

    def predict(self, x: object) -> Any:
        """Return the class of each sample, (n,): that of the largest output (the first
        of equal outputs), or, if there is a single output, by its threshold.

        A map of classes gives (n, places), several labels truth values (n, labels).

        Raises
        ------
        InputError
            When the inputs do not fit the program, or its outputs are values.
        HostError
            When the board fails.
        """
        task = self._task()
        answers = task.answers(self._values(x))
        return _like(x, answers if task.kind == LABELS else self.classes_[answers])

    @property
    def predict_proba(self) -> Callable[[object], Any]:
        """Return a method that computes probabilities (n, classes) by the softmax or
        sigmoid at the end of the model. Raises AttributeError if the model ends without
        a softmax or sigmoid, as scikit-learn expects."""
        meaning = self._program().meaning
        if not meaning.probability:
            raise AttributeError(
                "predict_proba: the compiled model has no softmax or sigmoid at its end, so its outputs are "
                "scores, not probabilities; use decision_function"
            )

        def predict_proba(x: object) -> Any:
            return _like(x, probabilities(self._values(x), self._task().kind, meaning.probability))

        return predict_proba

    def score(self, x: object, y: object) -> float:
        """Return the fraction of inputs whose predicted class equals the label. Raises
        InputError for labels that are not classes."""
        task, truth, outputs = self._task(), self._truth(y), self._values(x)
        if len(truth) != len(outputs):
            raise InputError(f"labels have {len(truth)} rows; accepted: {len(outputs)}, one per input")
        return task.score(outputs, truth)

    def _values(self, x: object) -> npt.NDArray[np.float64]:
        """Return the program's outputs for inputs ``x``, in the model's unit."""
        step = np.float64(self._program().meaning.output_step or 1.0)
        return np.asarray(self._outputs(x) * step, np.float64)

    def _outputs(self, x: object) -> npt.NDArray[np.int32]:
        program = self._program()
        codes = encode(array_of(x), program, codes=self.codes)
        with connect(self.board) as board:
            board.program(program)
            return board.infer(codes, seed=self.seed, noise=self.noise)

    def _program(self) -> Program:
        return held(self.program).program

    def __repr__(self) -> str:
        program = self._program()
        size = f"{program.inputs} inputs, {len(self._task().names)} classes"
        return f"Classifier({program.name!r}, {size}, board={self.board!r}, seed={self.seed})"

    def __sklearn_tags__(self) -> "Tags":
        """Return the tags that scikit-learn 1.6 and later read."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags("classifier", TargetTags(required=False), classifier_tags=ClassifierTags())

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _like(x: Any, result: npt.NDArray[np.generic]) -> Any:
    """Convert ``result`` to a tensor if the input ``x`` is a tensor; an array of class
    names stays an array."""
    if not hasattr(x, "detach") or result.dtype.kind in "US":
        return result
    torch = sys.modules["torch"]  # torch is loaded, since x is a tensor
    return torch.as_tensor(np.ascontiguousarray(result), device=x.device)

"""Classifier: a program on a board with scikit-learn's face."""

import sys
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from ndrite.compiled import held
from ndrite.emulator.spec import Program
from ndrite.files import array_of, encode
from ndrite.host import InputError
from ndrite.url import connect


@dataclass(eq=False, repr=False)
class Classifier:
    """Classes from a program on a board; works in a pipeline after any transformer of the inputs.

    Inputs (n, ...) are in the model's own unit for an imported network, else uint8 codes. ``InputWarning``
    says how many values lay outside the stored range. They are NumPy arrays or torch tensors, and results are
    of the same kind, but names of classes arrays. The program is already trained: ``fit`` checks the number
    of inputs and keeps the labels' classes. The board is opened for every call.

    Parameters
    ----------
    program:
        A program, what ``ndrite.compile`` gave, or the path of the file of either.
    board:
        URL, as for ``ndrite.connect``.
    seed:
        Read-noise seed; the same seed gives the same answers on every board.
    classes:
        What the outputs stand for, (outputs,); by default the classes that the program names, whole numbers
        as such, else 0, 1, 2 ...
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

    program: Any
    board: str = "golden:"
    _: KW_ONLY
    seed: int = 0
    classes: npt.ArrayLike | None = None
    noise: bool = True
    codes: bool = False

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, for scikit-learn's clone and pipelines."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **parameters: Any) -> Self:
        """Change constructor arguments."""
        for name, value in parameters.items():
            if name not in self.get_params():
                raise InputError(f"parameter is {name!r}; accepted: {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def fit(self, x: Any, y: Any = None) -> Self:
        """Nothing is trained: checks that inputs ``x`` (n, ...) fit, and that labels are known classes.

        Raises
        ------
        InputError
            When they do not.
        """
        encode(array_of(x), self._program(), codes=self.codes)
        if y is not None:
            self._labels(y)
        return self

    def _labels(self, y: Any) -> npt.NDArray[Any]:
        """Labels in the form of the classes. Raises InputError where one is none of them."""
        known, labels = self.classes_, array_of(y)
        if known.dtype.kind in "US":
            labels = labels.astype(known.dtype.kind)
        unknown = set(labels.ravel().tolist()) - set(known.tolist())
        if unknown:
            first = min(unknown, key=str)
            raise InputError(f"label is {first!s}; accepted: {known.tolist()}, or classes=... of yours")
        return labels

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Class of every output, (outputs,)."""
        program = self._program()
        outputs, named = program.outputs, program.meaning.classes
        classes = np.arange(outputs) if self.classes is None else np.asarray(self.classes)
        if self.classes is None and named:
            numbers = all(name.lstrip("-").isdecimal() for name in named)
            classes = np.array([int(name) for name in named] if numbers else named)
        if classes.shape != (outputs,):
            raise InputError(f"classes have shape {classes.shape}; accepted: ({outputs},)")
        return classes

    def decision_function(self, x: Any) -> Any:
        """The chip's outputs, int32 (n, outputs), of inputs (n, ...)."""
        return _like(x, self._outputs(x))

    def predict(self, x: Any) -> Any:
        """Class (n,) of the largest output; the first of equals.

        Raises
        ------
        InputError
            When the inputs do not fit the program.
        HostError
            When the board fails.
        """
        return _like(x, self.classes_[self._outputs(x).argmax(axis=1)])

    def score(self, x: Any, y: Any) -> float:
        """Fraction of inputs whose class is the label's; InputError where a label is no class."""
        predicted = self.classes_[self._outputs(x).argmax(axis=1)]
        labels = self._labels(y)
        if labels.shape != predicted.shape:
            raise InputError(f"labels have shape {labels.shape}; accepted: {predicted.shape}")
        return float((predicted == labels).mean())

    def _outputs(self, x: Any) -> npt.NDArray[np.int32]:
        program = self._program()
        codes = encode(array_of(x), program, codes=self.codes)
        with connect(self.board) as board:
            board.program(program)
            return board.infer(codes, seed=self.seed, noise=self.noise)

    def _program(self) -> Program:
        return held(self.program).program

    def __repr__(self) -> str:
        program = self._program()
        size = f"{program.inputs} inputs, {program.outputs} classes"
        return f"Classifier({program.name!r}, {size}, board={self.board!r}, seed={self.seed})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn 1.6 and later ask an estimator for."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags("classifier", TargetTags(required=False), classifier_tags=ClassifierTags())

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _like(x: Any, result: npt.NDArray[Any]) -> Any:
    """``result`` as a tensor where ``x`` is one; names are none."""
    if not hasattr(x, "detach") or result.dtype.kind in "US":
        return result
    torch = sys.modules["torch"]  # loaded: x is its tensor
    return torch.as_tensor(np.ascontiguousarray(result), device=x.device)

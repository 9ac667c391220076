"""Meaning: what input codes and output values represent. It does not change any computation.

A chip takes codes only. Signed inputs, or inputs of any other scale, are moved and
stretched to 0..1, and the first layer's weights and bias undo that exactly: ``w @ x + b
= (w * span) @ u + (b + w @ low)`` for ``u = (x - low) / span``.
"""

import dataclasses
import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ndrite.emulator.spec.arithmetic import INPUT_MAX, Floats
from ndrite.emulator.spec.brief import record, shown
from ndrite.emulator.spec.errors import MeaningError, require
from ndrite.emulator.spec.patches import Shape
from ndrite.emulator.spec.task import (
    CLASSES,
    KINDS,
    LABELS,
    PROBABILITIES,
    TWO_CLASSES,
    VALUES,
    Task,
    kind_of,
)

TEXT_MAX = 200
"""Largest number of characters in a name or unit."""


@record()
class InputRange:
    """Range of the inputs: the values that the codes 0 and 255 stand for, float64 (K,),
    or (1,) if all inputs share one range.

    ``axes``: where samples come as maps in another order than (C, H, W), the axes of
    those in them, and their ``shape``: (2, 0, 1) and (H, W, C). Raises MeaningError
    when a range is empty or not finite.
    """

    low: Floats
    high: Floats
    axes: tuple[int, ...] | None = None
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        low, high = (np.atleast_1d(np.asarray(v, np.float64)) for v in (self.low, self.high))
        if low.ndim != 1 or low.shape != high.shape or not low.size:
            raise MeaningError(
                f"input range has low {low.shape} and high {high.shape}; accepted: both (K,), or both (1,)"
            )
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (high > low).all()):
            raise MeaningError(
                "input range has a high that is not above its low; accepted: finite, each high above its low"
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @classmethod
    def of_samples(cls, x: npt.ArrayLike, *, each: bool = True) -> Self:
        """Return the range of samples (n, ...), for each input separately or one for
        all inputs. An input that is constant in all samples gets a range of width 1."""
        flat = np.asarray(x, np.float64).reshape(len(np.asarray(x)), -1)
        flat = flat if each else flat.reshape(-1, 1)
        low, high = flat.min(axis=0), flat.max(axis=0)
        return cls(low, np.where(high > low, high, low + 1.0))

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Rebuild an InputRange from the output of ``as_dict``. Raises MeaningError if
        the dictionary has another form."""
        if not isinstance(content, dict):
            raise MeaningError(f"input range is {shown(content)}; accepted: an object with low and high")
        try:
            axes, shape = content.get("axes"), content.get("shape", ())
            return cls(content["low"], content["high"], None if axes is None else tuple(axes), tuple(shape))
        except MeaningError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise MeaningError(f"input range is {shown(content)}; accepted: low and high ({error})") from None

    @property
    def span(self) -> Floats:
        """Width of the range: high - low."""
        return self.high - self.low

    def as_dict(self) -> dict[str, Any]:
        """Return the range as plain lists for JSON."""
        order = {} if self.axes is None else {"axes": list(self.axes), "shape": list(self.shape)}
        return {"low": self.low.tolist(), "high": self.high.tolist(), **order}

    def unit(self, x: npt.ArrayLike) -> Floats:
        """Return inputs (n, ...) scaled to 0..1, float64 (n, K). Values outside the
        range are clipped first."""
        x = np.asarray(x, np.float64)
        flat = x.reshape(len(x), math.prod(x.shape[1:]))
        if self.axes is not None and flat.shape[1] == int(np.prod(self.shape)):
            maps = flat.reshape(len(x), *self.shape).transpose(0, *(a + 1 for a in self.axes))
            flat = maps.reshape(len(x), flat.shape[1])
        if self.low.size not in (1, flat.shape[1]):
            raise MeaningError(f"x has {flat.shape[1]} inputs; accepted: {self.low.size}")
        if not np.isfinite(flat).all():
            raise MeaningError("x holds a value that is not finite; accepted: finite numbers")
        clipped: Floats = np.clip((flat - self.low) / self.span, 0.0, 1.0)
        return clipped

    def encode(self, x: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the input codes uint8 (n, K), 0..255, for input values (n, ...)."""
        return np.rint(self.unit(x) * INPUT_MAX).astype(np.uint8)

    def decode(self, codes: npt.NDArray[np.uint8]) -> Floats:
        """Return the input values that codes (n, K) stand for."""
        return self.low + codes.astype(np.float64) * (self.span / INPUT_MAX)


@record(kw_only=True)
class Meaning:
    """Meaning of a program's inputs and outputs (range, names of classes, units),
    stored with the program so that results can be read.

    Raises MeaningError, naming the field, when it is of another kind.

    Attributes
    ----------
    inputs:
        The values that codes 0 and 255 stand for; None: inputs are codes.
    input_unit, output_unit:
        Units of the values in and out, text; empty: none said.
    data_set:
        The data set by name that commands take where none is given; None: they ask.
    task:
        Task of the outputs, one of ``task.KINDS``; empty: not decided, labels decide.
    classes:
        Name of each class or label, in the order of the outputs; empty: numbers from 0.
    named_labels:
        Whether labels are these names alone, as an estimator was trained on them; else
        numbers of outputs from 0 are labels too.
    threshold:
        Of ``two classes`` and ``labels``: above it the answer is yes, in the
        unit of the outputs.
    probability:
        The function that makes probabilities of the outputs, one of ``task.PROBABILITIES``.
    output_step:
        Size of one step of the outputs in ``output_unit``; None before mapping.
    """

    inputs: InputRange | None = None
    input_unit: str = ""
    output_unit: str = ""
    data_set: str | None = None
    task: str = ""
    classes: tuple[str, ...] = ()
    named_labels: bool = False
    threshold: float = 0.0
    probability: str = ""
    output_step: float | None = None

    def __post_init__(self) -> None:
        _text("input_unit", self.input_unit)
        _text("output_unit", self.output_unit)
        _text("data_set", self.data_set, optional=True)
        if not isinstance(self.classes, tuple):
            raise MeaningError(f"classes is {shown(self.classes)}; accepted: a list of names")
        for i, name in enumerate(self.classes):
            _text(f"classes[{i}]", name)
        require(self.task in ("", *KINDS), "task", shown(self.task), ", ".join(KINDS), MeaningError)
        names = ", ".join(filter(None, PROBABILITIES))
        require(
            self.probability in PROBABILITIES, "probability", shown(self.probability), names, MeaningError
        )
        require(
            type(self.named_labels) is bool,
            "named_labels",
            shown(self.named_labels),
            "true or false",
            MeaningError,
        )
        finite = isinstance(self.threshold, float) and math.isfinite(self.threshold)
        require(finite, "threshold", shown(self.threshold), "a finite number", MeaningError)
        step = self.output_step
        if step is not None and not (type(step) is float and 0 < step < math.inf):
            raise MeaningError(f"output_step is {step!r}; accepted: a number above 0")

    def check(self, shape: Shape) -> None:
        """Raise MeaningError when the task or the names of classes do not fit outputs
        of ``shape`` (C, H, W)."""
        kind_named = kind_of(self.classes, shape)
        if self.task == TWO_CLASSES and shape[0] != 1:
            raise MeaningError(f"task is {self.task} with {shape[0]} outputs; accepted: one output")
        if (
            kind_named
            and self.task
            and kind_named != self.task
            and (kind_named, self.task) != (CLASSES, LABELS)
        ):
            raise MeaningError(
                f"task is {self.task} with {len(self.classes)} names of classes; accepted: {kind_named}"
            )

    def task_of(self, shape: Shape, measure: str = "") -> Task | None:
        """Return the task for outputs of ``shape`` (C, H, W), or None if neither the
        field ``task`` nor ``classes`` decides it. Raises MeaningError when that task
        cannot be measured by ``measure``."""
        kind = self.task or kind_of(self.classes, shape)
        if not kind:
            return None
        classes = () if kind == VALUES else self.classes
        return Task(
            kind=kind,
            shape=shape,
            classes=classes,
            named_labels=self.named_labels,
            threshold=self.threshold,
            measure=measure,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that have a value, as plain values for JSON."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.inputs is not None:
            fields["inputs"] = self.inputs.as_dict()
        fields["classes"] = list(self.classes)
        fields["threshold"], fields["named_labels"] = self.threshold or None, self.named_labels or None
        return {name: value for name, value in fields.items() if value not in (None, "", [])}

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Rebuild a Meaning from the output of ``as_dict``. Raises MeaningError if the
        dictionary has another form."""
        require(isinstance(content, dict), "meaning", shown(content), "an object", MeaningError)
        names = [f.name for f in dataclasses.fields(cls)]
        for name in content:
            require(name in names, f"meaning.{name}", "not a field", ", ".join(names), MeaningError)
        values = dict(content)
        if "inputs" in values:
            values["inputs"] = InputRange.from_dict(values["inputs"])
        if isinstance(values.get("classes"), list):
            values["classes"] = tuple(values["classes"])
        return cls(**values)


def _text(name: str, value: object, *, optional: bool = False) -> None:
    if optional and value is None:
        return
    fits = isinstance(value, str) and len(value) <= TEXT_MAX and value.isprintable()
    text = f"printable text of at most {TEXT_MAX} characters"
    require(fits, name, shown(value), text, MeaningError)

"""Source: a module with typical inputs and a metric, as Python objects or
from a user's file."""

import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ndrite.emulator.errors import EmulatorError
from ndrite.emulator.learning.training.view import torch
from ndrite.host import InputError
from ndrite.runs import File

Metric = Callable[[Any], Any]
"""A function that measures a module by calling it as the user does: accuracy,
perplexity, mean error."""


class Source(NamedTuple):
    """A PyTorch module, samples for it (as for ``ndrite.analog``) and the
    metric that judges it."""

    module: torch.nn.Module
    samples: object
    metric: Metric | None

    @property
    def judge(self) -> Metric:
        """Return the metric of a source that was loaded with one."""
        assert self.metric is not None
        return self.metric


def source_of(
    module: torch.nn.Module | str,
    samples: object = None,
    metric: Metric | None = None,
    *,
    judged: bool = True,
) -> Source:
    """Return a module, its samples and its metric. Arguments that are passed are
    checked. If ``module`` is the text ``FILE.py:FUNCTION``, samples and metric that are
    not passed are loaded from that file.

    The function returns the module; of the same file, ``samples()`` returns typical
    inputs and ``metric(module)`` a number. Arguments come before those of the file.
    ``judged``: a metric is needed.

    Raises InputError: the file cannot be run, lacks a function, or one of them raises;
    an argument is missing, or is none. EmulatorError: ``module`` is not a module.
    """
    where = ""
    if isinstance(module, str):
        path, _, name = module.rpartition(":")
        names, where = _run(Path(path)), f"{path}: "
        module = _called(path, names, name)
        if samples is None:
            samples = _called(path, names, "samples")
        metric = names.get("metric") if metric is None else metric
    if not isinstance(module, torch.nn.Module):
        raise EmulatorError(f"{where}model is a {type(module).__name__}; accepted: a torch.nn.Module")
    if samples is None:
        raise InputError(f"{where}samples is None; accepted: typical inputs of the module")
    if judged and not callable(metric):
        raise InputError(f"{where}metric is {metric!r}; accepted: a function of the module, metric(module)")
    return Source(module, samples, metric)


def source_file(
    module: torch.nn.Module | str, source: Source, chosen: tuple[object, Metric | None], folder: Path
) -> tuple[File, str]:
    """Provide a file and a function name from which other processes load ``source``:
    the user's own file if ``module`` names one that also provides samples and metric,
    else a pickle in ``folder``. ``chosen`` are the samples and the metric that the
    caller passes in place of the file's, None for each that is not passed.

    Raises InputError where Python cannot pickle a part.
    """
    if isinstance(module, str) and chosen == (None, None):
        path, _, name = module.rpartition(":")
        return File.of(Path(path)), name
    for part, value in source._asdict().items():
        try:
            pickle.dumps(value)
        except Exception as error:
            raise InputError(
                f"{part} cannot be sent to other processes ({' '.join(str(error).split())}); accepted: "
                "classes and functions defined in a .py file, or workers=1 with neither scheduler nor folder"
            ) from None
    pickled = folder / "source.pickle"
    pickled.write_bytes(pickle.dumps(tuple(source)))
    return File.of(pickled), ""


def read_source(file: File, function: str) -> Source:
    """Load the module, samples and metric from a file that ``source_file`` returned."""
    content = file.read()
    return source_of(f"{file.path}:{function}") if function else Source(*pickle.loads(content))


def _run(path: Path) -> dict[str, Any]:
    """Run a user's Python file and return its global names. Its imports are searched in
    the file's own folder too."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    name = f"{path.stem}_of_user"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} raised {type(error).__name__}: {error}") from error
    return vars(module)


def _called(path: str, names: dict[str, Any], name: str) -> Any:
    """Call the function ``name`` of a user's file and return its result."""
    if not callable(names.get(name)):
        raise InputError(f"{path} has no function {name}; accepted: a file with {name}()")
    try:
        return names[name]()
    except EmulatorError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{path}: {name}() raised {type(error).__name__}: {error}") from error

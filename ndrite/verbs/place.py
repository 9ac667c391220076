"""place: which products of a PyTorch module stay digital."""

from typing import Annotated

from ndrite import signature as sig
from ndrite.losses import Placed


@sig.verb
def place(
    module: sig.Module,
    /,
    chip: sig.ChipName,
    samples: sig.SamplesOf | None = None,
    metric: sig.MetricOf | None = None,
    *,
    loss: Annotated[float, sig.Option("X")],
    minutes: Annotated[float, sig.Option("M", least=0)] | None = None,
    channel_ranges: sig.ChannelRanges | None = None,
    seed: sig.DieSeed = 0,
    progress: sig.Stages = sig.silent,
) -> Placed:
    """Choose which products of a PyTorch module to keep digital.

    Each product is measured alone on the die once. Products leave the tiles in the
    order of their loss per multiplication, until the metric of the whole is close
    enough to the float module's; the table shows the metric over the share of
    multiplications on tiles. The command runs the code of the file that you name.
    Needs ndrite[train].

    Parameters
    ----------
    module:
        A PyTorch module; or FILE.py:FUNCTION, a function of a file that returns one.
        This runs the file's code. Two more functions of that file are used: samples()
        returns typical inputs, and metric(module) a number.
    samples:
        Typical inputs of the module, as for ``ndrite.analog``; default: the
        file's ``samples()``.
    metric:
        Function of a module, which it calls like ``module``; returns a finite
        number, such as an accuracy, a perplexity or a mean error; default: the
        file's ``metric``.
    loss:
        Largest distance of the metric from the float module's, above 0, in the metric's unit.
    minutes:
        Time limit of the search. After half of it, the median loss per multiplication
        is assumed for products that are not measured yet; at the end the best placement
        so far is the result. Default: no limit.
    seed:
        Number of the die; it is also the seed of its read noise, 0..2^48-1.

    Examples
    --------
    $ ndrite place model.py:make --chip wan2022 --loss 0.05 --minutes 2
    >>> import ndrite, torch
    >>> model, x = torch.nn.Linear(8, 2), torch.rand(64, 8)
    >>> wanted = model(x).detach()
    >>> placed = ndrite.place(model, "wan2022", x, lambda m: (m(x) - wanted).abs().mean(), loss=0.5)
    >>> placed.digital
    ()
    """
    from ndrite.tiles import Assessment, place_products

    with progress("products") as report:
        assessed = Assessment(module, chip, samples, metric, seed, channel_ranges)
        return place_products(assessed, loss=loss, minutes=minutes, progress=report)

"""evaluate: measures how well a compiled network does on a board, and whether the board
is right in every bit."""

from ndrite import signature as sig
from ndrite.compiled import held
from ndrite.dies import OverDies, evaluated, over_dies
from ndrite.evaluations import Evaluation
from ndrite.evaluations import evaluate as judge
from ndrite.host import InputError
from ndrite.runs import GOLDEN, Crew
from ndrite.samples import EvaluationSet, judged_samples
from ndrite.url import connect, urls

RTL_SAMPLES = 500
"""Number of samples that are used, on any board slower than the golden model, if the
caller does not give ``count``."""


@sig.verb
def evaluate(
    program: sig.Runs,
    /,
    inputs: sig.Inputs | None = None,
    labels: sig.Labels | None = None,
    *,
    board: sig.Boards = GOLDEN,
    count: sig.Count | None = None,
    measure: sig.Measure | None = None,
    data: sig.DataSet | None = None,
    codes: sig.Codes = False,
    seed: sig.Seed = 0,
    noise: sig.Noise = True,
    dies: sig.Dies | None = None,
    workers: sig.Workers = 1,
    scheduler: sig.Scheduler | None = None,
    progress: sig.Stages = sig.silent,
    announce: sig.Announce = sig.unheard,
) -> Evaluation | OverDies:
    """Measure accuracy on a board, and compare with the golden model.

    The measure follows from the compiled file, or else from the labels: accuracy for
    classes, with its 95 % interval over samples; the share of samples with all labels
    right for several labels; the root mean square error in the model's unit for values.
    Samples whose outputs differ from the golden model in any bit are counted, and if
    there are any, the exit code is 1. For gateware the result has the clock cycles per
    inference, the share of them in which the array was busy, and the share of the
    array's products whose input is not 0. If the board cannot hold the whole program,
    the result says in how many segments it ran, and how many memory words were swapped.

    Parameters
    ----------
    count:
        Number of samples, the first ones; default: all on ``golden:``, 500 on other boards.
    dies:
        Number of dies of the compiled network's chip to judge, each programmed
        anew; the result is the mean with its interval over dies. Several
        boards share the dies.

    Examples
    --------
    $ ndrite evaluate mine --inputs x.npy --labels y.npy
    > ndrite evaluate mine --board uart:/dev/pts/3 --count 100
    >>> import ndrite
    >>> found = ndrite.evaluate(ndrite.load(), count=100)
    >>> found.samples, found.mismatches
    (100, 0)
    """
    boards = urls(board)
    wanted = EvaluationSet(inputs, labels, data, codes, measure)
    if dies is not None:
        crew, reads = Crew(workers, scheduler, boards, announce), {"seed": seed, "noise": noise}
        return over_dies(evaluated, program, wanted, dies, crew, progress, count=count, most=None, **reads)
    if len(boards) > 1:
        raise InputError(f"board is given {len(boards)} times; accepted: once, or several times with dies")
    loaded, compiled = held(program)
    samples = judged_samples(loaded, compiled, wanted)
    x, labels, by, task = samples.first(count, None if boards[0].startswith("golden:") else RTL_SAMPLES)
    network = None if compiled is None else compiled.network
    with connect(boards[0]) as chosen:
        with progress("programming") as report:
            chosen.program(loaded, progress=report)
        with progress("inference") as report:
            return judge(
                chosen,
                loaded,
                x,
                labels,
                seed=seed,
                noise=noise,
                network=network,
                task=task,
                progress=report,
                board=boards[0],
                judged_by=by,
            )

"""The experiments behind the docs: one file each, run by ``ndrite experiment NAME``.

Every experiment is a list of runs with a seed each and a summary of their results; ``runner`` keeps finished
runs, so that one that was stopped goes on.
"""

NAMES = (
    "xor",
    "activation",
    "shapes",
    "valley",
    "kan",
    "loss",
    "depth",
    "adaptation",
    "recovery",
    "ecram",
    "insitu",
    "cost",
)

"""Published chips' own numbers, run here and compared: one file a chip and task, run by ``ndrite replicate``.

Every file says what was published and where, what is run, how far apart the two may be and why, and what
explains a difference beyond that. ``runner`` runs one and keeps all that were run in one JSON file, from
which ``page`` makes the documentation.
"""

NAMES = (
    "neurram-mnist",
    "neurram-rbm",
    "neurram-resnet",
    "neurram-lstm",
    "neurram-energy",
    "hermes-energy",
    "cmo-hfox",
    "analognets",
)
"""Each is a module of this package."""

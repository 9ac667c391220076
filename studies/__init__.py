"""Studies behind the documentation: experiments of ours, and published chips' own numbers run here.

``python -m studies`` lists them, ``python -m studies NAME`` runs one. They are no part of the product:
nothing of ``ndrite`` imports them, and the wheel has none of them. A study is a module: a grid of runs
with a seed each, one run, the tables that all runs make, and a figure; ``runner`` does the rest.
"""

NAMES = {
    "xor": "xor",
    "activation": "activation",
    "shapes": "shapes",
    "valley": "valley",
    "kan": "kan",
    "loss": "loss",
    "depth": "depth",
    "adaptation": "adaptation",
    "recovery": "recovery",
    "ecram": "ecram",
    "insitu": "insitu",
    "cost": "cost",
    "neurram-mnist": "neurram_mnist",
    "neurram-rbm": "neurram_rbm",
    "neurram-resnet": "neurram_resnet",
    "neurram-lstm": "neurram_lstm",
    "neurram-energy": "energy",
    "hermes-energy": "energy",
    "cmo-hfox": "cmo_hfox",
    "analognets": "analognets",
}
"""Studies, and the module of each. Those that have a file in ``publications`` replicate a publication."""

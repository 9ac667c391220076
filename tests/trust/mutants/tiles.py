"""Modules of PyTorch on tiles, and what of the mapper and the training they rest on."""

from __future__ import annotations

from tests.trust.mutants.mutant import Mutant

PRODUCTS = ("tests/ndrite/tiles/test_analog_products.py",)
MODULE = ("tests/ndrite/tiles/test_analog_module.py",)
TRAINING = ("tests/ndrite/tiles/test_analog_training.py",)
PIECES = ("tests/emulator/mapping/test_pieces.py",)

MUTANTS = (
    Mutant(
        "ndrite/tiles/reader.py",
        "place.first_index * each",
        "place.first_index",
        "rows of one sample are numbered as samples",
        MODULE,
    ),
    Mutant(
        "ndrite/tiles/placement.py",
        "seed=self.seed + (call << SEED_BITS)",
        "seed=self.seed",
        "every call of a sequence has the same read noise",
        PRODUCTS,
    ),
    Mutant(
        "ndrite/tiles/product.py",
        "(bias + inputs.low * weight.sum(axis=0))",
        "bias",
        "the low end of signed inputs is lost",
        PRODUCTS,
    ),
    Mutant(
        "ndrite/tiles/product.py",
        "first_product=self.number",
        "first_product=0",
        "all products are the same cells",
        PRODUCTS,
    ),
    Mutant(
        "ndrite/tiles/watched.py",
        "(0.0,) if self.low < 0 < self.high else ()",
        "()",
        "zero is no code",
        PRODUCTS,
    ),
    Mutant(
        "ndrite/tiles/convert.py",
        "placement.state != state_of(root)",
        "not placement.state",
        "changed weights stay on the die",
        MODULE,
    ),
    Mutant(
        "ndrite/tiles/attention.py",
        "self._qkv_same_embed_dim = False",
        "self._qkv_same_embed_dim = True",
        "PyTorch's fused encoder goes past the die",
        MODULE,
    ),
    Mutant(
        "ndrite/tiles/recurrent.py",
        "outputs[::-1] if backward else outputs",
        "outputs",
        "the way back comes out in the order it was run",
        PRODUCTS,
    ),
    Mutant(
        "ndrite/tiles/layers.py",
        "planes.permute(0, 2, 1, 5, 3, 4)",
        "planes.permute(0, 2, 5, 1, 3, 4)",
        "a plane's channels come before its depth",
        PRODUCTS,
    ),
    Mutant(
        "ndrite/tiles/reader.py",
        "span * centre.norm(dim=1)",
        "span * 0 * centre.norm(dim=1)",
        "training reads constant inputs without noise",
        TRAINING,
    ),
    Mutant(
        "ndrite/tiles/reader.py",
        "if self._drawn is None:",
        "if True:",
        "training draws a sequence's cells anew at every call",
        TRAINING,
    ),
    Mutant(
        "ndrite/tiles/reader.py",
        "y = known + (y - known).detach()",
        "y = y + 0 * known",
        "no gradient comes back from the die",
        TRAINING,
    ),
    Mutant(
        "emulator/learning/training/layers.py",
        "held.copy_(widest(now, RANGE_MEMORY * held + (1 - RANGE_MEMORY) * now))",
        "held.copy_(RANGE_MEMORY * held + (1 - RANGE_MEMORY) * now)",
        "a sequence's later calls are cut by the range of its first",
        ("tests/emulator/learning/training/test_graphs.py", "-k", "sequence"),
    ),
    Mutant(
        "emulator/mapping/layer.py",
        "dense.activation is None and not options.column_steps",
        "dense.activation is None",
        "columns with steps of their own share one",
        PIECES,
    ),
    Mutant(
        "emulator/mapping/nodes.py",
        "self._options.first_product + number",
        "number",
        "a piece of a network has the cells of its first product",
        PIECES,
    ),
    Mutant(
        "emulator/mapping/nodes.py",
        "given = samples.astype(np.float64) / INPUT_MAX if exact is None else exact",
        "given = samples.astype(np.float64) / INPUT_MAX",
        "what a die loses before a piece is not made up for",
        PIECES,
    ),
    Mutant(
        "ndrite/tiles/reader.py",
        "product.show(x, watched.show_given)",
        "pass",
        "products are mapped on what floats give them",
        MODULE,
    ),
)

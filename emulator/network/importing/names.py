"""ONNX's names of what is passed on as it is, and what to use in place of what cannot be imported."""

from __future__ import annotations

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Of operators that are read by their names."""
DROPPED = ("Identity", "Dropout", "ZipMap")
NORMALISED = {
    "Softmax": "outputs are taken before the softmax; the largest one is the same",
    "LogSoftmax": "outputs are taken before the log-softmax; the largest one is the same",
    "Normalizer": "outputs are taken before the normalisation; the largest one is the same",
}
NORMALISATION = (
    "it depends on the data; use BatchNormalization, which folds into the weights, or run it on the host"
)
LARGER = "use Resize by whole numbers (torch.nn.Upsample, nearest) and a Conv behind it"
TREES = "trees are not networks; use a multi-layer perceptron"
ATTENTION = "attention needs products of two signals; run it on the host between two networks"
INSTEAD = {
    "LayerNormalization": NORMALISATION,
    "InstanceNormalization": NORMALISATION,
    "GroupNormalization": NORMALISATION,
    "LRN": "it divides by what is around; use BatchNormalization",
    "ConvTranspose": LARGER,
    "DepthToSpace": LARGER,
    "Attention": ATTENTION,
    "MultiHeadAttention": ATTENTION,
    "MatMul": "only constants can be one of its operands; run products of two signals on the host",
    "Gather": "take channels by constant numbers; for an embedding use a one-hot input and a full layer",
    "NonZero": "its result's shape depends on the data; use operators of fixed shapes",
    "TopK": "it picks by the data; take it of the outputs on the host",
    "ArgMax": "take the scores; the host picks the largest",
    "If": "it depends on the data; export one branch",
    "Loop": "unroll it when exporting, or use LSTM, GRU or RNN",
    "Scan": "use LSTM, GRU or RNN",
    "TreeEnsembleClassifier": TREES,
    "TreeEnsembleRegressor": TREES,
    "TreeEnsemble": TREES,
    "SVMClassifier": "use a multi-layer perceptron",
    "SVMRegressor": "use a multi-layer perceptron",
}
OTHERWISE = (
    "use Gemm, MatMul, Conv, pooling, BatchNormalization, Concat, Add and Mul of branches, Flatten, Reshape, "
    "LSTM, GRU, or a function of each value"
)
